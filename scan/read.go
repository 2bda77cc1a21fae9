package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"holdfast"
	"holdfast/ingest/evtx"
	"holdfast/ingest/frame"
	"holdfast/ingest/parser"
)

const (
	// maxEvent bounds one event, maxInner an event log inside a packed file,
	// maxLine a line of text.
	maxEvent = 16 << 20
	maxInner = 512 << 20
	maxLine  = 1 << 20
	// headSize is how much of a file tells what it is.
	headSize = 64 << 10
	// tells is how much tells what is no text: the header of an event log may be
	// lost, and the start of its first chunk tells as well.
	tells = 4096 + 8
)

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// worker reads and matches; it serves one goroutine.
type worker struct {
	s   *scan
	dec evtx.Decoder
	// of the batch at work: events that no parser knows, and the first of them
	unknown, first uint64

	memory parser.Memory // of the event at work
	now    holdfast.Event
	path   string // of the file at work
	given  int64  // records that were given out to be matched
	hint   parser.Hint
}

// errUnknown is an event of no kind that is known.
var errUnknown = errors.New("no parser knows it")

// file reads one file, up to where it ended when it was opened.
func (w *worker) file(ctx context.Context, path string, h *os.File, size int64) {
	whole := io.NewSectionReader(h, 0, size)
	a := &archive{w: w, ctx: ctx, room: room(size), given: w.given}
	a.stream(path, &counted{whole, &w.s.bytes}, whole, 0)
}

// records reads what is no archive: JSON, tables and lines.
func (w *worker) records(ctx context.Context, path string, b *bufio.Reader) {
	head, _ := b.Peek(headSize)
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	f := &feed{w: w, ctx: ctx, src: w.s.source(path)}
	defer f.end()
	framer := frame.For(text)
	var err error
	switch {
	case framer != nil:
		err = w.lines(ctx, path, b, framer, f.add)
	case isJSON(text):
		err = objects(b, maxEvent, func(n uint64, raw []byte) error {
			f.add(n, raw)
			return ctx.Err()
		}, func(n uint64, what string) { w.s.left(path, "event %d: %s", n, what) })
	case bytes.IndexByte(head, 0) >= 0:
		w.s.left(path, "neither an event log, JSON nor text")
	default:
		if sheet := sheetOf(text); sheet != nil {
			err = sheet.read(ctx, b, f.add, func(n uint64, what string) { w.s.left(path, "row %d: %s", n, what) })
			break
		}
		err = w.lines(ctx, path, b, nil, f.add)
	}
	if err != nil && ctx.Err() == nil {
		w.s.left(path, "%v", err)
	}
}

// isJSON reports whether text begins with an object, or a list of them.
func isJSON(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	if text[0] == '[' {
		text = bytes.TrimLeft(text[1:], " \t\r\n")
		return len(text) == 0 || text[0] == '{' || text[0] == '[' || text[0] == ']'
	}
	return text[0] == '{'
}

// lines reads lines, through a framer if the form needs one. A line that is too
// long is named and passed over.
func (w *worker) lines(ctx context.Context, path string, b *bufio.Reader, framer frame.Framer, add func(uint64, []byte)) error {
	var n uint64
	var long []byte
	give := func(line []byte) {
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		switch {
		case framer != nil:
			framer.Line(line, func(rec []byte) { add(n, rec) })
		case len(bytes.TrimSpace(line)) > 0:
			add(n, bytes.TrimSuffix(line, []byte("\r")))
		}
	}
	defer func() {
		if framer == nil {
			return
		}
		framer.End(func(rec []byte) { add(n, rec) })
		for _, what := range framer.Faults() {
			w.s.left(path, "%s", what)
		}
	}()
	for ctx.Err() == nil {
		part, err := b.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(long) <= maxLine {
				long = append(long, part...)
			}
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		if len(part) > 0 || len(long) > 0 {
			n++
			line := bytes.TrimSuffix(part, []byte("\n"))
			if len(long) > 0 {
				line = append(long, line...)
			}
			if len(line) > maxLine {
				w.s.left(path, "line %d is too long: more than %d MB", n, maxLine>>20)
			} else {
				give(line)
			}
			long = long[:0]
		}
		if err != nil {
			return nil
		}
	}
	return nil
}

// whole reads what has to be there at once.
func (w *worker) whole(path string, r io.Reader) ([]byte, bool) {
	all, err := io.ReadAll(io.LimitReader(r, maxInner+1))
	switch {
	case err != nil:
		w.s.left(path, "%v", err)
		return nil, false
	case len(all) > maxInner:
		w.s.left(path, "a packed event log or zip may have %d MB; unpack it first", maxInner>>20)
		return nil, false
	}
	return all, true
}
