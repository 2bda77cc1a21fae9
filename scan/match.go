package scan

import (
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/ingest/parser"
)

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
	if !s.o.Since.IsZero() && got.Time.Before(s.o.Since) || !s.o.Until.IsZero() && !got.Time.Before(s.o.Until) {
		return
	}
	ds := s.datasets[got.Dataset]
	e := holdfast.Event{Time: got.Time, Dataset: got.Dataset, Fields: got.Fields, Raw: raw}
	if s.o.Each != nil {
		s.mu.Lock()
		s.o.Each(path, number, &e, ds)
		s.mu.Unlock()
	}
	if s.o.Engine == nil {
		return
	}
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
