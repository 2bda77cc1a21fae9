// Package json reads any JSON object into flat fields. It knows no schema:
// datasets that have one get a parser of their own.
package json

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	pool := new(fastjson.ParserPool)
	return parser.Parser{
		Name:  "json",
		Title: "JSON",
		Description: "Objects of any kind: nested names are joined by dots, lists repeat their name, " +
			"the time comes from @timestamp, timestamp, time, ts or eventTime.",
		References: []string{"RFC 8259", "https://github.com/ndjson/ndjson-spec"},
		Datasets:   []holdfast.Dataset{Dataset()},
		Form:       parser.Object,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			p := pool.Get()
			defer pool.Put(p)
			return parse(p, raw, hint)
		},
	}
}

// Dataset is json.
func Dataset() holdfast.Dataset {
	return holdfast.Dataset{
		Name:  "json",
		Title: "JSON",
		ECS: map[string]string{
			"hostname": holdfast.EntityHost, "host": holdfast.EntityHost,
			"user": holdfast.EntityUser, "username": holdfast.EntityUser,
			"src_ip": holdfast.EntitySource, "dest_ip": holdfast.EntityDestination, "dst_ip": holdfast.EntityDestination,
		},
	}
}

func parse(p *fastjson.Parser, raw []byte, hint parser.Hint) (parser.Parsed, error) {
	if first(raw) != '{' {
		return parser.Parsed{}, parser.ErrOther
	}
	v, err := p.ParseBytes(raw)
	if err != nil {
		return parser.Parsed{}, fmt.Errorf("damaged JSON: %s", short(err))
	}
	f := flat{fields: make([]holdfast.Field, 0, 24)}
	f.value("", v, 0)
	if f.err != nil {
		return parser.Parsed{}, f.err
	}
	out := parser.Parsed{Dataset: "json", Fields: f.fields}
	for _, name := range [...]string{"@timestamp", "timestamp", "time", "ts", "eventTime", "date"} {
		if x, ok := field(f.fields, name); ok {
			if t, ok := readTime(x, hint.Received); ok && (name != "date" || t.Year() >= 2000) { // 20261123 is no count of seconds
				out.Time = t
				break
			}
		}
	}
	for _, name := range [...]string{"host.name", "hostname", "host"} {
		if x, ok := field(f.fields, name); ok && x.Kind == holdfast.String {
			out.Host = x.Text
			break
		}
	}
	return out, nil
}

func first(raw []byte) byte {
	for _, c := range raw {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// short drops what fastjson quotes of the record, which may be long.
func short(err error) string {
	s := err.Error()
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// flat gathers fields until a limit is passed.
type flat struct {
	fields []holdfast.Field
	err    error
}

func (f *flat) value(name string, v *fastjson.Value, depth int) {
	if f.err != nil {
		return
	}
	if depth > parser.MaxDepth {
		f.err = fmt.Errorf("nested deeper than %d", parser.MaxDepth)
		return
	}
	switch v.Type() {
	case fastjson.TypeObject:
		o, err := v.Object()
		if err != nil {
			f.err = err
			return
		}
		o.Visit(func(key []byte, v *fastjson.Value) {
			if f.err != nil {
				return
			}
			// Before the names are joined: many long ones would cost much.
			if n := len(name) + 1 + len(key); n > parser.MaxName {
				f.err = fmt.Errorf("a field's name has %d bytes or more, %d are allowed", n-1, parser.MaxName)
				return
			}
			below := string(key)
			if depth > 0 {
				below = name + "." + below
			}
			f.value(below, v, depth+1)
		})
	case fastjson.TypeArray:
		list, err := v.Array()
		if err != nil {
			f.err = err
			return
		}
		for _, v := range list {
			f.value(name, v, depth+1)
		}
	case fastjson.TypeString:
		f.add(name, string(v.GetStringBytes()), holdfast.String)
	case fastjson.TypeNumber:
		f.add(name, string(v.MarshalTo(nil)), holdfast.Number)
	case fastjson.TypeTrue:
		f.add(name, "true", holdfast.Bool)
	case fastjson.TypeFalse:
		f.add(name, "false", holdfast.Bool)
	default:
		f.add(name, "", holdfast.Null)
	}
}

func (f *flat) add(name, text string, kind holdfast.Kind) {
	switch {
	case name == "":
		f.err = errors.New("a field without a name")
	case len(name) > parser.MaxName:
		f.err = fmt.Errorf("a field's name has %d bytes, %d are allowed", len(name), parser.MaxName)
	case len(f.fields) >= parser.MaxFields:
		f.err = fmt.Errorf("more than %d fields", parser.MaxFields)
	default:
		f.fields = append(f.fields, holdfast.Field{Name: name, Text: text, Kind: kind})
	}
}

func field(fields []holdfast.Field, name string) (holdfast.Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return holdfast.Field{}, false
}

// readTime reads RFC 3339 and its common variants, and counts since 1970 in
// seconds, or in milli-, micro- or nanoseconds if they are too many for that.
func readTime(f holdfast.Field, received time.Time) (time.Time, bool) {
	if f.Kind == holdfast.String {
		for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
			if t, err := time.ParseInLocation(layout, f.Text, received.Location()); err == nil {
				return t, true
			}
		}
	}
	n, err := strconv.ParseFloat(f.Text, 64)
	if err != nil || !(n > -1e11 && n < 1e19) {
		return time.Time{}, false
	}
	for _, unit := range [...]struct {
		from float64
		per  int64
	}{{1e17, 1}, {1e14, 1e3}, {1e11, 1e6}} {
		if n < unit.from {
			continue
		}
		if whole, err := strconv.ParseInt(f.Text, 10, 64); err == nil && whole < (1<<63-1)/unit.per {
			return time.Unix(0, whole*unit.per).UTC(), true
		}
		return time.Time{}, false
	}
	sec := int64(n)
	return time.Unix(sec, int64((n-float64(sec))*1e9)).Round(time.Microsecond).UTC(), true
}
