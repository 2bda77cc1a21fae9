package events

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/store/state"
)

// beside opens a store on the folder of events of another lab, with a state of its
// own and a bus that has some blocks.
func (l *lab) beside(t testing.TB, db string, first, last uint64) *lab {
	t.Helper()
	ctx := context.Background()
	c := clock.NewFixed(noon)
	st, err := state.Open(ctx, filepath.Join(l.dir, db), c)
	if err != nil {
		t.Fatal(err)
	}
	span := func(context.Context) (uint64, uint64, error) { return first, last, nil }
	s, err := Open(ctx, Options{Dir: filepath.Join(l.dir, "events"), Manifest: st, Clock: c, Log: slog.New(slog.DiscardHandler), Bus: span})
	if err != nil {
		t.Fatal(err)
	}
	other := &lab{l.dir, st, s, c}
	t.Cleanup(other.close)
	return other
}

// segmentFiles are the segments that lie where they are searched, and those set aside.
func (l *lab) segmentFiles(t testing.TB) (here, aside int) {
	t.Helper()
	for _, x := range []struct {
		n    *int
		from string
	}{{&here, "events"}, {&aside, "events/" + asideDir}} {
		found, err := filepath.Glob(filepath.Join(l.dir, x.from, "2*", "*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		*x.n = len(found)
	}
	return here, aside
}

// TestOtherStateDestroysNothing starts a store whose state was begun anew: segments
// that it does not know are the only copy of their events.
func TestOtherStateDestroysNothing(t *testing.T) {
	ctx := context.Background()
	l, _ := ledgered(t, 3) // blocks 1 to 9
	before := l.count(t)
	l.close()

	fresh := l.beside(t, "fresh.db", 6, 9)
	if here, aside := l.segmentFiles(t); here != 0 || aside != 3 {
		t.Fatalf("%d segments stay, %d were set aside", here, aside)
	}
	w := fresh.writer(t)
	if err := errors.Join(w.Add(ctx, 10, block(500, 4)), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range fresh.verify(t, true).Problems {
		found[p.Kind] = true
	}
	if len(found) != 2 || !found["unknown"] || !found["gap"] {
		t.Errorf("verify found %v, not that segments are unknown and the blocks before the bus's first are missing", found)
	}
	fresh.close()

	// The state that knows them finds them again. What the other one has written
	// meanwhile is nowhere else.
	again := l.beside(t, "state.db", 11, 10)
	if here, aside := l.segmentFiles(t); here != 3 || aside != 1 {
		t.Errorf("%d segments are back, %d are aside", here, aside)
	}
	if n := again.count(t); n != before {
		t.Errorf("%d events, %d before", n, before)
	}
}

// TestOlderStateDestroysNothing starts a store with a state from before segments were
// put together: it knows files that are gone, and not the one that took their place.
func TestOlderStateDestroysNothing(t *testing.T) {
	ctx := context.Background()
	l, _ := ledgered(t, perStep)
	segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.store.CompactOnce(ctx); n != perStep || err != nil {
		t.Fatal(n, err)
	}
	one, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil || len(one) != 1 {
		t.Fatal(one, err)
	}
	for _, g := range segs {
		if err := os.Remove(l.store.path(g)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.state.ReplaceSegments(ctx, []string{one[0].ID}, segs[0]); err != nil {
		t.Fatal(err)
	}
	for _, g := range segs[1:] {
		if err := l.state.CommitSegment(ctx, holdfast.Commit{Segment: g, Position: 3 * perStep}); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	l.beside(t, "state.db", 3*perStep+1, 3*perStep)
	if here, aside := l.segmentFiles(t); here != 0 || aside != 1 {
		t.Errorf("%d segments stay, %d were set aside", here, aside)
	}
}

// TestLitterIsRemoved leaves what a crash leaves: a segment that was not committed and
// whose blocks are on the bus, one that others took the place of, and half a file.
func TestLitterIsRemoved(t *testing.T) {
	l, _ := ledgered(t, 2) // blocks 1 to 6, of which 5 and 6 have no events
	day := filepath.Join(l.dir, "events", "2026-03-01")
	for _, name := range []string{
		"2026-03-01-0000000000000005-0000000000000008.parquet", "2026-03-01-0000000000000001-0000000000000004-c.parquet",
		"2026-03-01-0000000000000009-0000000000000009.parquet.tmp", "2026-03-01-0000000000000001-0000000000000001.parquet.counts.tmp",
	} {
		if err := os.WriteFile(filepath.Join(day, name), []byte("PAR1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	again := l.beside(t, "state.db", 7, 8)
	if here, aside := l.segmentFiles(t); here != 2 || aside != 0 {
		t.Errorf("%d segments stay, %d were set aside", here, aside)
	}
	if v := again.holds(t); v.Litter != 0 {
		t.Errorf("%d files of litter", v.Litter)
	}
}
