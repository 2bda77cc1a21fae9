// Package cef reads the Common Event Format, alone or behind syslog's head. The
// keys keep their short names; what a vendor puts into its own keys stays as it
// is.
package cef

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	index := parser.NewProductIndex("cef")
	return parser.Parser{
		Name:  "cef",
		Title: "Common Event Format (CEF)",
		Description: "CEF of any vendor and product, alone or in syslog. Each key is a field under its short name; well-known products have a dataset of their own. " +
			"The time is rt, else end, else start, else that of the head.",
		References: []string{"ArcSight Common Event Format, version 26: header, extension dictionary, character encoding"},
		Datasets:   Datasets(),
		Form:       parser.Line,
		Parse:      func(raw []byte, hint parser.Hint) (parser.Parsed, error) { return parse(raw, hint, index) },
	}
}

// Datasets lists cef, and one for each product that is known.
func Datasets() []holdfast.Dataset {
	return parser.ProductDatasets("cef", "CEF", map[string]string{
		"hostname": holdfast.EntityHost, "dvchost": holdfast.EntityHost, "dvc": "host.ip",
		"src": holdfast.EntitySource, "spt": "source.port", "shost": "source.domain", "smac": "source.mac", "in": "source.bytes",
		"dst": holdfast.EntityDestination, "dpt": "destination.port", "dhost": "destination.domain", "dmac": "destination.mac", "out": "destination.bytes",
		"sourceTranslatedAddress": "source.nat.ip", "destinationTranslatedAddress": "destination.nat.ip",
		"suser": holdfast.EntityUser, "duser": holdfast.EntityUser, "sntdom": "user.domain", "suid": "user.id",
		"sproc": holdfast.EntityProcess, "dproc": holdfast.EntityProcess, "spid": "process.pid", "dpid": "process.pid",
		"act": "event.action", "outcome": "event.outcome", "reason": "event.reason", "externalId": "event.id", "cat": "event.category", "cnt": "event.count",
		"DeviceVendor": "observer.vendor", "DeviceProduct": "observer.product", "DeviceVersion": "observer.version",
		"DeviceEventClassID": "event.code", "Name": "rule.name", "Severity": "event.severity",
		"request": "url.original", "requestMethod": "http.request.method", "requestClientApplication": "user_agent.original",
		"requestContext": "http.request.referrer", "destinationDnsDomain": holdfast.EntityDomain,
		"fname": holdfast.EntityFile, "filePath": holdfast.EntityFile, "fsize": "file.size", "fileHash": "file.hash",
		"proto": "network.transport", "app": "network.protocol", "msg": "message",
	}, map[string]string{
		"src_ip": "src", "dst_ip": "dst", "src_port": "spt", "dst_port": "dpt", "action": "act", "username": "suser",
		"c-uri": "request", "cs-method": "requestMethod", "c-useragent": "requestClientApplication", "Signature": "Name", "Filename": "fname",
	})
}

// heads are the names of the header's parts (behind the version).
var heads = [...]string{"DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Name", "Severity"}

