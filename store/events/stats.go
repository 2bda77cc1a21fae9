package events

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast"
)

// Stats counts what is kept.
type Stats struct {
	Segments int            `json:"segments"`
	Events   uint64         `json:"events"`
	Bytes    uint64         `json:"bytes"`
	Raw      uint64         `json:"raw"`     // bytes of the records as they came
	Written  uint64         `json:"written"` // bytes ever written for all that came
	Oldest   time.Time      `json:"oldest,omitzero"`
	Newest   time.Time      `json:"newest,omitzero"`
	Dropped  uint64         `json:"dropped"` // events that retention took away
	Datasets []DatasetStats `json:"datasets"`
}

// DatasetStats is what is kept of one dataset. Bytes are its share of the
// segments by the length of its records.
type DatasetStats struct {
	Dataset string    `json:"dataset"`
	Events  uint64    `json:"events"`
	Bytes   uint64    `json:"bytes"`
	Raw     uint64    `json:"raw"`
	Oldest  time.Time `json:"oldest"` // the hour in which it was received
	Newest  time.Time `json:"newest"` // when at the latest the newest was received
}

// Stats counts the manifest.
func (s *Store) Stats(ctx context.Context) (st Stats, err error) {
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return st, fmt.Errorf("events: %w", err)
	}
	by := map[string]*DatasetStats{}
	for i := range segs {
		st.add(&segs[i], by)
	}
	st.Datasets = []DatasetStats{}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		st.Datasets = append(st.Datasets, *by[name])
	}
	return st, nil
}

// AllStats adds to Stats what is no more.
func (s *Store) AllStats(ctx context.Context) (Stats, error) {
	st, err := s.Stats(ctx)
	if err != nil {
		return st, err
	}
	m, err := s.manifest.Manifest(ctx)
	if err != nil {
		return st, fmt.Errorf("events: %w", err)
	}
	for i := range m.Drops {
		st.Dropped += m.Drops[i].Events
		st.Written += m.Drops[i].Written
	}
	return st, nil
}

func (st *Stats) add(g *holdfast.Segment, by map[string]*DatasetStats) {
	st.Segments++
	st.Events += g.Events
	st.Bytes += g.Bytes
	st.Written += cmp.Or(g.Written, g.Bytes)
	if st.Oldest.IsZero() || g.Oldest.Before(st.Oldest) {
		st.Oldest = g.Oldest
	}
	if g.Newest.After(st.Newest) {
		st.Newest = g.Newest
	}
	all := weight(g.Parts)
	for i := range g.Parts {
		p := &g.Parts[i]
		d := by[p.Dataset]
		if d == nil {
			d = &DatasetStats{Dataset: p.Dataset, Oldest: p.Hour}
			by[p.Dataset] = d
		}
		st.Raw += p.Raw
		d.Events, d.Raw, d.Bytes = d.Events+p.Events, d.Raw+p.Raw, d.Bytes+share(g, p, all)
		if p.Hour.Before(d.Oldest) {
			d.Oldest = p.Hour
		}
		newest := p.Hour.Add(time.Hour)
		if !g.Made.IsZero() && g.Made.Before(newest) { // what is in a segment came before it was made
			newest = g.Made
		}
		if newest.After(d.Newest) {
			d.Newest = newest
		}
	}
}

// perEvent stands for what an event takes besides its record.
const perEvent = 64

func weight(parts []holdfast.SegmentPart) (n uint64) {
	for i := range parts {
		n += parts[i].Raw + perEvent*parts[i].Events
	}
	return n
}

// share is what part of a segment's bytes a part of its events takes.
func share(g *holdfast.Segment, p *holdfast.SegmentPart, all uint64) uint64 {
	return uint64(float64(g.Bytes) * float64(p.Raw+perEvent*p.Events) / float64(max(all, 1)))
}
