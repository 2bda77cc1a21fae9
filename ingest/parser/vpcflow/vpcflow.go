// Package vpcflow reads the flow logs of AWS's virtual networks, versions 2 to
// 5. A line has its columns named by a header before it, or is in the default
// form; putting the header there is left to the inputs.
package vpcflow

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

const name = "aws.vpcflow"

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:        "vpcflow",
		Title:       "AWS VPC flow logs",
		Description: "Lines of flow logs in the default form, or in a form of one's own with its header before the line. A column without data (-) is left out.",
		References:  []string{"https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html"},
		Datasets: []holdfast.Dataset{{
			Name:      name,
			Title:     "AWS VPC flow logs",
			Logsource: holdfast.Logsource{Product: "aws", Service: "vpcflow"},
			Also:      []holdfast.Logsource{{Category: "firewall"}},
			ECS: map[string]string{
				"srcaddr": holdfast.EntitySource, "dstaddr": holdfast.EntityDestination,
				"srcport": "source.port", "dstport": "destination.port", "protocol": "network.iana_number",
				"bytes": "network.bytes", "packets": "network.packets", "action": "event.action", "flow-direction": "network.direction",
				"account-id": "cloud.account.id", "region": "cloud.region", "az-id": "cloud.availability_zone", "instance-id": "cloud.instance.id",
			},
			Alias: map[string]string{"src_ip": "srcaddr", "dst_ip": "dstaddr", "src_port": "srcport", "dst_port": "dstport"},
			Whole: true,
		}},
		Parse: parse,
	}
}

// standard are the columns of the default form, which is version 2.
func standard() []string {
	return []string{
		"version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport",
		"protocol", "packets", "bytes", "start", "end", "action", "log-status",
	}
}

func parse(raw []byte, _ parser.Hint) (parser.Parsed, error) {
	header, line, table := bytes.Cut(bytes.TrimRight(raw, "\r\n"), []byte("\n"))
	if !table {
		header, line = nil, header
		if !isStandard(line) {
			return parser.Parsed{}, parser.ErrOther
		}
	}
	names := standard()
	if table {
		if names = columns(header); names == nil {
			return parser.Parsed{}, parser.ErrOther
		}
	}
	values := bytes.Fields(line)
	if len(values) != len(names) {
		return parser.Parsed{}, fmt.Errorf("%d values, the header names %d columns", len(values), len(names))
	}
	out := parser.Parsed{Dataset: name, Fields: make([]holdfast.Field, 0, len(names))}
	for i, n := range names {
		v := string(values[i])
		if v == "-" {
			continue
		}
		f := holdfast.Field{Name: n, Text: v}
		switch n {
		case "version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags", "traffic-path":
			if _, err := strconv.ParseUint(v, 10, 64); err != nil {
				return parser.Parsed{}, fmt.Errorf("%s is %.40q, not a number", n, v)
			}
			f.Kind = holdfast.Number
		}
		if n == "start" {
			// The limit keeps it a year of four digits.
			if sec, err := strconv.ParseInt(v, 10, 64); err == nil && sec > 0 && sec < 1<<36 {
				out.Time = time.Unix(sec, 0).UTC()
			}
		}
		out.Fields = append(out.Fields, f)
	}
	return out, nil
}

// isStandard tells a line in the default form by its ends and its interface.
func isStandard(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("2 ")) || len(line) > 512 {
		return false
	}
	f := bytes.Fields(line)
	if len(f) != 14 {
		return false
	}
	switch string(f[13]) {
	case "OK", "NODATA", "SKIPDATA":
	default:
		return false
	}
	switch string(f[12]) {
	case "ACCEPT", "REJECT", "-":
		return true
	}
	return false
}

// columns returns the names in a header, or nil if it is none.
func columns(header []byte) []string {
	if len(header) > 16<<10 || !bytes.Contains(header, []byte("addr")) && !bytes.Contains(header, []byte("-id")) {
		return nil
	}
	known, seen := false, map[string]bool{}
	for _, n := range bytes.Fields(header) {
		for _, c := range n {
			if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return nil
			}
		}
		if len(n) > parser.MaxName || seen[string(n)] || len(seen) >= parser.MaxFields {
			return nil
		}
		seen[string(n)] = true
		switch string(n) {
		case "srcaddr", "pkt-srcaddr", "interface-id", "account-id":
			known = true
		}
	}
	if !known || len(seen) < 4 {
		return nil
	}
	out := make([]string, 0, len(seen))
	for _, n := range bytes.Fields(header) {
		out = append(out, string(n))
	}
	return out
}
