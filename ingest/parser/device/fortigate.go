package device

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"holdfast/ingest/parser"
)

// fortigate reads "date=2026-11-23 time=02:09:06 devname="fw1" logid=… type="event"
// …": names and values, those with blanks in quotes.
func fortigate(line string, from int) (parser.Parsed, error) {
	if from < 0 {
		return parser.Parsed{}, parser.ErrOther
	}
	p := parser.Parsed{Dataset: "fortigate.event"}
	var kind, date, clock, nano, zone string
	err := values(line[from:], func(name, value string) {
		switch name {
		case "type":
			kind = value
		case "date":
			date = value
		case "time":
			clock = value
		case "eventtime":
			nano = value
		case "tz":
			zone = value
		case "devname":
			p.Host = value
		}
		p.Fields = parser.Add(p.Fields, name, value)
	})
	switch {
	case err != nil && len(p.Fields) < 3:
		return parser.Parsed{}, err
	case err != nil: // a datagram cut off, for one
		p.Trouble = breaksOff
	}
	switch kind {
	case "traffic", "utm":
		p.Dataset = "fortigate." + kind
	default:
		for _, f := range p.Fields {
			if (f.Name == "msg" || f.Name == "logdesc" || f.Name == "subtype") && (strings.Contains(f.Text, "sslvpn") || strings.Contains(f.Text, "SSL VPN")) {
				p.Dataset = "fortigate.sslvpnd"
			}
		}
	}
	p.Time = fortiTime(date, clock, nano, zone)
	if len(p.Fields) == 0 {
		return parser.Parsed{}, parser.ErrOther
	}
	return p, nil
}

// values reads names and values, name=value or name="a value", to the end.
func values(s string, each func(name, value string)) error {
	for n := 0; ; n++ {
		s = strings.TrimLeft(s, " \r\n\t")
		name, rest, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil
		}
		if len(name) > 64 || strings.ContainsAny(name, " \"") {
			return errors.New("a value stands without a name")
		}
		var value string
		if value, s, ok = valueOf(rest); !ok {
			return errors.New("a value has no closing quote")
		}
		if n >= parser.MaxFields {
			return errors.New("too many fields")
		}
		each(name, value)
	}
}

// valueOf reads a value up to a blank, or in quotes with \" taken back.
func valueOf(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		value, rest, _ = strings.Cut(s, " ")
		return strings.TrimRight(value, "\r\n"), rest, true
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1:i]), s[i+1:], true
		}
	}
	return "", "", false
}

// fortiTime prefers eventtime, which counts since 1970 (in seconds, or in
// nanoseconds from FortiOS 6.2), to the wall clock with its zone.
func fortiTime(date, clock, nano, zone string) time.Time {
	if n, err := strconv.ParseInt(nano, 10, 64); err == nil && n > 1e9 {
		if n < 1e12 {
			return time.Unix(n, 0).UTC()
		}
		return time.Unix(0, n).UTC()
	}
	if zone == "" {
		zone = "+0000"
	}
	t, err := time.Parse("2006-01-02 15:04:05 -0700", date+" "+clock+" "+zone)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
