package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

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

// count walks over the paths, so that what was done can be held against it.
func (s *scan) count(ctx context.Context, paths []string) (files int, total int64, err error) {
	err = s.walk(ctx, paths, func(_ string, info fs.FileInfo, _ error) {
		if info != nil {
			files, total = files+1, total+info.Size()
		}
	})
	return files, total, err
}

// walk calls each for every file below the paths, links not followed; or with
// what is wrong with it. No list of them is kept.
func (s *scan) walk(ctx context.Context, paths []string, each func(path string, info fs.FileInfo, err error)) error {
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && path == root:
				return err
			case err != nil:
				each(path, nil, err)
				return nil
			case d.IsDir():
				return nil
			}
			named := path == root
			if !named && !d.Type().IsRegular() {
				return nil
			}
			info, err := os.Stat(path)
			switch {
			case err != nil:
				each(path, nil, err)
			case info.Mode().IsRegular():
				each(path, info, nil)
			case named && !info.IsDir():
				each(path, nil, errors.New("it is no regular file; copy what it says to one"))
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", root, err)
		}
	}
	return nil
}

// all hands the files, the chunks of event logs and the batches of large files
// to the workers.
func (s *scan) all(ctx context.Context) error {
	n := s.o.Workers
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	jobs := make(chan func(*worker))
	s.shared = make(chan *batch, n)
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			w := &worker{s: s}
			for jobs, shared := jobs, s.shared; jobs != nil || shared != nil; {
				select {
				case job, ok := <-jobs:
					if !ok {
						jobs = nil
						continue
					}
					job(w)
					s.pending.Done()
				case b, ok := <-shared:
					if !ok {
						shared = nil
						continue
					}
					w.match(ctx, b)
					s.pending.Done()
				}
			}
		})
	}
	give := func(job func(*worker)) {
		s.pending.Add(1)
		jobs <- job
	}
	err := s.walk(ctx, s.o.Paths, func(path string, info fs.FileInfo, err error) {
		if err != nil {
			s.left(path, "%v", err)
			return
		}
		s.open(ctx, path, give)
	})
	close(jobs)
	s.pending.Wait()
	close(s.shared)
	wait.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// chunksPerJob is how much of an event log a worker takes at once: 2 MiB.
const chunksPerJob = 32

// open looks what a file is and makes jobs of it.
func (s *scan) open(ctx context.Context, path string, give func(func(*worker))) {
	h, err := os.Open(path)
	if err != nil {
		s.left(path, "%v", err)
		return
	}
	info, err := h.Stat()
	if err != nil || !info.Mode().IsRegular() {
		s.left(path, "it is no regular file any more (%v)", err)
		h.Close()
		return
	}
	head := make([]byte, tells)
	n, err := io.ReadFull(h, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		s.left(path, "%v", err)
		h.Close()
		return
	}
	if !evtx.Is(head[:n]) {
		give(func(w *worker) {
			defer h.Close()
			w.file(ctx, path, h, info.Size())
		})
		return
	}
	log, err := evtx.Open(h, info.Size())
	if err != nil {
		s.left(path, "%v", err)
		h.Close()
		return
	}
	s.faults(path, log.Faults)
	var parts sync.WaitGroup
	for from := 0; from < log.Chunks(); from += chunksPerJob {
		to := min(from+chunksPerJob, log.Chunks())
		parts.Add(1)
		give(func(w *worker) {
			defer parts.Done()
			w.chunks(ctx, path, log, from, to)
			s.bytes.Add(int64(to-from) * evtx.ChunkSize)
		})
	}
	go func() { parts.Wait(); h.Close() }()
}

func (s *scan) faults(path string, faults []evtx.Fault) {
	for _, f := range faults {
		if f.Lost {
			s.left(path, "%s", f)
		} else {
			s.noted(path, f.String())
		}
	}
}

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

func (w *worker) chunks(ctx context.Context, path string, log *evtx.File, from, to int) {
	src := w.s.source(path)
	w.unknown = 0
	for i := from; i < to && ctx.Err() == nil; i++ {
		faults, err := w.dec.Chunk(log, i, func(r evtx.Record) error {
			w.event(path, r.ID, r.JSON, r.Written)
			return nil
		})
		w.s.faults(path, faults)
		if err != nil {
			w.s.left(path, "%v", err)
			break
		}
	}
	src.tell(w)
	src.done()
}

// source is a file, or one inside an archive, that is being read.
type source struct {
	s    *scan
	path string
	refs atomic.Int32 // its reader, and the batches that are not matched

	mu             sync.Mutex
	unknown, first uint64
}

