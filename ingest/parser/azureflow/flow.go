package azureflow

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

const timeColumn = "timeStamp"

// values reads the values of one flow, which stand between commas. An empty one
// is left out: a flow that began has no counts yet.
func (r *reader) values(text []byte, around []holdfast.Field) (parser.Parsed, error) {
	n := bytes.Count(text, []byte(",")) + 1
	if n != len(r.columns) && n != r.least {
		return parser.Parsed{}, fmt.Errorf("a flow of %d values, %d are in it", n, len(r.columns))
	}
	out := parser.Parsed{Dataset: r.dataset, Fields: make([]holdfast.Field, 0, len(around)+n+1)}
	out.Fields = append(out.Fields, around...)
	action := ""
	for _, name := range r.columns[:n] {
		value, rest, _ := bytes.Cut(text, []byte(","))
		text = rest
		if len(value) == 0 {
			continue
		}
		f := holdfast.Field{Name: name, Text: string(value)}
		switch name {
		case timeColumn, "sourcePort", "destinationPort", "packetsSent", "bytesSent", "packetsReceived", "bytesReceived":
			number, err := strconv.ParseUint(f.Text, 10, 64)
			if err != nil {
				return parser.Parsed{}, fmt.Errorf("%s is %.40q, not a number", name, f.Text)
			}
			if f.Kind = holdfast.Number; name == timeColumn {
				out.Time = moment(number)
			}
		case "sourceIP", "destinationIP":
			if _, err := netip.ParseAddr(f.Text); err != nil {
				return parser.Parsed{}, fmt.Errorf("%s is %.60q, not an address", name, f.Text)
			}
		case "flowDecision", "flowState":
			action = said(name, f.Text, action)
		}
		out.Fields = append(out.Fields, f)
	}
	if action != "" {
		out.Fields = append(out.Fields, holdfast.Field{Name: "action", Text: action})
	}
	if out.Time.IsZero() {
		out.Time = clockOf(around)
	}
	return out, nil
}

// said is whether a flow was let through: the decision of a security group, or
// the state of a virtual network's flow, which is D only where it was not.
func said(column, value, before string) string {
	switch {
	case before != "":
		return before // the decision stands before the state
	case value == "D":
		return "deny"
	case column == "flowDecision" && value == "A", column == "flowState":
		return "allow"
	}
	return ""
}

// moment reads seconds since 1970, or milliseconds.
func moment(n uint64) time.Time {
	switch {
	case n < 1e8 || n > 1e14:
		return time.Time{}
	case n > 1e11:
		return time.UnixMilli(int64(n)).UTC()
	}
	return time.Unix(int64(n), 0).UTC()
}

// clockOf is the time of the record.
func clockOf(fields []holdfast.Field) time.Time {
	for i := range fields {
		if fields[i].Name == "time" {
			t, err := time.Parse(time.RFC3339Nano, fields[i].Text)
			if err != nil {
				return time.Time{}
			}
			return t.UTC()
		}
	}
	return time.Time{}
}
