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
	"holdfast/ingest/input"
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
	file    *os.File
	id      string
	gen     int
	off     int64  // where the first line stands that was not handed on
	buf     []byte // what was read from off on, less than a line
	skip    bool   // off stands in a line whose beginning was not read; it is passed over
	part    int    // off stands in a long line, at its piece of this number
	print   string // of the file's first printLen bytes
	printed int64
	changed time.Time // when it last grew, or was moved
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
	return &tail{file: f, id: idOf(info, f), changed: time.Now()}, nil
}

func (t *tail) close() { t.file.Close() }

func (t *tail) size() int64 {
	info, err := t.file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

func (t *tail) state() state {
	return state{ID: t.id, Gen: t.gen, Offset: t.off, Skip: t.skip, Part: t.part, Print: t.print, Printed: t.printed}
}

func (t *tail) resume(s state) {
	t.gen, t.off, t.skip, t.part, t.print, t.printed = s.Gen, s.Offset, s.Skip, s.Part, s.Print, s.Printed
}

// restart begins a file anew that was truncated.
func (t *tail) restart(gen int) {
	*t = tail{file: t.file, id: t.id, gen: gen, changed: time.Now()}
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
	p, n := t.fingerprint(t.printed)
	return n == t.printed && p == t.print
}

func (t *tail) fingerprint(n int64) (string, int64) {
	b := make([]byte, n)
	got, err := t.file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0
	}
	sum := sha256.Sum256(b[:got])
	return hex.EncodeToString(sum[:16]), int64(got)
}

// skipTo goes to the first line that begins at or after off.
func (t *tail) skipTo(off int64) error {
	if off <= 0 {
		return nil
	}
	b := make([]byte, chunk)
	for at := off - 1; ; {
		n, err := t.file.ReadAt(b, at)
		if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
			t.off = at + int64(i) + 1
			return nil
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			// One long unfinished line: what is missing of it is not read.
			t.off, t.skip = at, true
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
		if err != nil {
			p.f.note(p.name, lacks(p.name, nil, err))
			return true, nil
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
			t.print, t.printed = t.fingerprint(min(printBytes, t.off))
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
		// What is left of the last chunk first: a line may already be whole in it.
		for len(records) < maxPut && bytesHeld < maxPutBytes {
			r, ok := t.next(p)
			if !ok {
				break
			}
			grew = true
			if r != nil {
				records = append(records, *r)
				bytesHeld += len(r.Raw)
			}
		}
		if len(records) >= maxPut || bytesHeld >= maxPutBytes {
			break
		}
		n, err := t.file.ReadAt(p.f.chunk, t.off+int64(len(t.buf)))
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

// next takes one line off buf, or a piece of a long one; nil for one that is
// empty or whose beginning was not read. ok is false if buf holds neither.
func (t *tail) next(p *path) (r *holdfast.Record, ok bool) {
	i := bytes.IndexByte(t.buf, '\n')
	if t.skip {
		switch {
		case i >= 0:
			t.advance(i + 1)
			t.skip = false
			return nil, true
		case len(t.buf) > 0:
			t.advance(len(t.buf))
			return nil, true
		}
		return nil, false
	}
	var line []byte
	cut := false
	switch {
	case i > input.MaxRecord || i < 0 && len(t.buf) > input.MaxRecord+1:
		line, cut = t.buf[:input.MaxRecord], true
	case i < 0:
		return nil, false
	default:
		line = bytes.TrimSuffix(t.buf[:i], []byte("\r"))
	}
	if len(line) > 0 {
		r = t.record(p, line, cut)
	}
	if cut { // the rest follows in pieces
		t.advance(input.MaxRecord)
		t.part++
	} else {
		t.advance(i + 1)
		t.part = 0
	}
	return r, true
}

func (t *tail) advance(n int) {
	t.off += int64(n)
	t.buf = t.buf[n:]
}

func (t *tail) record(p *path, line []byte, cut bool) *holdfast.Record {
	return &holdfast.Record{
		Source:   "file:" + p.name,
		Position: fmt.Sprintf("%s:%d:%d", t.id, t.gen, t.off),
		Asset:    p.f.env.Asset, Dataset: p.f.cfg.Dataset,
		Received: p.f.env.Clock.Now(), Raw: bytes.Clone(line), Truncated: cut, Part: t.part,
	}
}

// finish hands on the unfinished last line of a file that nobody writes any
// more.
func (t *tail) finish(ctx context.Context, p *path) error {
	if len(t.buf) == 0 || t.skip {
		return nil
	}
	r := t.record(p, t.buf, false)
	if err := p.f.put(ctx, p.name, []holdfast.Record{*r}); err != nil {
		return err
	}
	t.advance(len(t.buf))
	t.part = 0
	return nil
}
