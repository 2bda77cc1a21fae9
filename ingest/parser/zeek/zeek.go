// Package zeek reads Zeek's logs: JSON, one object a line, and lines of the
// tab-separated form with their header before them. Both come out as the same
// fields with the same values.
package zeek

import (
	"bytes"
	"errors"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	pool := sync.Pool{New: func() any { return &reader{flat: parser.Flat{Learns: true}} }}
	return parser.Parser{
		Name:  "zeek",
		Title: "Zeek",
		Description: "Logs of the network monitor Zeek, every type. JSON with or without _path (the type is then known by its fields or the file's name), " +
			"or a tab-separated line with the lines of its header before it. Times become RFC 3339 with six places, sets and vectors repeat their field, what is unset is left out.",
		References: []string{"https://docs.zeek.org/en/master/log-formats.html", "https://docs.zeek.org/en/master/script-reference/log-files.html"},
		Datasets:   Datasets(),
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			if len(raw) == 0 || raw[0] != '#' && !bytes.Contains(raw, []byte(`"ts"`)) {
				return parser.Parsed{}, parser.ErrOther
			}
			r := pool.Get().(*reader)
			defer pool.Put(r)
			if raw[0] == '#' {
				return r.line(raw)
			}
			return r.object(raw, hint)
		},
	}
}

// reader keeps what serves the next record.
type reader struct {
	flat   parser.Flat
	header header
}

func parsed(kind string, fields []holdfast.Field) parser.Parsed {
	p := parser.Parsed{Dataset: datasetOf(kind), Fields: fields}
	for i := range fields {
		switch fields[i].Name {
		case "ts":
			if t, err := time.Parse(time.RFC3339Nano, fields[i].Text); err == nil {
				p.Time = t
			}
		case "_system_name":
			p.Host = fields[i].Text
		}
	}
	return p
}

// kindOf finds the type of a log: by _path, by fields that only this type has,
// or by the name of its file.
func kindOf(fields []holdfast.Field, source string) (string, bool) {
	have := func(name string) bool {
		for i := range fields {
			if fields[i].Name == name {
				return true
			}
		}
		return false
	}
	if !have("ts") {
		return "", false
	}
	for i := range fields {
		if f := &fields[i]; f.Name == "_path" && f.Kind == holdfast.String && plain(f.Text) {
			return f.Text, true
		}
	}
	flow := have("uid") && have("id.orig_h")
	for _, s := range signs {
		if s.flow && !flow {
			continue
		}
		all := true
		for _, name := range s.names {
			all = all && have(name)
		}
		if all {
			return s.kind, true
		}
	}
	if kind := ofFile(source); kind != "" {
		return kind, true
	}
	return "", flow
}

