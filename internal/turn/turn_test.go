package turn

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNobodyWaits: without a search, and without turns at all.
func TestNobodyWaits(t *testing.T) {
	turns := New(1)
	one, two := turns.Begin(Intake), turns.Begin(Stored)
	one.Next()
	two.Next()
	one.End()
	one.End()
	two.End()
	if turns.taken != 0 {
		t.Errorf("%d turns are taken", turns.taken)
	}
	var none *Turns
	none.Search()()
	x := none.Begin(Upkeep)
	x.Next()
	x.End()
	x.Again()
}

// TestOneAtATime: while a search runs, no more work than there are turns, whoever
// holds them; when it is over, all.
func TestOneAtATime(t *testing.T) {
	turns := New(2)
	done := turns.Search()
	var at, most atomic.Int32
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			x := turns.Begin(Work(i % len(shares)))
			for range 50 {
				n := at.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				at.Add(-1)
				x.Next()
			}
			x.End()
		})
	}
	all.Wait()
	if n := most.Load(); n > 2 {
		t.Errorf("%d at the same time", n)
	}
	held := []*Turn{turns.Begin(Intake), turns.Begin(Intake)}
	go func() {
		for {
			turns.mu.Lock()
			n := len(turns.waiting[Stored])
			turns.mu.Unlock()
			if n == 1 {
				done()
				done()
				return
			}
		}
	}()
	start := time.Now()
	turns.Begin(Stored).End()
	if took := time.Since(start); took > longest {
		t.Errorf("it waits for %v after the search is over", took)
	}
	for _, x := range held {
		x.End()
	}
	rested(t, turns)
	if turns.searches != 0 {
		t.Errorf("%d searches run", turns.searches)
	}
}

// TestWaitEnds: who holds a turn for long stops nobody.
func TestWaitEnds(t *testing.T) {
	turns := New(1)
	defer turns.Search()()
	stuck := turns.Begin(Stored)
	for range 3 {
		turns.Begin(Intake).End()
	}
	stuck.End()
	rested(t, turns)
	if slices.ContainsFunc(turns.waiting[:], func(w []*Turn) bool { return len(w) > 0 }) {
		t.Errorf("%v wait", turns.waiting)
	}
}

// TestRests: a turn that was given back rests before the next one has it, if a search
// runs.
func TestRests(t *testing.T) {
	turns := New(1)
	x := turns.Begin(Intake)
	x.End()
	if turns.taken != 0 {
		t.Errorf("%d taken without a search", turns.taken)
	}
	defer turns.Search()()
	x.Again()
	x.since = time.Now().Add(-time.Hour)
	x.End()
	turns.mu.Lock()
	taken := turns.taken
	turns.mu.Unlock()
	if taken != 1 {
		t.Errorf("%d taken right after one that took an hour", taken)
	}
	rested(t, turns)
}

// rested waits until no turn is taken any more.
func rested(t *testing.T, turns *Turns) {
	t.Helper()
	for range 5000 {
		turns.mu.Lock()
		taken := turns.taken
		turns.mu.Unlock()
		if taken == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("turns are taken for good")
}

// TestShares: each kind of work goes on, and most of it is writing.
func TestShares(t *testing.T) {
	turns := New(1)
	defer turns.Search()()
	var had [len(shares)]atomic.Int64
	var over atomic.Bool
	var all sync.WaitGroup
	for w := range shares {
		for range 1 + 3*(2-w) { // however many wait
			all.Go(func() {
				x := turns.Begin(Work(w))
				for !over.Load() {
					start := time.Now()
					for time.Since(start) < 200*time.Microsecond {
					}
					had[w].Add(int64(time.Since(start)))
					x.Next()
				}
				x.End()
			})
		}
	}
	time.Sleep(500 * time.Millisecond)
	over.Store(true)
	all.Wait()
	in, stored, upkeep := had[Intake].Load(), had[Stored].Load(), had[Upkeep].Load()
	if all := in + stored + upkeep; min(in, upkeep) < all/50 || stored < all/3 {
		t.Errorf("intake %d, stored %d, upkeep %d", in, stored, upkeep)
	}
}
