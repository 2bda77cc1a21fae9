package scan

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/internal/clock"
)

// Bounds on what is kept for correlation. Hits beyond what is in memory are
// written to temporary files, sorted; hits beyond those are dropped and
// counted.
const (
	storyMemory = 32 << 20 // bytes of hits, about
	storyFiles  = 128      // of storyMemory each
	storyAlerts = 100_000
	storyRaw    = 1000 // bytes of a record that an alert shows
)

// story keeps the hits of rules that correlations refer to, until they can be
// put in order.
type story struct {
	rules  map[string]*sigma.Rule // by Key
	needed map[string]bool        // keys of rules that a correlation refers to
	quiet  map[string]bool
	corrs  map[string]*sigma.Correlation
	fields map[string]bool // that correlations look at

	cor *correlate.Correlator

	mu      sync.Mutex
	hits    []*kept
	size    int
	runs    []*os.File
	paths   []string
	byPath  map[string]int
	count   uint64
	dropped uint64
	full    int // how much is held before it is written out
}

// kept is an event with the rules that held for it, as far as correlations and
// their alerts need it.
type kept struct {
	Time    time.Time            `json:"t"`
	Path    int                  `json:"p"`
	Number  uint64               `json:"n"`
	Host    string               `json:"h,omitempty"`
	Dataset string               `json:"d"`
	Fields  []holdfast.Field     `json:"f"`
	Raw     string               `json:"r"`
	Rules   []string             `json:"k"`
	Because []holdfast.Predicate `json:"b,omitempty"`
}

func newStory(rules []*sigma.Rule, corrs []*sigma.Correlation) (*story, error) {
	s := &story{
		rules: map[string]*sigma.Rule{}, needed: map[string]bool{}, quiet: map[string]bool{}, corrs: map[string]*sigma.Correlation{},
		fields: map[string]bool{}, byPath: map[string]int{}, full: storyMemory,
	}
	var faults holdfast.Faults
	s.cor, faults = correlate.New(rules, corrs, clock.System{})
	_ = faults // whoever loaded the rules has told them
	names := map[string]string{}
	for _, r := range rules {
		s.rules[r.Key()] = r
		for _, n := range []string{r.ID, r.Name} {
			if n != "" {
				names[n] = r.Key()
			}
		}
	}
	for _, c := range s.cor.Loaded() {
		s.corrs[c.Key()] = c
		for _, name := range c.Rules {
			if key, ok := names[name]; ok {
				s.needed[key] = true
			}
		}
		for _, f := range append(slices.Clone(c.GroupBy), c.Field) {
			s.fields[f] = true
			for _, field := range c.Aliases[f] {
				s.fields[field] = true
			}
		}
	}
	for key := range s.needed {
		s.quiet[key] = s.cor.Silent(key)
	}
	return s, nil
}

// silent reports whether a rule only feeds correlations.
func (s *story) silent(r *sigma.Rule) bool { return s.quiet[r.Key()] }

// add keeps a hit.
func (s *story) add(path string, number uint64, host string, e *holdfast.Event, ds *holdfast.Dataset, hits []engine.Hit) error {
	k := kept{Time: e.Time, Number: number, Host: strings.Clone(host), Dataset: e.Dataset}
	size := 200
	for _, h := range hits {
		if key := h.Rule.Key(); s.needed[key] {
			k.Rules = append(k.Rules, key)
		}
	}
	if len(k.Rules) == 0 {
		return nil
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		ecs := ds.ECS[f.Name]
		if s.fields[f.Name] || s.fields[ecs] || ecs != "" || s.aliased(ds, f.Name) { // also what names entities
			text := f.Text
			if len(text) > storyRaw*2 {
				text = text[:storyRaw*2]
			}
			k.Fields = append(k.Fields, holdfast.Field{Name: strings.Clone(f.Name), Text: strings.Clone(text), Kind: f.Kind})
			size += len(f.Name) + len(text) + 40
		}
	}
	k.Raw = strings.ToValidUTF8(string(e.Raw[:min(len(e.Raw), storyRaw)]), "\uFFFD")
	size += len(k.Raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.byPath[path]
	if !ok {
		at = len(s.paths)
		s.byPath[path], s.paths = at, append(s.paths, path)
	}
	k.Path = at
	s.count++
	s.hits = append(s.hits, &k)
	if s.size += size; s.size < s.full {
		return nil
	}
	if len(s.runs) >= storyFiles {
		s.dropped += uint64(len(s.hits))
		s.count -= uint64(len(s.hits))
		s.hits, s.size = nil, 0
		return nil
	}
	return s.spill()
}

// aliased reports whether a field is one that correlations name otherwise.
func (s *story) aliased(ds *holdfast.Dataset, native string) bool {
	for name, of := range ds.Alias {
		if of == native && s.fields[name] {
			return true
		}
	}
	return false
}

func byTime(a, b *kept) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Number, b.Number))
}

