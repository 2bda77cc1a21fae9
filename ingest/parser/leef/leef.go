// Package leef reads the Log Event Extended Format 1.0 and 2.0, alone or behind
// syslog's head. The attributes keep their names.
package leef

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	index := parser.NewProductIndex("leef")
	return parser.Parser{
		Name:  "leef",
		Title: "Log Event Extended Format (LEEF)",
		Description: "LEEF 1.0 and 2.0 of any vendor and product, alone or in syslog, with any separator. Each attribute is a field under its name; " +
			"well-known products have a dataset of their own. The time is devTime by its devTimeFormat, else that of the head.",
		References: []string{"IBM QRadar Log Event Extended Format, version 2: event components, predefined attributes, custom date format"},
		Datasets:   Datasets(),
		Form:       parser.Line,
		Parse:      func(raw []byte, hint parser.Hint) (parser.Parsed, error) { return parse(raw, hint, index) },
	}
}

// Datasets lists leef, and one for each product that is known.
func Datasets() []holdfast.Dataset {
	return parser.ProductDatasets("leef", "LEEF", map[string]string{
		"hostname": holdfast.EntityHost, "dvchost": holdfast.EntityHost, "identHostName": "related.hosts", "dvc": "host.ip",
		"src": holdfast.EntitySource, "srcPort": "source.port", "srcMAC": "source.mac", "srcBytes": "source.bytes", "srcPreNAT": "source.nat.ip",
		"dst": holdfast.EntityDestination, "dstPort": "destination.port", "dstMAC": "destination.mac", "dstBytes": "destination.bytes", "dstPreNAT": "destination.nat.ip",
		"usrName": holdfast.EntityUser, "accountName": holdfast.EntityUser, "suser": holdfast.EntityUser, "duser": holdfast.EntityUser,
		"domain": "user.domain", "role": "user.roles", "groupID": "group.id",
		"act": "event.action", "action": "event.action", "cat": "event.category", "sev": "event.severity", "EventID": "event.code", "policy": "rule.name",
		"DeviceVendor": "observer.vendor", "DeviceProduct": "observer.product", "DeviceVersion": "observer.version",
		"url": "url.original", "resource": "url.path", "proto": "network.transport", "msg": "message", "reason": "event.reason",
		"fname": holdfast.EntityFile, "filePath": holdfast.EntityFile, "fileName": holdfast.EntityFile, "fileHash": "file.hash",
	}, map[string]string{"src_ip": "src", "dst_ip": "dst", "src_port": "srcPort", "dst_port": "dstPort", "action": "act", "username": "usrName", "c-uri": "url", "Filename": "fname"})
}

var heads = [...]string{"DeviceVendor", "DeviceProduct", "DeviceVersion", "EventID"}

func parse(raw []byte, hint parser.Hint, index parser.ProductIndex) (parser.Parsed, error) {
	if len(raw) == 0 || raw[0] == '{' {
		return parser.Parsed{}, parser.ErrOther
	}
	l, body, ok := parser.InSyslog(raw, "LEEF:", hint.Received)
	if !ok {
		return parser.Parsed{}, parser.ErrOther
	}
	version, rest, ok := strings.Cut(strings.TrimLeft(body, " "), "|")
	version = strings.TrimSpace(version)
	if !ok || version != "1.0" && version != "2.0" && version != "1" && version != "2" {
		return parser.Parsed{}, parser.ErrOther
	}
	fields := make([]holdfast.Field, 0, 32)
	fields = parser.Add(fields, "hostname", l.Host)
	var head [len(heads)]string
	for i, name := range heads {
		part, after, ok := strings.Cut(rest, "|")
		if !ok && i < len(heads)-1 {
			return parser.Parsed{}, fmt.Errorf("the LEEF header ends at its %s", name)
		}
		head[i], rest = strings.TrimSpace(part), after
		fields = parser.Add(fields, name, head[i])
	}
	separator := "\t"
	if version[0] == '2' {
		separator, rest = cutSeparator(rest)
	}
	from := len(fields)
	fields, err := attributes(fields, rest, separator)
	if err != nil {
		return parser.Parsed{}, err
	}
	get := func(name string) string {
		for i := range fields[from:] {
			if fields[from+i].Name == name {
				return fields[from+i].Text
			}
		}
		return ""
	}
	out := parser.Parsed{Time: l.Time, Host: l.Host, Dataset: index.Dataset(head[0], head[1]), Trouble: l.Note}
	if t, ok := parser.DeviceTime(get("devTime"), get("devTimeFormat"), hint.Received); ok {
		out.Time, out.Trouble = t, ""
	}
	if h := get("dvchost"); h != "" {
		out.Host = h
	}
	out.Fields = parser.Derived(fields, []string{get("fileHash"), get("sha256")}, get("url"))
	return out, nil
}

// cutSeparator reads the sixth part of a header of version 2.0: a character, or
// its number as "x5E" or "0x5E". It is a tab where the part is empty or missing.
func cutSeparator(s string) (separator, rest string) {
	end := strings.IndexByte(s, '|')
	if end == 0 && strings.HasPrefix(s, "||") { // the separator is the bar itself
		return "|", s[2:]
	}
	if end < 0 || end > 6 {
		return "\t", s
	}
	word := s[:end]
	switch number, isHex := strings.CutPrefix(strings.TrimPrefix(word, "0"), "x"); {
	case word == "":
		return "\t", s[1:]
	case isHex && number != "":
		if n, err := strconv.ParseUint(number, 16, 16); err == nil && n > 0 {
			return string(rune(n)), s[end+1:]
		}
	case len([]rune(word)) == 1:
		return word, s[end+1:]
	case word == `\t`:
		return "\t", s[end+1:]
	}
	return "\t", s
}

var numbers = map[string]bool{
	"sev": true, "srcPort": true, "dstPort": true, "srcBytes": true, "dstBytes": true, "totalPackets": true, "srcPackets": true, "dstPackets": true,
	"srcPreNATPort": true, "dstPreNATPort": true, "srcPostNATPort": true, "dstPostNATPort": true,
}

// attributes reads "key=value" between separators. A part that is no such pair
// belongs to the value before it: there is no escape.
func attributes(fields []holdfast.Field, s, separator string) ([]holdfast.Field, error) {
	first, start := len(fields), 0 // of the value that is being read
	for at := 0; at <= len(s); {
		end := strings.Index(s[at:], separator)
		if end < 0 {
			end = len(s) - at
		}
		end += at
		part := s[at:end]
		key, value, ok := strings.Cut(part, "=")
		switch key = strings.TrimSpace(key); {
		case !ok || key == "":
			if len(fields) > first && strings.TrimSpace(part) != "" {
				fields[len(fields)-1].Text = s[start:end]
			}
		case len(fields) >= parser.MaxFields-4:
			return nil, errors.New("too many attributes")
		case len(key) > parser.MaxName:
			return nil, fmt.Errorf("a key has %d bytes, %d are allowed", len(key), parser.MaxName)
		default:
			start = end - len(value)
			fields = append(fields, holdfast.Field{Name: key, Text: value})
		}
		at = end + len(separator)
	}
	for i := first; i < len(fields); i++ {
		f := &fields[i]
		if f.Text = strings.TrimRight(f.Text, " "); numbers[f.Name] && parser.Decimal(f.Text) {
			f.Kind = holdfast.Number
		}
	}
	return fields, nil
}
