package holdfast

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"
)

// Records of a kind are mostly the same but for their values. A layout is what
// events of a kind have in common: the names and kinds of their fields, and what
// stands before each field's text in the record, and behind the last one. An event
// is then written as the number of its layout and its texts; where its record
// differs from the layout, what differs is written instead.
type layout struct {
	fields []laid
	last   string // behind the last text
	size   uint64 // bytes of what stands between; only a reader needs to know
}

// laid is a field of a layout.
type laid struct {
	name string
	kind Kind
	gap  string // what stands between the text before and this one's
	away bool   // the text does not stand in the record
}

// How a text stands in its record: the low bits of its length.
const (
	asIs    = 0 // as it is
	escaped = 1 // with a backslash before each backslash and quote, as in JSON
	notHere = 2 // not at all
	howMask = 3
	other   = 4 // the gap before it is another than the layout's, and follows
	howBits = 3
)

const (
	maxLayouts = 64
	maxGap     = 1 << 10
	// maxLaid bounds the bytes of all records that are written by layouts, so that
	// a damaged block cannot become more than that.
	maxLaid = 32 << 20
)

// layouts are those of one block.
type layouts struct {
	list []layout
	by   map[uint64]int // by a sum of the fields' names and kinds
	near [64]uint8      // the same, by where some of the names lie in memory
	laid int            // bytes of the records written by them
}

// of finds an event's layout, or makes it. Its number counts from 1; 0 says that
// the event is written without one. isNew says that the reader does not know it.
func (l *layouts) of(e *Event) (number int, isNew bool) {
	if len(e.Fields) == 0 || l.laid+len(e.Raw) > maxLaid {
		return 0, false
	}
	near := &l.near[sumFields(e.Fields)%uint64(len(l.near))]
	if n := int(*near); n > 0 && l.list[n-1].fits(e) {
		l.laid += len(e.Raw)
		return n, false
	}
	number, isNew = l.find(e)
	*near = uint8(number)
	return number, isNew
}

func (l *layouts) find(e *Event) (number int, isNew bool) {
	sum := uint64(len(e.Fields))
	for i := range e.Fields {
		sum = sumName(sum, e.Fields[i].Name) + uint64(e.Fields[i].Kind)
	}
	number, ok := l.by[sum]
	if ok {
		if number > 0 && l.list[number-1].fits(e) {
			l.laid += len(e.Raw)
			return number, false
		}
		return 0, false
	}
	if len(l.list) >= maxLayouts {
		return 0, false
	}
	if l.by == nil {
		l.by = map[uint64]int{}
	}
	learnt, ok := learn(e)
	if !ok {
		l.by[sum] = 0
		return 0, false
	}
	l.list = append(l.list, learnt)
	l.by[sum] = len(l.list)
	l.laid += len(e.Raw)
	return len(l.list), true
}

func sumName(sum uint64, name string) uint64 {
	const prime = 0x9e3779b97f4a7c15
	if n := len(name); n > 0 {
		sum ^= uint64(n) | uint64(name[0])<<16 | uint64(name[n/2])<<24 | uint64(name[n-1])<<32
	}
	return bits.RotateLeft64(sum*prime, 23)
}

// fits reports whether an event has just the fields of the layout.
func (l *layout) fits(e *Event) bool {
	if len(l.fields) != len(e.Fields) {
		return false
	}
	for i := range l.fields {
		if f := &e.Fields[i]; l.fields[i].kind != f.Kind || !same(l.fields[i].name, f.Name) {
			return false
		}
	}
	return true
}

