// Package scan runs rules over files, without a server: event logs of Windows,
// JSON in any arrangement, lines of text, packed or not, and folders of them.
// The form of a file is found by what stands in it. Memory is bounded by the
// number of workers, not by the files.
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
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/ingest/evtx"
	"holdfast/ingest/parser"
)

// Options say what is scanned, and with what.
type Options struct {
	Paths   []string
	Engine  *engine.Engine
	Parsers []parser.Parser
	// MinLevel, Tags and Since leave out matches of rules below a level, without
	// any of the tags, and of events before a time.
	MinLevel holdfast.Level
	Tags     []string
	Since    time.Time
	Workers  int // 0: one for each processor
	// Found is told every match, Progress every fifth of a second; neither is
	// called twice at the same time.
	Found    func(*Match)
	Progress func(Progress)
}

// Match is a rule that holds for an event of a file.
type Match struct {
	Time    time.Time            `json:"time,omitzero"`
	Level   holdfast.Level       `json:"level"`
	Rule    string               `json:"rule"` // the id, or the name of a rule without one
	Title   string               `json:"title"`
	Attack  []string             `json:"attack,omitempty"`
	File    string               `json:"file"`
	Record  uint64               `json:"record"` // the event's number in its file; the record id of an event log
	Host    string               `json:"host,omitempty"`
	Dataset string               `json:"dataset"`
	Because []holdfast.Predicate `json:"because"`
	Event   holdfast.Raw         `json:"event"` // its fields, as JSON
}

// Progress is how far a scan has come.
type Progress struct {
	Bytes, Total int64
	Events       uint64
	Matches      uint64
}

// Summary is what came of a scan.
type Summary struct {
	Files   int           `json:"files"`
	Bytes   int64         `json:"bytes"` // as they lie on the disk
	Events  uint64        `json:"events"`
	Matches uint64        `json:"matches"`
	Took    time.Duration `json:"took"`
	// Left names what could not be read, MaxLeft at most; More counts the rest.
	Left []Left `json:"left,omitempty"`
	More int    `json:"more,omitempty"`
}

// Left is something that was left out of a scan.
type Left struct {
	File string `json:"file"`
	What string `json:"what"`
}

const (
	// MaxLeft bounds what a summary names.
	MaxLeft = 1000
	// maxEvent bounds one event, maxInner an event log inside a packed file.
	maxEvent = 16 << 20
	maxInner = 512 << 20
)

// Run scans. The error is that of the context, or of a path that is not there;
// what cannot be read is named in the summary, and the rest is scanned.
func Run(ctx context.Context, o Options) (Summary, error) {
	start := time.Now()
	s := &scan{o: o, datasets: map[string]holdfast.Dataset{}}
	files, total, err := s.list(o.Paths)
	if err != nil {
		return Summary{}, err
	}
	for _, p := range o.Parsers {
		for _, d := range p.Datasets {
			s.datasets[d.Name] = d
		}
	}
	s.sum.Files, s.sum.Bytes = len(files), total
	stop := s.report(total)
	err = s.all(ctx, files)
	stop()
	s.sum.Events, s.sum.Matches, s.sum.Took = s.events.Load(), s.matches.Load(), time.Since(start)
	return s.sum, err
}

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

type scan struct {
	o        Options
	datasets map[string]holdfast.Dataset

	bytes   atomic.Int64
	events  atomic.Uint64
	matches atomic.Uint64

	mu  sync.Mutex
	sum Summary
}

func (s *scan) report(total int64) (stop func()) {
	if s.o.Progress == nil {
		return func() {}
	}
	tell := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.o.Progress(Progress{s.bytes.Load(), total, s.events.Load(), s.matches.Load()})
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				tell()
			}
		}
	})
	return func() { close(done); wait.Wait(); tell() }
}

func (s *scan) left(path, format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sum.Left) >= MaxLeft {
		s.sum.More++
		return
	}
	s.sum.Left = append(s.sum.Left, Left{path, fmt.Sprintf(format, a...)})
}

// all hands the files, and the chunks of event logs, to the workers.
func (s *scan) all(ctx context.Context, files []file) error {
	n := s.o.Workers
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	jobs := make(chan func(*worker))
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			w := &worker{s: s}
			for job := range jobs {
				job(w)
			}
		})
	}
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		s.open(ctx, f, jobs)
	}
	close(jobs)
	wait.Wait()
	return ctx.Err()
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

// event parses an event and matches it.
func (w *worker) event(path string, number uint64, raw []byte, at time.Time) {
	s := w.s
	s.events.Add(1)
	got, err := s.parse(path, raw)
	if errors.Is(err, errUnknown) {
		if w.unknown++; w.unknown == 1 {
			w.first = number
		}
		return
	}
	if err != nil {
		s.left(path, "event %d: %v", number, err)
		return
	}
	if got.Time.IsZero() {
		got.Time = at
	}
	if !s.o.Since.IsZero() && got.Time.Before(s.o.Since) {
		return
	}
	ds := s.datasets[got.Dataset]
	e := holdfast.Event{Time: got.Time, Dataset: got.Dataset, Fields: got.Fields, Raw: raw}
	for _, hit := range s.o.Engine.Match(&e, ds) {
		r := hit.Rule
		if r.Level.Rank() < s.o.MinLevel.Rank() || !tagged(r.Tags, s.o.Tags) {
			continue
		}
		id := r.ID
		if id == "" {
			id = r.Key()
		}
		s.matches.Add(1)
		m := &Match{
			Time: got.Time, Level: r.Level, Rule: id, Title: r.Title, Attack: correlate.Attack(r.Tags), File: path, Record: number,
			Host: got.Host, Dataset: got.Dataset, Because: hit.Because, Event: e.AppendFieldsJSON(nil),
		}
		s.mu.Lock()
		s.o.Found(m)
		s.mu.Unlock()
	}
}

func tagged(have, want []string) bool {
	return len(want) == 0 || slices.ContainsFunc(have, func(t string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(t, w) || strings.EqualFold(t, "attack."+w) })
	})
}

// parse asks the parsers, the most particular first.
func (s *scan) parse(path string, raw []byte) (parser.Parsed, error) {
	hint := parser.Hint{Received: time.Now(), Source: "file:" + path}
	for i := range s.o.Parsers {
		got, err := s.o.Parsers[i].Parse(raw, hint)
		if errors.Is(err, parser.ErrOther) {
			continue
		}
		if err == nil {
			err = got.Check()
		}
		return got, err
	}
	return parser.Parsed{}, errUnknown
}
