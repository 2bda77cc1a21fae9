package intake

import (
	"bytes"
	"io"
	"strings"
	"unsafe"
)

// Lines parts a text into its lines, long ones into pieces. Lines that come
// together lie side by side in one piece of memory, which lives as long as one of
// them is kept.
type Lines struct {
	// Reads is how often more of the text was read: lines between came together.
	Reads int

	r    io.Reader
	max  int
	text []byte // what was read; from here on
	from int    // the next line begins
	seen int    // there is no line end before
	size int    // of the next piece of memory
	err  error
}

// Memory is made small at first, for requests are, and larger for each further
// part.
const (
	leastLines = 4 << 10
	mostLines  = 128 << 10
)

// NewLines returns the lines of r, in pieces of at most max bytes.
func NewLines(r io.Reader, max int) *Lines { return &Lines{r: r, max: max, size: leastLines} }

// Next returns the next line, or its next bytes if there are more; they are the
// caller's. At the end of the text it returns what is left with io.EOF.
func (l *Lines) Next() (raw []byte, more bool, err error) {
	for {
		end := len(l.text)
		i := bytes.IndexByte(l.text[l.seen:], '\n')
		if i >= 0 {
			end = l.seen + i
		}
		switch {
		case end-l.from > l.max:
			end = l.from + l.max
			raw = l.text[l.from:end:end]
			l.from, l.seen = end, end
			return raw, true, nil
		case i >= 0:
			raw = l.text[l.from:end:end]
			l.from, l.seen = end+1, end+1
			return bytes.TrimSuffix(raw, []byte("\r")), false, nil
		case l.err != nil:
			raw = l.text[l.from:end:end]
			l.from, l.seen = end, end
			return bytes.TrimSuffix(raw, []byte("\r")), false, l.err
		}
		l.seen = end
		l.read()
	}
}

// read reads more, into new memory where that is full: what was returned stays.
func (l *Lines) read() {
	if cap(l.text)-len(l.text) < 512 {
		rest := l.text[l.from:]
		for l.size < 2*len(rest) {
			l.size *= 2
		}
		l.text = append(Memory(l.size), rest...)
		l.from, l.seen = 0, len(rest)
		if l.size < mostLines {
			l.size = min(4*l.size, mostLines)
		}
	}
	l.Reads++
	for range 100 {
		n, err := l.r.Read(l.text[len(l.text):cap(l.text)])
		l.text = l.text[:len(l.text)+n]
		if l.err = err; n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

// Memory is room for n bytes, whose content is not cleared before: it is to be
// written first.
func Memory(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	s := b.String()
	return unsafe.Slice(unsafe.StringData(s), b.Cap())[:0] //nolint:gosec // nobody else has the string
}