// learn makes a layout of the first event of its kind. There is none where hardly
// any text stands in the record.
func learn(e *Event) (layout, bool) {
	l := layout{fields: make([]laid, len(e.Fields))}
	raw := textOf(e.Raw)
	at, found := 0, 0
	for i := range e.Fields {
		f := &e.Fields[i]
		l.fields[i] = laid{name: f.Name, kind: f.Kind, away: true}
		from, n, _ := seek(raw, at, f.Text, f.Kind == String)
		if from < 0 || from-at > maxGap {
			continue
		}
		l.fields[i].gap, l.fields[i].away = raw[at:from], false
		at = from + n
		found++
	}
	if l.last = raw[at:]; len(l.last) > maxGap {
		l.last = ""
	}
	return l, found >= 2 && 2*found >= len(e.Fields)
}

// ahead is how far behind the text before the next is looked for.
const ahead = 400

// seek looks for a text that stands by itself in a record, a little way on from a
// place. It returns where, how many bytes it takes there, and how it is written;
// -1 if it does not.
func seek(raw string, at int, text string, empty bool) (from, n int, how byte) {
	look, how := text, byte(asIs)
	switch {
	case text == "" && !empty:
		return -1, 0, 0
	case text == "":
		look = `""`
	case strings.ContainsAny(text, `\"`):
		look, how = string(appendEscaped(nil, text)), escaped
	}
	for start, end := at, min(len(raw), at+len(look)+ahead); start < end; {
		i := strings.Index(raw[start:end], look)
		if i < 0 {
			break
		}
		from, start = start+i, start+i+1
		switch {
		case text == "":
			if from > 0 && (raw[from-1] == ':' || raw[from-1] == '=') {
				return from + 1, 0, asIs
			}
		case bounds(raw, from-1) && bounds(raw, from+len(look)):
			return from, len(look), how
		}
	}
	if how == escaped { // as in a log that is no JSON
		if i := strings.Index(raw[at:min(len(raw), at+len(text)+ahead)], text); i >= 0 {
			return at + i, len(text), asIs
		}
	}
	return -1, 0, 0
}

// bounds reports whether a text may begin or end beside a byte of the record: it
// is no part of a word there.
func bounds(raw string, at int) bool {
	if at < 0 || at >= len(raw) {
		return true
	}
	c := raw[at]
	return c < 0x80 && c-'0' >= 10 && c|0x20-'a' >= 26 && c != '_' && c != '-' && c != '.'
}

func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // nobody writes to a record

// append writes a layout's definition.
func (l *layout) append(dst []byte, names *blockNames) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l.fields)))
	for i := range l.fields {
		f := &l.fields[i]
		dst = names.append(dst, f.name)
		if f.away {
			dst = append(dst, byte(f.kind)|standing)
			continue
		}
		dst = appendText(append(dst, byte(f.kind)), f.gap)
	}
	return appendText(dst, l.last)
}

// appendEvent writes an event's record and texts by the layout that it fits.
func (l *layout) appendEvent(dst []byte, e *Event) []byte {
	raw := textOf(e.Raw)
	dst = binary.AppendUvarint(dst, uint64(len(raw)))
	at := 0
	for i := range l.fields {
		f, text := &l.fields[i], e.Fields[i].Text
		head := uint64(len(text)) << howBits
		if f.away {
			dst = binary.AppendUvarint(dst, head|notHere)
			dst = append(dst, text...)
			continue
		}
		// What is as in the layout.
		if from := at + len(f.gap); from <= len(raw) && raw[at:from] == f.gap {
			if n, how := stands(raw[from:], text); n >= 0 {
				dst = binary.AppendUvarint(dst, head|uint64(how))
				dst = append(dst, text...)
				at = from + n
				continue
			}
		}
		from, n, how := seek(raw, at, text, f.kind == String)
		if from < 0 {
			dst = binary.AppendUvarint(dst, head|notHere)
			dst = append(dst, text...)
			continue
		}
		dst = binary.AppendUvarint(dst, head|other|uint64(how))
		dst = append(dst, text...)
		dst = appendText(dst, raw[at:from])
		at = from + n
	}
	if raw[at:] == l.last {
		return append(dst, 0)
	}
	return appendText(append(dst, 1), raw[at:])
}