func (s *scan) source(path string) *source {
	src := &source{s: s, path: path}
	src.refs.Store(1)
	return src
}

// tell adds what a worker saw of the source.
func (src *source) tell(w *worker) {
	if w.unknown == 0 {
		return
	}
	src.mu.Lock()
	defer src.mu.Unlock()
	if src.unknown == 0 || w.first < src.first {
		src.first = w.first
	}
	src.unknown += w.unknown
	w.unknown = 0
}

// done ends a use of the source; the last one says what no parser knew of it.
func (src *source) done() {
	if src.refs.Add(-1) == 0 && src.unknown > 0 {
		src.s.left(src.path, "%d events that no parser knows, the first is number %d", src.unknown, src.first)
	}
}

// batch is some records of a source, one after the other.
type batch struct {
	src     *source
	buf     []byte
	ends    []int
	numbers []uint64
}

const (
	batchBytes   = 256 << 10
	batchRecords = 1024
)

var batches = sync.Pool{New: func() any { return new(batch) }}

// feed takes the records of one source and gives them out in batches.
type feed struct {
	w   *worker
	ctx context.Context //nolint:containedctx // lives as long as one source is read
	src *source
	b   *batch
}

// add takes a record, which it copies.
func (f *feed) add(number uint64, raw []byte) {
	f.w.given++
	if f.b == nil {
		f.b = batches.Get().(*batch)
		f.b.src = f.src
	}
	b := f.b
	b.buf = append(b.buf, raw...)
	b.ends, b.numbers = append(b.ends, len(b.buf)), append(b.numbers, number)
	if len(b.buf) < batchBytes && len(b.ends) < batchRecords {
		return
	}
	f.b = nil
	f.src.refs.Add(1)
	f.w.s.pending.Add(1)
	select {
	case f.w.s.shared <- b: // whoever is idle takes it
	default: // all are busy: so is this one
		f.w.match(f.ctx, b)
		f.w.s.pending.Done()
	}
}

// end gives out what is left.
func (f *feed) end() {
	if f.b != nil {
		f.src.refs.Add(1)
		f.w.match(f.ctx, f.b)
		f.b = nil
	}
	f.src.done()
}

// match parses and matches the records of a batch.
func (w *worker) match(ctx context.Context, b *batch) {
	w.unknown = 0
	start := 0
	for i, end := range b.ends {
		if ctx.Err() != nil {
			break
		}
		w.event(b.src.path, b.numbers[i], b.buf[start:end:end], time.Time{})
		start = end
	}
	b.src.tell(w)
	b.src.done()
	b.src, b.buf, b.ends, b.numbers = nil, b.buf[:0], b.ends[:0], b.numbers[:0]
	if cap(b.buf) <= 4*batchBytes {
		batches.Put(b)
	}
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

// packedLog reads an event log that is packed, which needs it whole.
func (w *worker) packedLog(ctx context.Context, path string, r io.Reader) {
	all, ok := w.whole(path, r)
	if !ok {
		return
	}
	log, err := evtx.Open(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		w.s.left(path, "%v", err)
		return
	}
	w.s.faults(path, log.Faults)
	w.chunks(ctx, path, log, 0, log.Chunks())
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

// utf16Reader turns UTF-16 into UTF-8; half a pair becomes U+FFFD.
type utf16Reader struct {
	r    *bufio.Reader
	big  bool
	out  []byte
	high rune
	err  error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) fill() {
	u.out = u.out[:0]
	var in [4096]byte
	n, err := io.ReadFull(u.r, in[:])
	if err != nil {
		if u.err = io.EOF; !errors.Is(err, io.ErrUnexpectedEOF) {
			u.err = err
		}
	}
	buf := make([]byte, 0, 3*len(in)/2+8)
	for i := 0; i+1 < n; i += 2 {
		c := rune(in[i]) | rune(in[i+1])<<8
		if u.big {
			c = rune(in[i])<<8 | rune(in[i+1])
		}
		switch {
		case c >= 0xd800 && c < 0xdc00:
			if u.high != 0 {
				buf = utf8.AppendRune(buf, utf8.RuneError)
			}
			u.high = c
			continue
		case c >= 0xdc00 && c < 0xe000:
			if u.high != 0 {
				c = 0x10000 + (u.high-0xd800)<<10 + c - 0xdc00
			} else {
				c = utf8.RuneError
			}
		case u.high != 0:
			buf = utf8.AppendRune(buf, utf8.RuneError)
		}
		u.high = 0
		buf = utf8.AppendRune(buf, c)
	}
	u.out = buf
}
