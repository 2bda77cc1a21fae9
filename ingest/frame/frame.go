// Package frame turns the lines of a file into records that can be read by
// themselves: a line of a table gets its header, the lines of one event come
// together. Inputs and scans put it before the parsers, which keep nothing.
package frame

import (
	"bytes"
	"fmt"
	"strings"
)

// Framer takes the lines of one file in their order. Emit is called with the
// records that became whole; a record is valid during the call.
type Framer interface {
	// Line takes a line without its end.
	Line(line []byte, emit func(record []byte))
	// End gives what is still held back.
	End(emit func(record []byte))
	// Held is how many of the last lines are still needed: what is held back
	// begins with the first of them. 0 if nothing is.
	Held() int
	// Faults returns what was lost since it was last asked, for people.
	Faults() []string
}

// For returns the framer for a file that begins with head, or nil if each of its
// lines is a record.
func For(head []byte) Framer {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	first, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case bytes.HasPrefix(head, []byte("#separator ")), bytes.HasPrefix(head, []byte("#fields\t")), bytes.HasPrefix(head, []byte("#path\t")):
		return &zeek{}
	case bytes.HasPrefix(head, []byte("#Software:")), bytes.HasPrefix(head, []byte("#Version:")), bytes.HasPrefix(head, []byte("#Fields:")), bytes.HasPrefix(head, []byte("#Date:")):
		return &w3c{}
	case isAudit(first):
		return newAudit()
	}
	return nil
}

// NewAudit returns the framer of lines among which are records of the Linux
// audit log.
func NewAudit() Framer { return newAudit() }

// Keeps reports whether a framer holds lines back, and Share gives it what the
// framer of the lines before has learned.
func Keeps(f Framer) bool {
	_, ok := f.(*audit)
	return ok
}

// Settle drops what is held back and begins before the last lines of this number.
func Settle(f Framer, lines int) {
	if a, ok := f.(*audit); ok {
		for a.Held() > lines {
			a.give(a.order[0], func([]byte) {})
		}
	}
}

// Share is explained at Keeps. Old may be nil. With lines that go on where those of
// old ended, f also takes over what old holds back.
func Share(f, old Framer, goOn bool) {
	a, ok := f.(*audit)
	b, also := old.(*audit)
	if !ok || !also {
		return
	}
	a.programs = b.programs
	if goOn {
		a.open, a.order, a.line, a.held = b.open, b.order, b.line, b.held
		b.open, b.order, b.held = map[string]*auditEvent{}, nil, 0
	}
}

// IsAudit reports whether a line is a record of the Linux audit log.
func IsAudit(line []byte) bool { return isAudit(line) }

// maxHeader bounds the lines of a header that are kept.
const maxHeader = 256 << 10

// zeek puts the header before each line. A new header may come at any place, as
// in files that were joined.
type zeek struct {
	head   []byte
	data   bool // a line of data has come since the header
	rec    []byte
	lost   int
	before int // lines of data without a header
}

func (z *zeek) Line(line []byte, emit func([]byte)) {
	line = bytes.TrimSuffix(bytes.TrimPrefix(line, []byte("\ufeff")), []byte("\r"))
	if len(line) == 0 {
		return
	}
	if line[0] == '#' {
		if bytes.HasPrefix(line, []byte("#open")) || bytes.HasPrefix(line, []byte("#close")) {
			return
		}
		if bytes.HasPrefix(line, []byte("#separator")) || z.data && bytes.HasPrefix(line, []byte("#fields")) && bytes.Count(z.head, []byte("#fields")) > 0 {
			z.head, z.data = z.head[:0], false
		}
		if len(z.head)+len(line) > maxHeader {
			z.lost++
			return
		}
		z.head = append(append(z.head, line...), '\n')
		return
	}
	if len(z.head) == 0 {
		z.before++
		return
	}
	z.data = true
	z.rec = append(append(z.rec[:0], z.head...), line...)
	emit(z.rec)
}

func (z *zeek) End(func([]byte)) {}
func (z *zeek) Held() int        { return 0 }

func (z *zeek) Faults() []string {
	out := lost(z.before, "lines of data stand before any header")
	out = append(out, lost(z.lost, "lines of a header that is longer than 256 KB")...)
	z.before, z.lost = 0, 0
	return out
}

func lost(n int, what string) []string {
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d %s", n, what)}
}

// w3c puts the line "#Fields:" (and the date, which may stand there only) before
// each line of a W3C extended log, as IIS writes them.
type w3c struct {
	fields, date []byte
	rec          []byte
	before       int
}

func (w *w3c) Line(line []byte, emit func([]byte)) {
	line = bytes.TrimSuffix(bytes.TrimPrefix(line, []byte("\ufeff")), []byte("\r"))
	switch {
	case len(line) == 0:
	case bytes.HasPrefix(line, []byte("#Fields:")) && len(line) <= maxHeader:
		w.fields = append(w.fields[:0], line...)
	case bytes.HasPrefix(line, []byte("#Date:")) && len(line) <= 64:
		w.date = append(w.date[:0], line...)
	case line[0] == '#':
	case len(w.fields) == 0:
		w.before++
	default:
		w.rec = w.rec[:0]
		if len(w.date) > 0 {
			w.rec = append(append(w.rec, w.date...), '\n')
		}
		w.rec = append(append(append(w.rec, w.fields...), '\n'), line...)
		emit(w.rec)
	}
}

func (w *w3c) End(func([]byte)) {}
func (w *w3c) Held() int        { return 0 }

func (w *w3c) Faults() []string {
	out := lost(w.before, "lines of data stand before any header")
	w.before = 0
	return out
}

// isAudit reports whether a line is one of the Linux audit log.
func isAudit(line []byte) bool {
	line = line[:min(len(line), 512)]
	at := bytes.Index(line, []byte("msg=audit("))
	return at >= 0 && bytes.Contains(line[:at], []byte("type="))
}

// serial returns what the records of one audit event share: "host|time:serial".
func serial(line []byte) (id string, kind string) {
	head := string(line[:min(len(line), 512)])
	at := strings.Index(head, "msg=audit(")
	if at < 0 {
		return "", ""
	}
	end := strings.IndexByte(head[at:], ')')
	if end < 0 {
		return "", ""
	}
	node := ""
	for _, w := range strings.Fields(head[:at]) {
		if v, ok := strings.CutPrefix(w, "type="); ok {
			kind = v
		}
		if v, ok := strings.CutPrefix(w, "node="); ok {
			node = v
		}
	}
	return node + "|" + head[at+len("msg=audit("):at+end], kind
}
