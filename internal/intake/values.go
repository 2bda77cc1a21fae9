package intake

import (
	"bufio"
	"io"
	"regexp"
)

// Values parts a text into JSON values that follow one another, with or without
// white space or commas between them, or that are the elements of one array. It
// looks at brackets and quotes only: whether a value is JSON is the caller's to
// find out, and damage in one does not touch those that follow it, as long as
// its brackets are right.
type Values struct {
	r     *bufio.Reader
	max   int
	lists bool // objects that are nothing but the envelope of a list are opened
	list  bool // it stands in such a list
	rest  bool // what comes is the rest of an envelope, whose brace is gone
	array bool
	begun bool
	state scan
}

// envelope is the beginning of an object around a list of records, as CloudTrail,
// Azure's diagnostic settings and Event Hubs write it and Pub/Sub is pulled, up to
// the first of them.
var envelope = regexp.MustCompile(`^((?:\xef\xbb\xbf)?\s*\{\s*"(?:Records|records|receivedMessages)"\s*:\s*\[)\s*\{`)

// envelopeHead is as far as the beginning of an envelope may reach.
const envelopeHead = 128

// IsList reports whether a text begins as the envelope of a list of records.
func IsList(head []byte) bool { return envelope.Match(head[:min(len(head), envelopeHead)]) }

// scan is where in a value the reader stands.
type scan struct {
	in      bool
	depth   int
	quoted  bool
	escaped bool
	bare    bool // a number or word: it ends at a blank or bracket
}

// NewValues returns the values of r, in pieces of at most max bytes. With
// elements set, an array around all of them is taken off, and so are the envelopes
// of lists: of {"Records": […]} the values are those in the list, and what else
// stands in the object behind them.
func NewValues(r io.Reader, max int, elements bool) *Values {
	return &Values{r: bufio.NewReaderSize(r, 64<<10), max: max, begun: !elements, lists: elements}
}

// Next returns a copy of the next value, or of its next bytes if there are more.
// It returns io.EOF after the last one, and io.ErrUnexpectedEOF with what there
// is of a value that does not end.
func (v *Values) Next() (raw []byte, more bool, err error) {
	if !v.state.in {
		if err := v.skip(); err != nil {
			return nil, false, err
		}
	}
	if v.rest {
		raw, v.rest = append(raw, '{'), false
	}
	for {
		if _, err := v.r.Peek(1); err != nil {
			if err == io.EOF {
				bare := v.state.bare
				if v.state = (scan{}); !bare {
					err = io.ErrUnexpectedEOF
				} else {
					err = nil
				}
			}
			return raw, false, err
		}
		text, _ := v.r.Peek(v.r.Buffered())
		text = text[:min(len(text), v.max-len(raw))]
		n, end := v.state.pass(text)
		raw = append(raw, text[:n]...)
		if _, err := v.r.Discard(n); err != nil {
			return raw, false, err
		}
		switch {
		case end:
			v.state = scan{}
			return raw, false, nil
		case len(raw) >= v.max:
			return raw, true, nil
		}
	}
}

// skip passes over what stands between values.
func (v *Values) skip() error {
	for {
		c, err := v.r.ReadByte()
		if err != nil {
			if v.list {
				err = noEnd(err)
			}
			return err
		}
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',':
			continue
		case c == '[' && !v.begun:
			v.begun, v.array = true, true
			continue
		case c == ']' && v.list:
			if rest, err := v.close(); err != nil || rest {
				return err
			}
			continue
		case c == ']' && v.array:
			continue
		}
		v.begun = true
		if err := v.r.UnreadByte(); err != nil {
			return err
		}
		if !v.lists || v.list || c != '{' && c != 0xef {
			return nil
		}
		head, _ := v.r.Peek(envelopeHead)
		open := envelope.FindSubmatch(head)
		if open == nil {
			return nil
		}
		v.list = true
		if _, err := v.r.Discard(len(open[1])); err != nil {
			return err
		}
	}
}

// close passes over the end of an envelope. If there is more in it than the list,
// the rest is the next value, as an object.
func (v *Values) close() (rest bool, err error) {
	v.list = false
	for {
		c, err := v.r.ReadByte()
		if err != nil {
			return false, noEnd(err)
		}
		switch c {
		case ' ', '\t', '\r', '\n', ',':
			continue
		case '}':
			return false, nil
		}
		v.state = scan{in: true, depth: 1}
		v.rest = true
		return true, v.r.UnreadByte()
	}
}

// pass reads on in a value. It returns how many bytes of text belong to it, and
// whether it ends there.
func (s *scan) pass(text []byte) (int, bool) {
	for i, c := range text {
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted:
			switch c {
			case '\\':
				s.escaped = true
			case '"':
				if s.quoted = false; s.depth == 0 {
					return i + 1, true
				}
			}
		case s.bare:
			switch c {
			case ' ', '\t', '\r', '\n', ',', '{', '[', ']', '}', '"':
				return i, true
			}
		case c == '"':
			s.quoted, s.in = true, true
		case c == '{' || c == '[':
			s.depth++
			s.in = true
		case c == '}' || c == ']':
			s.in = true
			if s.depth--; s.depth <= 0 {
				return i + 1, true
			}
		case s.depth == 0:
			s.bare, s.in = true, true
		}
	}
	return len(text), false
}