// stands looks how a text stands at the start of what is left of a record, and
// how many bytes it takes; -1 if it does not.
func stands(raw, text string) (n int, how byte) {
	if len(text) <= len(raw) && raw[:len(text)] == text {
		return len(text), asIs
	}
	at := 0
	for i := 0; i < len(text); {
		var k int
		var special bool
		if len(text)-i >= 8 && len(raw)-at >= 8 {
			x, y := eight(text[i:]), eight(raw[at:])
			if k = firstEscaped(x); bits.TrailingZeros64(x^y)>>3 < k {
				return -1, 0
			}
			special = k < 8
		} else {
			c := text[i]
			if special = c == '\\' || c == '"'; !special {
				if at >= len(raw) || raw[at] != c {
					return -1, 0
				}
				k = 1
			}
		}
		i, at = i+k, at+k
		if special {
			if len(raw)-at < 2 || raw[at] != '\\' || raw[at+1] != text[i] {
				return -1, 0
			}
			i, at = i+1, at+2
		}
	}
	return at, escaped
}

// eight are the first eight bytes of a text.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// firstEscaped is which of eight bytes is the first backslash or quote, or 8.
func firstEscaped(x uint64) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	slash, quote := x^ones*'\\', x^ones*'"'
	return bits.TrailingZeros64(((slash-ones)&^slash|(quote-ones)&^quote)&tops) >> 3
}

func appendEscaped(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c == '\\' || c == '"' {
			dst = append(dst, '\\')
		}
		dst = append(dst, text[i])
	}
	return dst
}

// layout reads a layout's definition.
func (r *blockReader) layout() (l layout) {
	n := r.count(2)
	l.fields = make([]laid, 0, n)
	for range n {
		f := laid{name: r.name()}
		kind := r.byte()
		f.kind, f.away = Kind(kind&^standing), kind&standing != 0
		if !f.away {
			f.gap = r.text()
		}
		l.size += uint64(len(f.gap))
		l.fields = append(l.fields, f)
	}
	l.last = r.text()
	l.size += uint64(len(l.last))
	return l
}

// laidEvent reads an event's record and texts by its layout.
func (r *blockReader) laidEvent(e *Event, l *layout) {
	size := r.uvarint()
	if size > uint64(maxLaid-r.laid) || size > l.size+2*uint64(len(r.s)) || len(l.fields) > len(r.s) {
		r.fail("records longer than blocks have them")
		return
	}
	r.laid += int(size)
	raw := make([]byte, 0, size)
	e.Fields = make([]Field, 0, len(l.fields))
	for i := range l.fields {
		f := &l.fields[i]
		head := r.uvarint()
		text := r.take(head >> howBits)
		gap := f.gap
		if head&other != 0 {
			gap = r.text()
		}
		how := head & howMask
		if how == notHere {
			gap = ""
		}
		if len(gap)+2*len(text) > cap(raw)-len(raw) && len(gap)+lengthOf(text, how) > cap(raw)-len(raw) {
			r.fail("a record longer than it was said to be")
		}
		if r.err != nil {
			return
		}
		raw = append(raw, gap...)
		switch how {
		case asIs: // the record and the field share the text
			from := len(raw)
			raw = append(raw, text...)
			text = textOf(raw[from:])
		case escaped:
			raw = appendEscaped(raw, text)
		case notHere:
		default:
			r.fail("a text that stands nowhere")
			return
		}
		e.Fields = append(e.Fields, Field{f.name, text, f.kind})
	}
	last := l.last
	if r.byte() != 0 {
		last = r.text()
	}
	if len(raw)+len(last) != int(size) {
		r.fail("a record of another length than it was said to have")
		return
	}
	e.Raw = append(raw, last...)
}

// lengthOf is how many bytes a text takes in its record.
func lengthOf(text string, how uint64) int {
	switch how {
	case notHere:
		return 0
	case escaped:
		return len(text) + strings.Count(text, `\`) + strings.Count(text, `"`)
	}
	return len(text)
}
