package scan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fastjson"
)

// objects calls each for every object of a stream of JSON: one a line, one
// after the other, in an array, or in the array "Records" of one object, as
// CloudTrail delivers them. An object over the limit, and text between objects,
// is told to left and passed over. Raw is valid during the call.
func objects(r *bufio.Reader, limit int, each func(n uint64, raw []byte) error, left func(n uint64, what string)) error {
	s := splitter{limit: limit}
	var n uint64
	take := func() error {
		n++
		if s.over {
			left(n, fmt.Sprintf("it is larger than %d MB", limit>>20))
			return nil
		}
		records, ok := wrapped(s.buf)
		if !ok {
			return each(n, s.buf)
		}
		n--
		for _, raw := range records {
			n++
			if err := each(n, raw); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			if s.depth > 0 {
				left(n+1, "it ends in the middle of an object")
			}
			s.toldText(n, left)
			return nil
		}
		if err != nil {
			return err
		}
		if s.next(c) {
			s.toldText(n, left)
			if err := take(); err != nil {
				return err
			}
		}
	}
}

// splitter finds where objects start and end.
type splitter struct {
	limit   int
	depth   int
	quoted  bool
	escaped bool
	over    bool
	between int // bytes between objects that are no separators
	buf     []byte
}

// next takes a byte, and reports whether it ends an object.
func (s *splitter) next(c byte) bool {
	if s.depth == 0 {
		switch c {
		case '{':
			s.depth, s.over, s.buf = 1, false, append(s.buf[:0], c)
		case ' ', '\t', '\r', '\n', ',', '[', ']', 0xef, 0xbb, 0xbf, 0x1e:
		default:
			s.between++
		}
		return false
	}
	if len(s.buf) < s.limit {
		s.buf = append(s.buf, c)
	} else {
		s.over = true
	}
	switch {
	case s.escaped:
		s.escaped = false
	case s.quoted:
		s.quoted, s.escaped = c != '"', c == '\\'
	case c == '"':
		s.quoted = true
	case c == '{' || c == '[':
		s.depth++
	case c == '}' || c == ']':
		s.depth--
	}
	return s.depth == 0
}

func (s *splitter) toldText(n uint64, left func(uint64, string)) {
	if s.between > 0 {
		left(n, fmt.Sprintf("%d bytes after it are no JSON object", s.between))
		s.between = 0
	}
}

// wrapped takes the records out of {"Records": […]}.
func wrapped(raw []byte) ([][]byte, bool) {
	head := bytes.TrimLeft(raw[1:min(len(raw), 64)], " \t\r\n")
	if !bytes.HasPrefix(head, []byte(`"Records"`)) {
		return nil, false
	}
	v, err := fastjson.ParseBytes(raw)
	if err != nil {
		return nil, false
	}
	list := v.GetArray("Records")
	out := make([][]byte, 0, len(list))
	for _, x := range list {
		out = append(out, x.MarshalTo(nil))
	}
	return out, list != nil
}
