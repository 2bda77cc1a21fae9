package scan

import (
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/sigma"
	"holdfast/ingest/parser"
)

// event parses a record and matches its event, or the several that it holds.
func (w *worker) event(path string, number uint64, raw []byte, at time.Time) {
	s := w.s
	s.events.Add(1)
	got, err := w.parse(path, raw)
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
	for i := range got.Parts {
		part := &got.Parts[i]
		if i > 0 {
			s.events.Add(1)
		}
		if part.Err != nil {
			s.left(path, "event %d, its part %d: %v", number, i+1, part.Err)
			continue
		}
		w.parsed(path, number, part.Parsed, part.Raw, at)
	}
	if len(got.Parts) == 0 {
		w.parsed(path, number, got, raw, at)
	}
}

// parsed matches an event that was read.
func (w *worker) parsed(path string, number uint64, got parser.Parsed, raw []byte, at time.Time) {
	s := w.s
	if got.Time.IsZero() {
		got.Time = at
	}
	if !s.o.Since.IsZero() && got.Time.Before(s.o.Since) || !s.o.Until.IsZero() && !got.Time.Before(s.o.Until) {
		return
	}
	ds := s.datasets[got.Dataset]
	if ds == nil {
		s.left(path, "event %d: a parser names the dataset %q, which no parser describes", number, got.Dataset)
		return
	}
	e := &w.now
	*e = holdfast.Event{Time: got.Time, Dataset: got.Dataset, Fields: got.Fields, Raw: raw}
	if s.o.Each != nil {
		s.mu.Lock()
		s.o.Each(path, number, e, *ds)
		s.mu.Unlock()
	}
	if s.o.Engine == nil {
		return
	}
	hits := s.o.Engine.Match(e, *ds)
	if len(hits) == 0 {
		return
	}
	host := strings.Clone(got.Host) // the parser's memory is used again
	if s.story != nil {
		if err := s.story.add(path, number, host, e, ds, hits); err != nil {
			s.left(path, "event %d cannot be kept for correlation: %v", number, err)
		}
	}
	var fields holdfast.Raw // the same for all matches
	for _, hit := range hits {
		r := hit.Rule
		if !s.o.wants(&r.Meta) || s.story != nil && s.story.silent(r) {
			continue
		}
		if fields == nil {
			fields = e.AppendFieldsJSON(nil)
		}
		s.found(&Match{
			Time: got.Time, Level: r.Level, Rule: idOf(&r.Meta), Title: r.Title, Attack: correlate.Attack(r.Tags), File: path, Record: number,
			Host: host, Dataset: got.Dataset, Because: hit.Because, Event: fields, Kind: Detection, Meta: &r.Meta,
		})
	}
}

// found tells a match.
func (s *scan) found(m *Match) {
	s.matches.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.Found != nil {
		s.o.Found(m)
	}
}

func idOf(m *sigma.Meta) string {
	if m.ID != "" {
		return m.ID
	}
	return m.Key()
}

// wants reports whether the matches of a rule are told.
func (o *Options) wants(m *sigma.Meta) bool {
	return m.Level.Rank() >= o.MinLevel.Rank() && tagged(m.Tags, o.Tags) &&
		(len(o.Only) == 0 || slices.Contains(o.Only, m.ID) || slices.Contains(o.Only, m.Name) || slices.Contains(o.Only, m.Title))
}

func tagged(have, want []string) bool {
	return len(want) == 0 || slices.ContainsFunc(have, func(t string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(t, w) || strings.EqualFold(t, "attack."+w) })
	})
}

// parse asks the parsers, the most particular first. What it returns is valid
// until it is called again.
func (w *worker) parse(path string, raw []byte) (parser.Parsed, error) {
	if w.path != path {
		w.path, w.hint = path, parser.Hint{Received: time.Now(), Source: "file:" + path, Into: &w.memory}
	}
	parsers := w.s.o.Parsers
	for i := range parsers {
		got, err := parsers[i].Parse(raw, w.hint)
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