// plain reports whether a text can be a log's name.
func plain(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// ofFile takes the type out of a file's name: conn.log, conn.00:00:00.log.gz,
// conn_20240412.json.
func ofFile(source string) string {
	base := path.Base(strings.ReplaceAll(source, `\`, "/"))
	base = base[strings.LastIndexByte(base, '!')+1:] // inside of an archive
	for end := len(base); end > 0; end-- {
		if end < len(base) && base[end] != '.' && base[end] != '_' && base[end] != '-' {
			continue
		}
		if _, ok := titles[base[:end]]; ok {
			return base[:end]
		}
	}
	return ""
}

// times are the fields that hold a time, in all types of log.
var times = set("ts", "_write_ts", "certificate.not_valid_before", "certificate.not_valid_after",
	"thisUpdate", "nextUpdate", "revoketime", "from", "till", "times.modified", "times.accessed", "times.created",
	"times.changed", "ref_time", "org_time", "rec_time", "xmt_time", "network_time", "first_seen", "last_seen")

// timeLike has a bit for each length and last character of the names in times.
var timeLike = func() (bits [64]uint64) {
	for name := range times {
		bits[len(name)&63] |= 1 << (name[len(name)-1] & 63)
	}
	return bits
}()

// isTime reports whether a field is one of times. It is asked about every field.
func isTime(name string) bool {
	return name != "" && timeLike[len(name)&63]&(1<<(name[len(name)-1]&63)) != 0 && times[name]
}

// numbers are counts that some writers of JSON put into quotes.
var numbers = set("id.orig_p", "id.resp_p")

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

// header is what the lines with "#" before a line of data say.
type header struct {
	text      []byte
	separator string
	set       string
	empty     string
	unset     string
	path      string
	fields    []string
	types     []string
}

// line reads a header and one line of data behind it.
func (r *reader) line(raw []byte) (parser.Parsed, error) {
	cut := bytes.LastIndexByte(bytes.TrimRight(raw, "\n"), '\n')
	if cut < 0 || !bytes.Contains(raw[:cut], []byte("#fields")) {
		return parser.Parsed{}, parser.ErrOther
	}
	h := &r.header
	if !bytes.Equal(h.text, raw[:cut]) {
		if err := h.read(raw[:cut]); err != nil {
			h.text = nil
			return parser.Parsed{}, err
		}
	}
	data := string(bytes.TrimRight(raw[cut+1:], "\r\n"))
	fields := make([]holdfast.Field, 0, len(h.fields))
	n := 0
	for {
		value, rest, more := strings.Cut(data, h.separator)
		if n >= len(h.fields) {
			return parser.Parsed{}, errors.New("the line has more values than its header has fields")
		}
		fields = h.add(fields, n, value)
		if len(fields) > parser.MaxFields {
			return parser.Parsed{}, errors.New("the line holds too many values")
		}
		n++
		if !more {
			break
		}
		data = rest
	}
	if n < len(h.fields) {
		return parser.Parsed{}, errors.New("the line has fewer values than its header has fields")
	}
	return parsed(h.path, fields), nil
}

// maxHeader bounds a header, in bytes.
const maxHeader = 256 << 10

func (h *header) read(text []byte) error {
	if len(text) > maxHeader {
		return errors.New("the header is too long")
	}
	*h = header{text: bytes.Clone(text), separator: "\t", set: ",", empty: "(empty)", unset: "-"}
	for line := range strings.SplitSeq(string(text), "\n") {
		line = strings.TrimRight(line, "\r")
		if sep, ok := strings.CutPrefix(line, "#separator "); ok {
			if h.separator = unescape(sep); h.separator == "" {
				return errors.New("the header's separator is empty")
			}
			continue
		}
		name, value, ok := strings.Cut(line, h.separator)
		if !ok {
			continue
		}
		switch name {
		case "#set_separator":
			h.set = unescape(value)
		case "#empty_field":
			h.empty = value
		case "#unset_field":
			h.unset = value
		case "#path":
			h.path = value
		case "#fields":
			h.fields = strings.Split(value, h.separator)
		case "#types":
			h.types = strings.Split(value, h.separator)
		}
	}
	if len(h.fields) == 0 || len(h.fields) > parser.MaxFields || len(h.types) != len(h.fields) && len(h.types) > 0 {
		return errors.New("the header's #fields and #types do not fit together")
	}
	for _, f := range h.fields {
		if f == "" || len(f) > parser.MaxName {
			return errors.New("a field of the header has no name, or one that is too long")
		}
	}
	if !plain(h.path) {
		h.path = ""
	}
	if h.set == "" {
		h.set = ","
	}
	return nil
}

// add adds what stands in column i.
func (h *header) add(fields []holdfast.Field, i int, value string) []holdfast.Field {
	if value == h.unset {
		return fields
	}
	kind := "string"
	if i < len(h.types) {
		kind = h.types[i]
	}
	name := h.fields[i]
	inner, many := strings.CutPrefix(kind, "set[")
	if !many {
		inner, many = strings.CutPrefix(kind, "vector[")
	}
	if !many {
		if value == h.empty {
			value = ""
		}
		return append(fields, one(name, kind, value))
	}
	if value == h.empty {
		return fields
	}
	inner = strings.TrimSuffix(inner, "]")
	for part := range strings.SplitSeq(value, h.set) {
		switch part {
		case h.unset:
			continue
		case h.empty:
			part = ""
		}
		if len(fields) > parser.MaxFields {
			break
		}
		fields = append(fields, one(name, inner, part))
	}
	return fields
}

func one(name, kind, value string) holdfast.Field {
	f := holdfast.Field{Name: name, Text: unescape(value)}
	switch kind {
	case "time":
		return clock(f)
	case "bool":
		switch value {
		case "T":
			f.Text, f.Kind = "true", holdfast.Bool
		case "F":
			f.Text, f.Kind = "false", holdfast.Bool
		}
	case "count", "int", "double", "interval", "port":
		if n := number(value); n != "" {
			f.Text, f.Kind = n, holdfast.Number
		}
	default:
		if isTime(name) {
			return clock(f)
		}
	}
	return f
}

// unescape takes back "\xHH" and "\\".
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if s[i+1] == '\\' {
				b = append(b, '\\')
				i++
				continue
			}
			if s[i+1] == 'x' && i+3 < len(s) {
				if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
					b = append(b, byte(n))
					i += 3
					continue
				}
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
