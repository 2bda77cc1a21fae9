package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast"
	"holdfast/ingest/frame"
)

const (
	// headMost is how much of a file's head says which framer it needs.
	headMost = 64 << 10
	// againHead and againMost bound what of a table is looked through again for
	// its header: so much from where it began, so much before the position.
	againHead = 1 << 20
	againMost = 64 << 20
	// againAudit is how much of an audit log is looked through again for what the
	// processes run that are parents of later ones.
	againAudit = 16 << 20
	// quiet is how long an audit event waits for more in a file that does not
	// grow.
	quiet = 2 * time.Second
)

// framed is what a tail of a file has whose lines need each other.
type framed struct {
	by      frame.Framer // nil if each line is a record
	decided bool
	before  frame.Framer // of the file that bore the name before
	starts  []int64      // where the lines begin that the framer still needs
	head    int64        // where the header in force begins
	run     int64        // where the lines of a header begin that are being read, -1 outside
}

// decide finds out whether the file needs a framer, once its first line is
// there, and gives it what it must know at the position.
func (t *tail) decide() error {
	if t.decided {
		return nil
	}
	b := make([]byte, headMost)
	n, err := t.src.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) && n == 0 {
		return err
	}
	if b = b[:n]; n < headMost && bytes.IndexByte(b, '\n') < 0 && t.off == 0 {
		return nil
	}
	t.decided, t.run = true, -1
	t.wide = wideOf(b)
	if t.by = frame.For(b); t.by == nil {
		return nil
	}
	frame.Share(t.by, t.before, t.off == 0)
	t.before = nil
	if t.off > 0 {
		return t.again()
	}
	return nil
}

// again gives the framer what stands before the position: the header in force,
// the audit events that are open. What comes out was handed on before.
func (t *tail) again() error {
	none := func([]byte) {}
	from := min(t.head, t.off)
	if frame.Keeps(t.by) {
		from = min(t.hold, max(0, t.off-againAudit))
	} else if t.off-from > againHead+againMost {
		if err := t.feed(from, from+againHead, none); err != nil {
			return err
		}
		from = t.off - againMost
	}
	if err := t.feed(from, t.off, none); err != nil {
		return err
	}
	// What began before was given up before.
	needed := len(t.starts)
	for needed > 0 && t.starts[len(t.starts)-needed] < t.hold {
		needed--
	}
	frame.Settle(t.by, needed)
	t.starts = t.starts[max(0, len(t.starts)-t.by.Held()):]
	t.by.Faults()
	return nil
}

// feed gives the framer the whole lines from one place to another. Where the
// first does not begin a line, that line is left out.
func (t *tail) feed(from, to int64, emit func([]byte)) error {
	if from > 0 {
		b := make([]byte, 1)
		if _, err := t.src.ReadAt(b, from-1); err != nil {
			return err
		}
		if b[0] != '\n' {
			from--
			r := bufio.NewReader(io.NewSectionReader(t.src, from, to-from))
			skipped, err := r.ReadSlice('\n')
			for from += int64(len(skipped)); errors.Is(err, bufio.ErrBufferFull); from += int64(len(skipped)) {
				skipped, err = r.ReadSlice('\n')
			}
		}
	}
	r := bufio.NewReaderSize(io.NewSectionReader(t.src, from, to-from), chunk)
	for at := from; ; {
		line, err := r.ReadSlice('\n')
		n := int64(len(line))
		switch {
		case errors.Is(err, bufio.ErrBufferFull): // no header and no audit record
			for errors.Is(err, bufio.ErrBufferFull) {
				line, err = r.ReadSlice('\n')
				n += int64(len(line))
			}
		case err == nil:
			t.frameLine(bytes.TrimSuffix(line[:n-1], []byte("\r")), at, emit)
		}
		if at += n; err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// frameLine gives the framer one line that begins at a place.
func (t *tail) frameLine(line []byte, at int64, emit func([]byte)) {
	switch {
	case len(line) == 0:
	case line[0] != '#' || bytes.HasPrefix(line, []byte("#close")):
		t.run = -1
	case t.run < 0:
		t.run = at
	}
	if t.run >= 0 && (bytes.HasPrefix(line, []byte("#fields")) || bytes.HasPrefix(line, []byte("#Fields:"))) {
		t.head = t.run
	}
	t.by.Line(line, emit)
	t.starts = append(t.starts, at)
	if extra := len(t.starts) - t.by.Held(); extra > 0 {
		t.starts = t.starts[extra:]
	}
	if len(t.starts) == 0 {
		t.starts = nil
	}
}

// frames gives the framer the line at the position and returns what came out.
func (t *tail) frames(p *path, line []byte, out []holdfast.Record) []holdfast.Record {
	n := 0
	t.frameLine(line, t.off, func(raw []byte) {
		out = append(out, *t.record(p, raw, false))
		if n > 0 { // the first has the id that it would have without a framer
			out[len(out)-1].Position += fmt.Sprint(":", n)
		}
		n++
	})
	for _, what := range t.by.Faults() {
		p.f.env.Log.Warn("some of a file could not be read as what it is", "path", p.name, "what", what)
	}
	return out
}

// flush returns what the framer holds back, because nothing more is expected.
func (t *tail) flush(p *path) []holdfast.Record {
	if t.by == nil || t.by.Held() == 0 {
		return nil
	}
	var out []holdfast.Record
	t.by.End(func(raw []byte) {
		out = append(out, *t.record(p, raw, false))
		out[len(out)-1].Position += fmt.Sprint(":e", len(out))
	})
	t.starts = nil
	return out
}

// holds is where the first line begins that is still needed.
func (t *tail) holds() int64 {
	if len(t.starts) > 0 {
		return t.starts[0]
	}
	return t.off
}
