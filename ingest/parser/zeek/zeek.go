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
	"unsafe"

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

// object reads Zeek's JSON.
func (r *reader) object(raw []byte, hint parser.Hint) (parser.Parsed, error) {
	fields, err := r.flat.Object(raw, hint.Into)
	if err != nil {
		return parser.Parsed{}, err
	}
	l := laidOf(r.flat.Layout, fields)
	var kind string
	var ok bool
	if l.path >= 0 && plain(fields[l.path].Text) {
		kind, ok = fields[l.path].Text, true
	} else {
		kind, ok = kindOf(fields, hint.Source)
	}
	if !ok {
		return parser.Parsed{}, parser.ErrOther
	}
	p := parser.Parsed{Dataset: datasetOf(kind)}
	out := fields[:0]
	for i, f := range fields {
		switch what := l.what[i]; what {
		case isNull:
			continue
		case isTS, isOther:
			at, ok := when(&f)
			if !ok {
				break
			}
			f = holdfast.Field{Name: f.Name, Text: stampInto(hint.Into, at)}
			if what == isTS && at.Unix() >= yearNought {
				p.Time = at.UTC()
			}
		case isNumber:
			f.Text = number(f.Text)
		case isQuoted:
			if number(f.Text) == f.Text && f.Text != "" {
				f.Kind = holdfast.Number
			}
		case isHost:
			if f.Kind == holdfast.Number {
				f.Text = number(f.Text)
			}
			p.Host = f.Text
		}
		out = append(out, f)
	}
	p.Fields = out
	return p, nil
}

// what a field of an object is, by its name and kind.
type what uint8

const (
	isPlain  what = iota
	isNull        // unset
	isTS          // the time of the event
	isOther       // another time
	isNumber      // as JSON has them
	isQuoted      // a number that some writers put into quotes
	isHost        // who wrote it
)

// laid is what follows from names and kinds alone.
type laid struct {
	what []what
	path int // the field that names the type of log, or -1
}

// laidOf works it out, once for a layout that is known.
func laidOf(of *parser.Layout, fields []holdfast.Field) *laid {
	if of != nil && of.Of != nil {
		return of.Of.(*laid) //nolint:forcetypeassert // nothing else is put there
	}
	l := &laid{what: make([]what, len(fields)), path: -1}
	ts := false
	for i := range fields {
		f := &fields[i]
		ts = ts || f.Name == "ts"
		switch {
		case f.Kind == holdfast.Null:
			l.what[i] = isNull
		case f.Name == "ts":
			l.what[i] = isTS
		case isTime(f.Name):
			l.what[i] = isOther
		case f.Kind == holdfast.Number:
			l.what[i] = isNumber
		case f.Kind == holdfast.String && numbers[f.Name]:
			l.what[i] = isQuoted
		}
		if f.Name == "_system_name" && f.Kind != holdfast.Null {
			l.what[i] = isHost
		}
		if f.Name == "_path" && f.Kind == holdfast.String && l.path < 0 {
			l.path = i
		}
	}
	if !ts {
		l.path = -1
	}
	if of != nil {
		of.Of = l
	}
	return l
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

// clock writes a time the one way: UTC, six places. What is no time stays.
func clock(f holdfast.Field) holdfast.Field {
	if t, ok := when(&f); ok {
		return holdfast.Field{Name: f.Name, Text: stampInto(nil, t)}
	}
	return f
}

// when reads a time, to the microsecond.
func when(f *holdfast.Field) (time.Time, bool) {
	t, ok := time.Time{}, false
	if f.Kind != holdfast.Number {
		var err error
		t, err = time.Parse(time.RFC3339Nano, f.Text)
		ok = err == nil
	}
	if !ok {
		t, ok = epoch(f.Text)
	}
	return time.Unix(t.Unix(), int64(t.Nanosecond()/1000*1000)), ok
}

// yearNought is when the times begin that RFC 3339 can write.
const yearNought = -62167219200

// stampInto writes a time into memory, if that is set and has room.
func stampInto(m *parser.Memory, t time.Time) string {
	const layout = "2006-01-02T15:04:05.000000Z"
	if m == nil || cap(m.Text)-len(m.Text) < len(layout)+8 {
		return string(appendStamp(make([]byte, 0, len(layout)+8), t))
	}
	from := len(m.Text)
	m.Text = appendStamp(m.Text, t)
	b := m.Text[from:]
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // what was appended is not written again
}

func appendStamp(b []byte, t time.Time) []byte {
	b = t.UTC().AppendFormat(b, time.RFC3339)
	b[len(b)-1] = '.' // instead of the Z
	micros := t.Nanosecond() / 1000
	for unit := 100_000; unit > 0; unit /= 10 {
		b = append(b, '0'+byte(micros/unit%10))
	}
	return append(b, 'Z')
}

// epoch reads seconds since 1970 with up to nine places, exactly.
func epoch(s string) (time.Time, bool) {
	if strings.ContainsAny(s, "eE") {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n > -1e11 && n < 1e11) {
			return time.Time{}, false
		}
		return time.UnixMicro(int64(n * 1e6)), true
	}
	whole, part, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec > 1e11 || sec < -6e10 {
		return time.Time{}, false
	}
	var nanos int64
	if part != "" {
		if len(part) > 9 {
			part = part[:9]
		}
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return time.Time{}, false
		}
		nanos = int64(n)
		for range 9 - len(part) {
			nanos *= 10
		}
	}
	if strings.HasPrefix(whole, "-") {
		nanos = -nanos
	}
	return time.Unix(sec, nanos), true
}

// number writes a number the one way: without an exponent, and without noughts
// at its end that say nothing. What is no number comes back as "".
func number(s string) string {
	digits, point, exponent := 0, false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '-' && i == 0:
		case c == '.' && !point:
			point = true
		case c == 'e' || c == 'E' || c == '+' || c == '-':
			exponent = true
		default:
			return ""
		}
	}
	switch {
	case digits == 0:
		return ""
	case exponent:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n > 1e300 || n < -1e300 {
			return s
		}
		return strconv.FormatFloat(n, 'f', -1, 64)
	case point:
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
		if s == "" || s == "-" || s == "-0" {
			return "0"
		}
	}
	return s
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
