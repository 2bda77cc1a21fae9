package events

import (
	"context"
	"fmt"
	"time"

	"holdfast"
)

const (
	// firstLooked is about how many events are looked at first for the newest.
	firstLooked = 100_000
	// atOnce is how many times as many are looked at together, as the rest is then
	// not worth a look of its own.
	atOnce = 2
)

// newest finds where the newest events of a search lie: it looks at the newest
// part of its range, and at the next only if that has too few. Each part is a span
// of time, so all that is found in one is newer than what is found in the next.
func (s *Store) newest(ctx context.Context, st Statement) (places []spot, tables []table, err error) {
	segs, err := s.manifest.Segments(ctx, st.From, st.To)
	if err != nil {
		return nil, nil, fmt.Errorf("events: %w", err)
	}
	segs = s.readable(segs)
	want, looked := st.Newest, uint64(0)
	for look := s.looked; ; {
		part := st
		from, last := since(segs, st, look)
		if !last {
			part.From = from
		}
		found, of, err := s.spots(ctx, part)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range found {
			p.table += len(tables)
			places = append(places, p)
		}
		tables = append(tables, of...)
		if last || len(places) >= want {
			return places[:min(len(places), want)], tables, nil
		}
		st.To = from
		looked += look
		if look = all; len(places) > 0 { // the others are about as frequent
			look = looked * uint64(want-len(places)) / uint64(len(places)) * 3 / 2
		}
	}
}

const all = 1 << 40

// since is when the newest of a statement's range began, so that there are about n
// events after it; last says that these are all, or nearly.
func since(segs []holdfast.Segment, st Statement, n uint64) (from time.Time, last bool) {
	var lo, hi int64
	for i := range segs {
		oldest, newest := segs[i].Oldest.UnixMicro(), segs[i].Newest.UnixMicro()+1
		if i == 0 || oldest < lo {
			lo = oldest
		}
		if i == 0 || newest > hi {
			hi = newest
		}
	}
	if !st.From.IsZero() {
		lo = max(lo, st.From.UnixMicro())
	}
	if !st.To.IsZero() {
		hi = min(hi, st.To.UnixMicro())
	}
	if lo >= hi || about(segs, lo, hi) <= float64(n)*atOnce {
		return time.Time{}, true
	}
	begin, end := lo, hi
	for end-begin > 1 {
		if mid := begin + (end-begin)/2; about(segs, mid, hi) > float64(n) {
			begin = mid
		} else {
			end = mid
		}
	}
	return time.UnixMicro(begin).UTC(), begin <= lo
}

// about is how many events of a span there are if those of a segment are spread
// evenly.
func about(segs []holdfast.Segment, from, to int64) (n float64) {
	for i := range segs {
		oldest, newest := segs[i].Oldest.UnixMicro(), segs[i].Newest.UnixMicro()+1
		if a, b := max(oldest, from), min(newest, to); a < b {
			n += float64(segs[i].Events) * float64(b-a) / float64(newest-oldest)
		}
	}
	return n
}