// spill writes what is held to a file, in order.
func (s *story) spill() error {
	slices.SortFunc(s.hits, byTime)
	f, err := os.CreateTemp("", "holdfast-scan-*")
	if err != nil {
		return err
	}
	os.Remove(f.Name()) // it goes with the last who holds it
	w := bufio.NewWriterSize(f, 256<<10)
	enc := json.NewEncoder(w)
	for _, k := range s.hits {
		if err := enc.Encode(k); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	s.runs = append(s.runs, f)
	s.hits, s.size = nil, 0
	return nil
}

func (s *story) close() {
	for _, f := range s.runs {
		f.Close()
	}
}

// each gives every hit in the order of time.
func (s *story) each(ctx context.Context, f func(*kept)) error {
	slices.SortFunc(s.hits, byTime)
	held := s.hits
	next := []func() (*kept, error){func() (*kept, error) {
		if len(held) == 0 {
			return nil, io.EOF
		}
		k := held[0]
		held = held[1:]
		return k, nil
	}}
	for _, run := range s.runs {
		dec := json.NewDecoder(bufio.NewReaderSize(run, 64<<10))
		next = append(next, func() (*kept, error) {
			k := &kept{}
			return k, dec.Decode(k)
		})
	}
	heads := make([]*kept, len(next))
	advance := func(i int) error {
		k, err := next[i]()
		if errors.Is(err, io.EOF) {
			k, err = nil, nil
		}
		heads[i] = k
		return err
	}
	for i := range next {
		if err := advance(i); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		best := -1
		for i, k := range heads {
			if k != nil && (best < 0 || byTime(k, heads[best]) < 0) {
				best = i
			}
		}
		if best < 0 {
			return nil
		}
		f(heads[best])
		if err := advance(best); err != nil {
			return fmt.Errorf("what was kept for correlation cannot be read again: %w", err)
		}
	}
}

// id names an event by its file and number, so that an alert's events can be
// found again.
func (k *kept) id() holdfast.EventID {
	var id holdfast.EventID
	binary.BigEndian.PutUint64(id[:8], uint64(k.Path))
	binary.BigEndian.PutUint64(id[8:], k.Number)
	return id
}

// tell correlates what was kept and tells the alerts as matches.
func (s *scan) tell(ctx context.Context) error {
	st := s.story
	alerts := map[string]holdfast.Alert{}
	var order []string
	lost := uint64(0)
	take := func() {
		for _, a := range st.cor.Take() {
			if _, known := alerts[a.ID]; !known {
				if !slices.ContainsFunc(a.Stages, func(x holdfast.Stage) bool { return st.corrs[x.Rule] != nil }) {
					continue // of a detection by itself, which is told already
				}
				if len(alerts) >= storyAlerts {
					lost++
					continue
				}
				order = append(order, a.ID)
			}
			alerts[a.ID] = a
		}
	}
	seen := 0
	err := st.each(ctx, func(k *kept) {
		ds := s.datasets[k.Dataset]
		e := holdfast.Event{ID: k.id(), Time: k.Time, Received: k.Time, Asset: k.Host, Dataset: k.Dataset, Fields: k.Fields, Raw: []byte(k.Raw)}
		hits := make([]correlate.Hit, 0, len(k.Rules))
		for _, key := range k.Rules {
			hits = append(hits, correlate.Hit{Rule: st.rules[key]})
		}
		st.cor.Add(&e, ds, hits)
		if seen++; seen%1000 == 0 {
			take()
		}
	})
	take()
	if err != nil {
		return err
	}
	for _, id := range order {
		a := alerts[id]
		for _, stage := range a.Stages {
			if c := st.corrs[stage.Rule]; c != nil && s.o.wants(&c.Meta) {
				s.found(st.match(&a, &stage, c))
			}
		}
	}
	s.sum.Correlated, s.sum.Dropped, s.sum.Cost = st.count, st.dropped, st.cor.Stats()
	if st.dropped > 0 {
		s.left("correlation", "%d hits beyond the first %d were not correlated: scan a shorter time (--since, --until) or fewer files", st.dropped, st.count)
	}
	if lost > 0 {
		s.left("correlation", "%d alerts beyond the first %d are not told", lost, storyAlerts)
	}
	if over := s.sum.Cost.Overflowed + s.sum.Cost.Evicted; over > 0 {
		s.left("correlation", "windows were full: %d events and %d groups were dropped from them", s.sum.Cost.Overflowed, s.sum.Cost.Evicted)
	}
	return nil
}

func (s *story) match(a *holdfast.Alert, stage *holdfast.Stage, c *sigma.Correlation) *Match {
	m := &Match{
		Time: stage.Time, Level: c.Level, Rule: idOf(&c.Meta), Title: c.Title, Attack: correlate.Attack(c.Tags), Host: a.Asset, Kind: Correlation,
		Why: stage.Why, Group: a.Group, Count: a.Count, First: a.First, Last: a.Last, Meta: &c.Meta,
	}
	for _, x := range a.Matches {
		path, number := binary.BigEndian.Uint64(x.Event[:8]), binary.BigEndian.Uint64(x.Event[8:])
		if path >= uint64(len(s.paths)) {
			continue
		}
		made := Made{x.Time, s.paths[path], number, x.Rule, x.Message}
		m.Events = append(m.Events, made)
		if m.File == "" || x.Time.Equal(stage.Time) {
			m.File, m.Record, m.Dataset = made.File, made.Record, x.Dataset
		}
	}
	return m
}
