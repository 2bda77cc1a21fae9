package events

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast"
)

const (
	compactEvery = 30 * time.Second
	compactFrom  = 24      // small segments of a day before they are put together
	small        = 8 << 20 // bytes
	mostRows     = 1_000_000
	doomedFor    = 2 * time.Minute // longer than the longest search
)

// Compact puts small segments together now and then, until ctx is done. It
// works beside the writer and never blocks it.
func (s *Store) Compact(ctx context.Context) {
	t := time.NewTicker(compactEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := s.CompactOnce(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("putting segments together", "error", err)
			}
			s.removeDoomed(s.clock.Now())
		}
	}
}

// CompactOnce puts the small segments of one day together, if there are enough,
// and returns how many.
func (s *Store) CompactOnce(ctx context.Context) (int, error) {
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return 0, fmt.Errorf("events: %w", err)
	}
	days := map[string][]holdfast.Segment{}
	for _, g := range segs {
		if g.Bytes < small {
			days[g.Day] = append(days[g.Day], g)
		}
	}
	for _, list := range days {
		if len(list) >= compactFrom {
			return s.merge(ctx, list)
		}
	}
	return 0, nil
}

func (s *Store) merge(ctx context.Context, list []holdfast.Segment) (int, error) {
	slices.SortFunc(list, func(a, b holdfast.Segment) int { return cmp.Compare(a.First, b.First) })
	var rows []row
	var old []string
	for _, g := range list {
		if len(rows) > 0 && uint64(len(rows))+g.Events > mostRows || ctx.Err() != nil {
			break
		}
		more, err := readSegment(s.dir, g)
		if err != nil {
			return 0, err
		}
		rows, old = append(rows, more...), append(old, g.ID)
	}
	if len(old) < 2 {
		return 0, ctx.Err()
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Dataset, b.Dataset), cmp.Compare(a.Time, b.Time))
	})
	first, last := list[0], list[len(old)-1]
	seg := holdfast.Segment{ID: fmt.Sprintf("%s-%016d-%016d-c", first.Day, first.First, last.Last) + s.mark, Day: first.Day, First: first.First, Last: last.Last, Made: s.clock.Now().UTC()}
	seg.Path = seg.Day + "/" + seg.ID + ".parquet"
	if slices.Contains(old, seg.ID) { // a compacted one, alone at both ends
		seg.ID += "c"
		seg.Path = seg.Day + "/" + seg.ID + ".parquet"
	}
	seg, err := writeSegment(s.dir, seg, rows)
	if err != nil {
		return 0, err
	}
	if err := s.manifest.ReplaceSegments(ctx, old, seg); err != nil {
		return 0, fmt.Errorf("events: %w", err)
	}
	s.mu.Lock()
	for _, g := range list[:len(old)] {
		s.doomed = append(s.doomed, doomed{filepath.Join(s.dir, filepath.FromSlash(g.Path)), s.clock.Now()})
	}
	s.mu.Unlock()
	return len(old), nil
}

func (s *Store) removeDoomed(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doomed = slices.DeleteFunc(s.doomed, func(d doomed) bool {
		if now.Sub(d.at) < doomedFor {
			return false
		}
		os.Remove(d.path)
		return true
	})
}
