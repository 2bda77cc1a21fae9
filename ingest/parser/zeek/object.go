package zeek

import (
	"strconv"
	"strings"
	"time"
	"unsafe"

	"holdfast"
	"holdfast/ingest/parser"
)

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
