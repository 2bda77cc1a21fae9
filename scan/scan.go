// Package scan runs rules over files, without a server: event logs of Windows,
// JSON in any arrangement, lines of text, packed or not, and folders of them.
// The form of a file is found by what stands in it. Memory is bounded by the
// number of workers, not by the files.
package scan

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/ingest/parser"
)

// GCPercent is how much the heap of a program that scans may well grow before it
// is collected. Little is live beside the rules, some 40 MB for the core set, so
// the usual 100 has a tenth of the time and more go into looking at them.
const GCPercent = 400

// Options say what is scanned, and with what.
type Options struct {
	Paths  []string
	Engine *engine.Engine
	// Rules and Correlations are those that are correlated: the hits of Engine's
	// rules that a correlation refers to are kept, and at the end put in the order
	// of their events' time and counted. A rule that only feeds correlations makes
	// no match itself.
	Rules        []*sigma.Rule
	Correlations []*sigma.Correlation
	// Only are the rules, by id, name or title, whose matches are told; nil: all.
	Only    []string
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
	Because []holdfast.Predicate `json:"because,omitempty"`
	Event   holdfast.Raw         `json:"event,omitempty"` // its fields, as JSON

	// Kind is Detection, or Correlation: then the match stands for Count events,
	// from First to Last, of which Events are some, File and Record name the one
	// that crossed the line, Why says how, and there are neither Because nor
	// Event.
	Kind   string            `json:"kind"`
	Why    string            `json:"why,omitempty"`
	Group  []holdfast.Entity `json:"group,omitempty"`
	Count  int               `json:"count,omitempty"`
	First  time.Time         `json:"first,omitzero"`
	Last   time.Time         `json:"last,omitzero"`
	Events []Made            `json:"events,omitempty"`

	// Meta is what the rule says of itself.
	Meta *sigma.Meta `json:"-"`
}

// The kinds of match.
const (
	Detection   = "detection"
	Correlation = "correlation"
)

// Made is one event of those that made a correlation hold.
type Made struct {
	Time    time.Time `json:"time"`
	File    string    `json:"file"`
	Record  uint64    `json:"record"`
	Rule    string    `json:"rule"`
	Message string    `json:"message"`
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
	// Correlated counts the hits that were correlated, Dropped those beyond what
	// is kept, and Cost says what the bounds of correlation left out.
	Correlated uint64          `json:"correlated,omitempty"`
	Dropped    uint64          `json:"dropped,omitempty"`
	Cost       correlate.Stats `json:"cost,omitzero"`
	// Left names what could not be read, MaxLeft at most; More counts the rest.
	Left []Left `json:"left,omitempty"`
	More int    `json:"more,omitempty"`
	// Noted names what was read and is not as it should be, such as checksums
	// that do not fit: one place of a file, with how many more there are.
	Noted []Left `json:"noted,omitempty"`
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
	s := newScan(o)
	files, total, err := s.count(ctx, o.Paths)
	if err != nil {
		return Summary{}, err
	}
	s.sum.Files, s.sum.Bytes = files, total
	if len(o.Correlations) > 0 {
		if s.story, err = newStory(o.Rules, o.Correlations); err != nil {
			return Summary{}, err
		}
		defer s.story.close()
	}
	stop := s.report(total)
	err = s.all(ctx)
	if s.story != nil && err == nil {
		err = s.tell(ctx)
	}
	stop()
	s.sumLeft()
	s.sum.Events, s.sum.Matches, s.sum.Took = s.events.Load(), s.matches.Load(), time.Since(start)
	return s.sum, err
}

func newScan(o Options) *scan {
	s := &scan{o: o, datasets: map[string]*holdfast.Dataset{}, told: map[string]int{}, odd: map[string]int{}}
	for _, p := range o.Parsers {
		for i := range p.Datasets {
			s.datasets[p.Datasets[i].Name] = &p.Datasets[i]
		}
	}
	return s
}

type scan struct {
	o        Options
	datasets map[string]*holdfast.Dataset
	// shared are batches that their reader leaves to whoever is idle; pending is
	// the work that was given out and is not done.
	shared  chan *batch
	pending sync.WaitGroup

	bytes   atomic.Int64
	events  atomic.Uint64
	matches atomic.Uint64

	story *story // nil: nothing is correlated

	mu   sync.Mutex
	sum  Summary
	told map[string]int // by file: what was left out; at most MaxLeft files
	odd  map[string]int // by file: what was noted; at most MaxLeft files
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
	n := s.told[path]
	if n >= leftOfFile {
		s.told[path]++
		return
	}
	if len(s.sum.Left) >= MaxLeft {
		s.sum.More++
		return
	}
	s.told[path]++
	s.sum.Left = append(s.sum.Left, Left{path, fmt.Sprintf(format, a...)})
}

// noted keeps what is wrong with a file that was read all the same.
func (s *scan) noted(path, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.odd[path]
	if n == 0 && len(s.odd) >= MaxLeft {
		return
	}
	if s.odd[path]++; n == 0 {
		s.sum.Noted = append(s.sum.Noted, Left{path, what})
	}
}

// leftOfFile is how much one file may say in the summary; the rest is counted,
// so that a file full of faults hides no other.
const leftOfFile = 3

// sumLeft says for how many more places each file was left out in part, or
// noted.
func (s *scan) sumLeft() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.sum.Left) - 1; i >= 0; i-- {
		l := &s.sum.Left[i]
		if n := s.told[l.File] - leftOfFile; n > 0 {
			l.What += fmt.Sprintf("; and %d more in this file", n)
			s.told[l.File] = 0
		}
	}
	for i := range s.sum.Noted {
		l := &s.sum.Noted[i]
		if n := s.odd[l.File] - 1; n > 0 {
			l.What += fmt.Sprintf("; and %d more in this file", n)
		}
	}
}
