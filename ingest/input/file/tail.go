package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"holdfast"
)

const (
	// chunk is how much is read at once.
	chunk = 256 << 10
	// printBytes of a file's start tell it from another of the same number.
	printBytes = 256
	// maxPut and maxPutBytes bound what is handed on in one call.
	maxPut      = 1000
	maxPutBytes = 4 << 20
)

// tail is one open file and how far it was read.
type tail struct {
	src     source
	name    string // under which it was opened
	id      string
	gen     int
	off     int64  // where the first line stands that was not handed on
	buf     []byte // what was read from off on, less than a line
	skip    bool   // off stands in a line whose beginning was not read; it is passed over
	part    int    // off stands in a long line, at its piece of this number
	print   string // of the file's first printLen bytes
	printed int64
	changed time.Time // when it last grew, or was moved
	failed  error     // why nothing more could be read
	hold    int64     // as it was saved: where the framer's first line stands
	last    []byte    // the bytes before off, printBytes at most; fewer if they are not known
	was     state     // as it was asked for last
	wide    wide
	inHole  bool // what was read last is of a hole that may go on
	framed
}

func openTail(name string) (*tail, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tail{src: plain{f}, name: name, id: idOf(info, f), changed: time.Now()}, nil
}

func (t *tail) close() { t.src.Close() }

// handle is the open file, nil if it is packed.
func (t *tail) handle() *os.File {
	if p, ok := t.src.(plain); ok {
		return p.File
	}
	return nil
}

func (t *tail) size() int64 { return t.src.Size() }

func (t *tail) state() state {
	t.was = state{
		ID: t.id, Gen: t.gen, Offset: t.off, Skip: t.skip, Part: t.part, Print: t.print, Printed: t.printed,
		End: t.end(), Head: t.head, Back: t.off - t.holds(),
	}
	return t.was
}

// end is the print of the bytes before off.
func (t *tail) end() string {
	if n := min(t.off, printBytes); int64(len(t.last)) < n {
		t.last = make([]byte, n)
		if _, err := t.src.ReadAt(t.last, t.off-n); err != nil && !errors.Is(err, io.EOF) {
			t.last = nil
		}
	}
	return printOf(t.last)
}

func printOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func (t *tail) resume(s state) {
	t.gen, t.off, t.skip, t.part, t.print, t.printed = s.Gen, s.Offset, s.Skip, s.Part, s.Print, s.Printed
	t.head, t.hold, t.was, t.last = s.Head, s.Offset-s.Back, s, nil
}

// restart begins a file anew that was truncated.
func (t *tail) restart(gen int) {
	*t = tail{src: t.src, name: t.name, id: t.id, gen: gen, changed: time.Now(), framed: framed{before: t.by}}
}

// truncated reports whether the file is another than it was: shorter than what
// was read, or with a new beginning (truncated, and written again past there).
func (t *tail) truncated(size int64) bool {
	if size < t.off+int64(len(t.buf)) {
		return true
	}
	return size != t.off+int64(len(t.buf)) && !t.same()
}

// same compares the file's beginning with what it was.
func (t *tail) same() bool {
	if t.size() < t.off {
		return false
	}
	if t.printed == 0 {
		return true
	}
	p, n := t.fingerprint(0, t.printed)
	return n == t.printed && p == t.print
}

func (t *tail) fingerprint(from, n int64) (string, int64) {
	return fingerprint(t.src, from, n)
}

func fingerprint(r io.ReaderAt, from, n int64) (string, int64) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0
	}
	return printOf(b[:got]), int64(got)
}

