package scan

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"holdfast/ingest/evtx"
)

const (
	// maxEvent bounds one event, maxInner an event log inside a packed file.
	maxEvent = 16 << 20
	maxInner = 512 << 20
)

type file struct {
	path string
	size int64
}

// list finds the files below the paths, links not followed.
func (s *scan) list(paths []string) (files []file, total int64, err error) {
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil && path == root {
				return err
			}
			if err != nil {
				s.left(path, "%v", err)
				return nil
			}
			if named := path == root && d.Type()&fs.ModeSymlink != 0; !named && !d.Type().IsRegular() {
				return nil
			}
			info, err := os.Stat(path)
			if err != nil {
				s.left(path, "%v", err)
				return nil
			}
			if !info.Mode().IsRegular() {
				return nil
			}
			files, total = append(files, file{path, info.Size()}), total+info.Size()
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", root, err)
		}
	}
	// The largest first, so that no worker is left alone with it in the end.
	slices.SortStableFunc(files, func(a, b file) int { return int(b.size>>10 - a.size>>10) })
	return files, total, nil
}

// chunksPerJob is how much of an event log a worker takes at once: 2 MiB.
const chunksPerJob = 32

// open looks what a file is and makes jobs of it.
func (s *scan) open(ctx context.Context, f file, jobs chan<- func(*worker)) {
	h, err := os.Open(f.path)
	if err != nil {
		s.left(f.path, "%v", err)
		return
	}
	head := make([]byte, 8<<10)
	n, err := io.ReadFull(h, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		s.left(f.path, "%v", err)
		h.Close()
		return
	}
	if !evtx.Is(head[:n]) {
		jobs <- func(w *worker) {
			defer h.Close()
			if _, err := h.Seek(0, io.SeekStart); err != nil {
				s.left(f.path, "%v", err)
				return
			}
			w.file(ctx, f.path, &counted{h, &s.bytes})
		}
		return
	}
	log, err := evtx.Open(h, f.size)
	if err != nil {
		s.left(f.path, "%v", err)
		h.Close()
		return
	}
	s.faults(f.path, log.Faults)
	var parts sync.WaitGroup
	for from := 0; from < log.Chunks(); from += chunksPerJob {
		to := min(from+chunksPerJob, log.Chunks())
		parts.Add(1)
		jobs <- func(w *worker) {
			defer parts.Done()
			w.chunks(ctx, f.path, log, from, to)
			s.bytes.Add(int64(to-from) * evtx.ChunkSize)
		}
	}
	go func() { parts.Wait(); h.Close() }()
}

func (s *scan) faults(path string, faults []evtx.Fault) {
	for _, f := range faults {
		if f.Lost {
			s.left(path, "%s", f)
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
	// of the file at work: events that no parser knows, and the first of them
	unknown, first uint64
}

// errUnknown is an event of no kind that is known.
var errUnknown = errors.New("no parser knows it")

// file reads one file, and tells once what no parser knows of it.
func (w *worker) file(ctx context.Context, path string, r io.Reader) {
	w.unknown = 0
	w.stream(ctx, path, r, true)
	if w.unknown > 0 {
		w.s.left(path, "%d events that no parser knows, the first is number %d", w.unknown, w.first)
	}
}

func (w *worker) chunks(ctx context.Context, path string, log *evtx.File, from, to int) {
	for i := from; i < to && ctx.Err() == nil; i++ {
		faults, err := w.dec.Chunk(log, i, func(r evtx.Record) error {
			w.event(path, r.ID, r.JSON, r.Written)
			return nil
		})
		w.s.faults(path, faults)
		if err != nil {
			w.s.left(path, "%v", err)
			return
		}
	}
}

// stream reads what is no event log: packed once, JSON, or lines.
func (w *worker) stream(ctx context.Context, path string, r io.Reader, mayBePacked bool) {
	b := bufio.NewReaderSize(r, 256<<10)
	head, err := b.Peek(8 << 10)
	switch {
	case len(head) == 0 && err != nil && !errors.Is(err, io.EOF):
		w.s.left(path, "%v", err)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}) && mayBePacked:
		z, err := gzip.NewReader(b)
		if err != nil {
			w.s.left(path, "gzip: %v", err)
			return
		}
		defer z.Close()
		w.stream(ctx, path, z, false)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) && mayBePacked:
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			w.s.left(path, "zstd: %v", err)
			return
		}
		defer z.Close()
		w.stream(ctx, path, z, false)
	case evtx.Is(head):
		w.packedLog(ctx, path, b)
	case len(bytes.TrimLeft(head, " \t\r\n\ufeff")) == 0:
	case strings.ContainsRune("{[", rune(bytes.TrimLeft(head, " \t\r\n\ufeff")[0])):
		if err := objects(b, maxEvent, func(n uint64, raw []byte) error {
			w.event(path, n, raw, time.Time{})
			return ctx.Err()
		}, func(n uint64, what string) { w.s.left(path, "event %d: %s", n, what) }); err != nil && ctx.Err() == nil {
			w.s.left(path, "%v", err)
		}
	case bytes.IndexByte(head, 0) >= 0:
		w.s.left(path, "neither an event log, JSON nor text")
	default:
		w.lines(ctx, path, b)
	}
}

// packedLog reads an event log that is packed, which needs it whole.
func (w *worker) packedLog(ctx context.Context, path string, r io.Reader) {
	all, err := io.ReadAll(io.LimitReader(r, maxInner+1))
	switch {
	case err != nil:
		w.s.left(path, "%v", err)
		return
	case len(all) > maxInner:
		w.s.left(path, "a packed event log may have %d MB; unpack it first", maxInner>>20)
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

// maxLine bounds a line of text.
const maxLine = 1 << 20

func (w *worker) lines(ctx context.Context, path string, r io.Reader) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	for n := uint64(1); sc.Scan() && ctx.Err() == nil; n++ {
		if len(bytes.TrimSpace(sc.Bytes())) > 0 {
			w.event(path, n, sc.Bytes(), time.Time{})
		}
	}
	if err := sc.Err(); err != nil {
		w.s.left(path, "%v", err)
	}
}
