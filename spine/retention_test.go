package spine

import (
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/clock"
	"holdfast/store/state"
)

// TestLived has the clock set ahead and right again, and a server that was off: ages
// end by the clock, but it may not go faster than some hours between two looks.
func TestLived(t *testing.T) {
	ctx := t.Context()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := clock.NewFixed(noon)
	db, err := state.Open(ctx, filepath.Join(t.TempDir(), "state.db"), c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := &Spine{Options: Options{State: db, Clock: c}}
	for i, step := range []struct{ clock, want time.Duration }{
		{0, 0},
		{retainEvery, retainEvery},
		{2 * retainEvery, 2 * retainEvery},
		{73 * 365 * 24 * time.Hour, 2*retainEvery + livedEach},
		{73 * 365 * 24 * time.Hour, 2*retainEvery + 2*livedEach}, // ahead
		{5 * retainEvery, 5 * retainEvery},                       // and right again
		{-50 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour}, // behind, where nothing is old
		{6 * retainEvery, 6 * retainEvery},
		{24 * time.Hour, 6*retainEvery + livedEach},
		{24 * time.Hour, 6*retainEvery + 2*livedEach}, // off for a while
		{24 * time.Hour, 6*retainEvery + 3*livedEach},
		{24 * time.Hour, 24 * time.Hour},
	} {
		c.Advance(noon.Add(step.clock).Sub(c.Now()))
		at, _, err := s.lived(ctx)
		if err != nil || !at.Equal(noon.Add(step.want)) {
			t.Errorf("%d: ages end at %s, %v", i, at, err)
		}
		if err := s.live(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
