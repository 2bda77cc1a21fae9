package scan

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

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