func parse(raw []byte, hint parser.Hint, index parser.ProductIndex) (parser.Parsed, error) {
	if len(raw) == 0 || raw[0] == '{' {
		return parser.Parsed{}, parser.ErrOther
	}
	l, body, ok := parser.InSyslog(raw, "CEF:", hint.Received)
	if !ok {
		return parser.Parsed{}, parser.ErrOther
	}
	version, rest, ok := strings.Cut(strings.TrimLeft(body, " "), "|")
	if v := strings.TrimSpace(version); !ok || len(v) > 4 || strings.Trim(v, "0123456789.") != "" || v == "" {
		return parser.Parsed{}, parser.ErrOther
	}
	fields := make([]holdfast.Field, 0, 32)
	fields = parser.Add(fields, "hostname", l.Host)
	var head [len(heads)]string
	for i, name := range heads {
		part, after, ok := cutHead(rest)
		if !ok && i < len(heads)-1 {
			return parser.Parsed{}, fmt.Errorf("the CEF header ends at its %s", name)
		}
		head[i], rest = part, after
		if name == "Severity" && parser.Decimal(part) {
			fields = parser.AddNumber(fields, name, part)
		} else {
			fields = parser.Add(fields, name, part)
		}
	}
	from := len(fields)
	fields, err := extension(fields, rest)
	if err != nil {
		return parser.Parsed{}, err
	}
	out := parser.Parsed{Time: l.Time, Host: l.Host, Dataset: index.Dataset(head[0], head[1]), Trouble: l.Note}
	get := func(name string) string {
		for i := range fields[from:] {
			if fields[from+i].Name == name {
				return fields[from+i].Text
			}
		}
		return ""
	}
	if t, ok := clock(get, hint.Received); ok {
		out.Time, out.Trouble = t, ""
	}
	if h := get("dvchost"); h != "" {
		out.Host = h
	}
	out.Fields = parser.Derived(fields, []string{get("fileHash"), get("oldFileHash")}, get("request"))
	return out, nil
}

// clock is when it happened: as the device received it, or as it ended, or
// began.
func clock(get func(string) string, received time.Time) (time.Time, bool) {
	for _, name := range [...]string{"rt", "end", "start"} {
		if s := get(name); s != "" {
			if t, ok := parser.DeviceTime(s, "", received); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// cutHead cuts one part of the header off; a backslash before '|' or '\' takes
// their meaning from them.
func cutHead(s string) (part, rest string, ok bool) {
	end := strings.IndexAny(s, `|\`)
	if end < 0 {
		return s, "", false
	}
	if s[end] == '|' {
		return s[:end], s[end+1:], true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '|':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '|' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", false
}

// numbers are the keys whose values are numbers.
var numbers = map[string]bool{
	"spt": true, "dpt": true, "cnt": true, "in": true, "out": true, "fsize": true, "oldFileSize": true, "spid": true, "dpid": true, "dvcpid": true,
	"cn1": true, "cn2": true, "cn3": true, "sourceTranslatedPort": true, "destinationTranslatedPort": true, "deviceDirection": true,
}

// extension reads "key=value key=value". A value may hold blanks: it ends before
// the blank in front of the next key. A backslash stands before '=' and '\' that
// are meant as such, "\n" and "\r" are line breaks.
func extension(fields []holdfast.Field, s string) ([]holdfast.Field, error) {
	key, start := "", 0
	s = strings.TrimLeft(s, " ")
	from := 0 // where the next key can begin, -1 before the next blank
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ' ':
			from = i + 1
		case '=':
			at := from
			if from = -1; at < 0 || !isKey(s[at:i]) {
				continue // in a value, where it should have been escaped
			}
			var err error
			if fields, err = add(fields, key, s[start:max(start, at-1)]); err != nil {
				return nil, err
			}
			key, start = s[at:i], i+1
		}
	}
	return add(fields, key, s[start:])
}

func isKey(s string) bool {
	if s == "" || len(s) > parser.MaxName {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == '=' || c == '\\' || c == '|' || c == '"' || c == '\'' || c >= 0x7f {
			return false
		}
	}
	return true
}

func add(fields []holdfast.Field, key, value string) ([]holdfast.Field, error) {
	if key == "" {
		return fields, nil
	}
	if len(fields) >= parser.MaxFields-4 {
		return nil, errors.New("the CEF extension has too many keys")
	}
	value = unescape(strings.TrimRight(value, " "))
	f := holdfast.Field{Name: key, Text: value}
	if numbers[key] && parser.Decimal(value) {
		f.Kind = holdfast.Number
	}
	return append(fields, f), nil
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case '=', '\\', '|':
				i++
				b.WriteByte(s[i])
				continue
			case 'n':
				i++
				b.WriteByte('\n')
				continue
			case 'r':
				i++
				b.WriteByte('\r')
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
