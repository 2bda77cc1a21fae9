package events

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"holdfast"
)

// eachBatch is how many rows are in memory at a time.
const eachBatch = 1000

// Walk is how far Each has come.
type Walk struct {
	Segments, Total int    // read, of how many
	Events          uint64 // in the range and of the datasets
	// Gone are segments that were put together with others meanwhile, or cannot be
	// read; their events, or the rest of them, were not.
	Gone int
}

// Each calls f with every event of some datasets, of all if there are none,
// from a time on and before another, segment by segment, the oldest first, and
// step after each segment and now and then within one. Events of one segment
// are by and large in the order of dataset and time. It stops at the first error
// of f or of the context.
func (s *Store) Each(ctx context.Context, from, to time.Time, datasets []string, f func(*holdfast.Event) error, step func(Walk)) (Walk, error) {
	if s.far != nil {
		return s.eachFar(ctx, from, to, datasets, f, step)
	}
	segs, err := s.manifest.Segments(ctx, from, to)
	if err != nil {
		return Walk{}, fmt.Errorf("events: %w", err)
	}
	slices.SortFunc(segs, func(a, b holdfast.Segment) int { return a.Oldest.Compare(b.Oldest) })
	w := Walk{Total: len(segs)}
	w.Gone = len(segs) - len(s.readable(segs))
	lo, hi := from.UnixMicro(), to.UnixMicro()
	for _, g := range segs {
		if !holds(&g, datasets) || s.isBroken(&g) != "" {
			w.Segments++
			continue
		}
		err := s.eachRow(ctx, g, func(r *row) error {
			if r.Time < lo || r.Time >= hi || len(datasets) > 0 && !slices.Contains(datasets, r.Dataset) {
				return nil
			}
			e, err := r.event()
			if err != nil {
				return err
			}
			w.Events++
			return f(&e)
		}, func() { step(w) })
		var lost *unread
		switch {
		case errors.Is(err, fs.ErrNotExist):
			w.Gone++
		case errors.As(err, &lost) && s.sound(ctx, &g) != nil && ctx.Err() == nil:
			w.Gone++
		case err != nil:
			return w, err
		}
		w.Segments++
		step(w)
	}
	return w, nil
}

// holds reports whether a segment may have events of some datasets.
func holds(g *holdfast.Segment, datasets []string) bool {
	return len(datasets) == 0 || g.Parts == nil ||
		slices.ContainsFunc(g.Parts, func(p holdfast.SegmentPart) bool { return slices.Contains(datasets, p.Dataset) })
}

func (s *Store) eachRow(ctx context.Context, g holdfast.Segment, f func(*row) error, step func()) error {
	src, err := openSource(s.dir, g, eachBatch)
	if err != nil {
		return err
	}
	defer src.close()
	n := 0
	for r := src.next(); r != nil; r = src.next() {
		if n++; n%eachBatch == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if n%(20*eachBatch) == 0 {
				step()
			}
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return src.failed()
}
