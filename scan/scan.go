// Package scan runs rules over files, without a server: event logs of Windows,
// JSON in any arrangement, lines of text, packed or not, and folders of them.
// The form of a file is found by what stands in it. Memory is bounded by the
// number of workers, not by the files.
package scan

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"holdfast"
	"holdfast/detect/engine"
	"holdfast/ingest/parser"
)

// Options say what is scanned, and with what.
type Options struct {
	Paths   []string
	Engine  *engine.Engine
	Parsers []parser.Parser
	// MinLevel and Tags leave out matches of rules below a level, and without any
	// of the tags.
	MinLevel holdfast.Level
	Tags     []string
	// Since and Until bound the events' time: from Since on, before Until.
	Since, Until time.Time
	Workers      int // 0: one for each processor
	// Found is told every match, Each every event that a parser knows, Progress
	// is told every fifth of a second; none is called twice at the same time, and
	// each may be nil. Events are valid until Each returns; it may be slow only
	// if Workers is 1.
	Found    func(*Match)
	Each     func(path string, number uint64, e *holdfast.Event, ds holdfast.Dataset)
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

// MaxLeft bounds what a summary names.
const MaxLeft = 1000

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
