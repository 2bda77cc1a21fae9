package parser

import "unicode/utf8"

// Form is what a record begins with.
type Form uint8

const (
	// AnyForm is whatever it is.
	AnyForm Form = iota
	// Object is a JSON object: "{", maybe behind blanks or a byte order mark.
	Object
	// Line is anything whose first byte is not "{".
	Line
)

// ByForm are parsers, parted by the form of what they read.
type ByForm struct{ all, objects, lines []*Parser }

// NewByForm parts parsers, which are not changed any more.
func NewByForm(parsers []Parser) (out ByForm) {
	for i := range parsers {
		p := &parsers[i]
		out.all = append(out.all, p)
		if p.Form != Line {
			out.objects = append(out.objects, p)
		}
		if p.Form != Object {
			out.lines = append(out.lines, p)
		}
	}
	return out
}

// For returns the parsers of which one may know a record, in their order. Those
// that are left out would return ErrOther.
func (b *ByForm) For(raw []byte) []*Parser {
	switch {
	case len(raw) == 0:
		return b.all
	case raw[0] == '{':
		return b.objects
	case raw[0] > ' ' && raw[0] < utf8.RuneSelf:
		return b.lines
	}
	return b.all
}
