package intake

import (
	"bufio"
	"bytes"
	"io"
)

// Lines parts a text into its lines, long ones into pieces.
type Lines struct {
	r   *bufio.Reader
	max int
}

// NewLines returns the lines of r, in pieces of at most max bytes.
func NewLines(r io.Reader, max int) *Lines { return &Lines{bufio.NewReaderSize(r, 64<<10), max} }

// Next returns a copy of the next line, or of its next bytes if there are more.
// At the end of the text it returns what is left with io.EOF.
func (l *Lines) Next() (raw []byte, more bool, err error) {
	for {
		if _, err := l.r.Peek(1); err != nil {
			return bytes.TrimSuffix(raw, []byte("\r")), false, err
		}
		text, _ := l.r.Peek(l.r.Buffered())
		i := bytes.IndexByte(text, '\n')
		end := i >= 0
		if !end {
			i = len(text)
		}
		if room := l.max - len(raw); i > room {
			raw = append(raw, text[:room]...)
			_, err := l.r.Discard(room)
			return raw, true, err
		}
		raw = append(raw, text[:i]...)
		if end {
			i++
		}
		if _, err := l.r.Discard(i); err != nil || end {
			return bytes.TrimSuffix(raw, []byte("\r")), false, err
		}
	}
}