// skipTo goes to the first line that begins at or after off.
func (t *tail) skipTo(off int64) error {
	if off <= 0 {
		return nil
	}
	if err := t.widen(); err != nil {
		return err
	}
	b := make([]byte, chunk)
	at := off - 1
	if t.wide != narrow {
		at = max(0, off-2) &^ 1
	}
	for {
		n, err := t.src.ReadAt(b, at)
		if _, whole := t.lineEnd(b[:n], at); whole >= 0 {
			t.off = at + int64(whole)
			t.hold = t.off
			return nil
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			// One long unfinished line: what is missing of it is not read.
			t.off, t.hold, t.skip = at, at, true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// read hands on all whole lines and reports whether the end was reached. Its
// only error is ctx's.
func (t *tail) read(ctx context.Context, p *path) (end bool, err error) {
	for {
		if t.size() == t.off+int64(len(t.buf)) && !bytes.Contains(t.buf, []byte("\n")) {
			return true, nil
		}
		records, grew, err := t.lines(p)
		if t.failed = err; err != nil {
			p.f.note(p.name, lacks(p.name, nil, err))
		}
		if !grew {
			return true, nil
		}
		t.changed = time.Now()
		if len(records) > 0 {
			if err := p.f.put(ctx, p.name, records); err != nil {
				return false, err
			}
		}
		if t.printed < printBytes {
			t.print, t.printed = t.fingerprint(0, min(printBytes, t.off))
		}
		p.save()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

// lines reads on until there is enough for one Put, or the end.
func (t *tail) lines(p *path) (records []holdfast.Record, grew bool, err error) {
	bytesHeld := 0
	for len(records) < maxPut && bytesHeld < maxPutBytes {
		if err := t.decide(); err != nil {
			return records, grew, err
		}
		// What is left of the last chunk first: a line may already be whole in it.
		for len(records) < maxPut && bytesHeld < maxPutBytes {
			had := len(records)
			var ok bool
			if records, ok = t.next(p, records); !ok {
				break
			}
			grew = true
			for _, r := range records[had:] {
				bytesHeld += len(r.Raw)
			}
		}
		if len(records) >= maxPut || bytesHeld >= maxPutBytes || t.inHole && grew {
			break
		}
		n, err := t.src.ReadAt(p.f.chunk, t.off+int64(len(t.buf)))
		if n > 0 {
			err = nil // what is wrong comes again
		}
		t.buf = append(t.buf, p.f.chunk[:n]...)
		if err != nil && !errors.Is(err, io.EOF) {
			return records, grew, err
		}
		if n == 0 {
			break
		}
	}
	if len(t.buf) == 0 {
		t.buf = nil
	}
	return records, grew, nil
}

// next takes one line off buf, or a piece of a long one, and adds its records to
// out: none for one that is empty or whose beginning was not read. ok is false
// if buf holds neither.
func (t *tail) next(p *path, out []holdfast.Record) (records []holdfast.Record, ok bool) {
	if n := t.hole(); n > 0 && !t.skip {
		t.advance(n)
		return out, true
	}
	end, whole := t.lineEnd(t.buf, t.off)
	if t.skip {
		rest := len(t.buf)
		if t.wide != narrow {
			rest &^= 1
		}
		switch {
		case whole >= 0:
			t.advance(whole)
			t.skip = false
			return out, true
		case rest > 0:
			t.advance(rest)
			return out, true
		}
		return out, false
	}
	most := t.most()
	switch {
	case end > most || end < 0 && len(t.buf) > most+1: // the rest follows in pieces
		out = append(out, *t.record(p, t.text(t.buf[:most]), true))
		t.advance(most)
		t.part++
		return out, true
	case end < 0:
		return out, false
	}
	line := bytes.TrimSuffix(t.text(t.buf[:end]), []byte("\r"))
	switch {
	case t.by != nil && t.part == 0:
		out = t.frames(p, line, out)
	case len(line) > 0:
		out = append(out, *t.record(p, line, false))
	}
	t.advance(whole)
	t.part = 0
	return out, true
}

func (t *tail) advance(n int) {
	if n >= printBytes {
		t.last = append(t.last[:0], t.buf[n-printBytes:n]...)
	} else if int64(len(t.last)) == min(t.off, printBytes) {
		t.last = append(t.last, t.buf[:n]...)
		t.last = append(t.last[:0], t.last[max(0, len(t.last)-printBytes):]...)
	}
	t.off += int64(n)
	t.buf = t.buf[n:]
}

func (t *tail) record(p *path, line []byte, cut bool) *holdfast.Record {
	return &holdfast.Record{
		Source:   "file:" + p.name,
		Position: fmt.Sprintf("%s:%d:%d", t.id, t.gen, t.off),
		Asset:    p.f.env.Asset, Dataset: p.f.cfg.Dataset,
		Received: p.f.received(), Raw: bytes.Clone(line), Truncated: cut, Part: t.part,
	}
}

// finish hands on the unfinished last line of a file that nobody writes any
// more, and what was held back for more.
func (t *tail) finish(ctx context.Context, p *path) error {
	var out []holdfast.Record
	if len(t.buf) > 0 && !t.skip {
		if t.by != nil && t.part == 0 {
			out = t.frames(p, t.buf, out)
		} else {
			out = append(out, *t.record(p, t.text(t.buf), false))
		}
		t.advance(len(t.buf))
		t.part = 0
	}
	if out = append(out, t.flush(p)...); len(out) == 0 {
		return nil
	}
	return p.f.put(ctx, p.name, out)
}

// settle hands on what is held back of a file that has not grown for a while.
func (t *tail) settle(ctx context.Context, p *path) error {
	if t.by == nil || t.by.Held() == 0 || time.Since(t.changed) < p.f.wait.quiet {
		return nil
	}
	if out := t.flush(p); len(out) > 0 {
		if err := p.f.put(ctx, p.name, out); err != nil {
			return err
		}
	}
	p.save()
	return nil
}
