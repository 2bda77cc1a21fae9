package http

import "bufio"

// stream puts a line end between JSON objects that follow one another without one,
// as Fluent Bit can send them. A line end in the text begins anew, so that damage
// stays in its line.
type stream struct {
	from *bufio.Reader

	depth           int
	quoted, escaped bool
	ended           bool // an object has ended, and only blanks came behind it
}

func (s *stream) Read(p []byte) (n int, err error) {
	if _, err := s.from.Peek(1); err != nil {
		return 0, err
	}
	text, _ := s.from.Peek(s.from.Buffered())
	used := 0
	for used < len(text) && n < len(p) {
		c := text[used]
		if s.ended && c == '{' {
			p[n], s.ended = '\n', false
			n++
			continue
		}
		s.pass(c)
		p[n] = c
		used, n = used+1, n+1
	}
	_, err = s.from.Discard(used)
	return n, err
}

func (s *stream) pass(c byte) {
	switch {
	case c == '\n':
		s.depth, s.quoted, s.escaped, s.ended = 0, false, false, false
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
		s.ended = s.depth == 0 && c == '}'
	case c != ' ' && c != '\t' && c != '\r':
		s.ended = false
	}
}
