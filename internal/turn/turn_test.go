package turn

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	synctest.Test(t, func(t *testing.T) {
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
					time.Sleep(time.Millisecond)
					at.Add(-1)
					x.Next()
				}
				x.End()
			})
		}
		all.Wait()
		if n := most.Load(); n != 2 {
			t.Errorf("%d at the same time", n)
		}
		held := []*Turn{turns.Begin(Intake), turns.Begin(Intake)}
		start := time.Now()
		all.Go(func() { turns.Begin(Stored).End() })
		synctest.Wait()
		if n := len(turns.waiting[Stored]); n != 1 {
			t.Errorf("%d wait for the two that are held", n)
		}
		done()
		done()
		all.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("it waits for %v after the search is over", took)
		}
		for _, x := range held {
			x.End()
		}
		time.Sleep(mostRest)
		synctest.Wait()
		if turns.searches != 0 || turns.taken != 0 {
			t.Errorf("%d searches run, %d turns are taken", turns.searches, turns.taken)
		}
	})
}

// TestWaitEnds: who holds a turn for long stops nobody.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1)
		defer turns.Search()()
		stuck := turns.Begin(Stored)
		for range 3 {
			start := time.Now()
			turns.Begin(Intake).End()
			if took := time.Since(start); took != longest {
				t.Errorf("it waits for %v", took)
			}
		}
		stuck.End()
		time.Sleep(mostRest)
		synctest.Wait()
		if turns.taken != 0 || slices.ContainsFunc(turns.waiting[:], func(w []*Turn) bool { return len(w) > 0 }) {
			t.Errorf("%d are taken, %v wait", turns.taken, turns.waiting)
		}
	})
}

// TestRests: a turn that was given back rests before the next one has it, if a search
// runs.
func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1)
		x := turns.Begin(Intake)
		time.Sleep(time.Millisecond)
		x.End()
		if turns.taken != 0 {
			t.Errorf("%d taken without a search", turns.taken)
		}
		defer turns.Search()()
		for took, rest := range map[time.Duration]time.Duration{time.Millisecond: time.Millisecond / 2, time.Hour: mostRest} {
			x.Again()
			time.Sleep(took)
			x.End()
			start := time.Now()
			x.Again()
			if rested := time.Since(start); rested != rest {
				t.Errorf("one that took %v rests for %v, not for %v", took, rested, rest)
			}
			x.End()
			time.Sleep(mostRest)
		}
	})
}

// TestShares: each kind of work has its share of the time, however many wait.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := New(1)
		defer turns.Search()()
		var had [len(shares)]atomic.Int64
		var over atomic.Bool
		var all sync.WaitGroup
		for w := range shares {
			for range 1 + 3*(2-w) {
				all.Go(func() {
					x := turns.Begin(Work(w))
					for !over.Load() {
						time.Sleep(200 * time.Microsecond)
						had[w].Add(1)
						x.Next()
					}
					x.End()
				})
			}
		}
		time.Sleep(time.Second)
		over.Store(true)
		all.Wait()
		var sum, of time.Duration
		for w := range shares {
			sum += time.Duration(had[w].Load())
			of += shares[w]
		}
		for w := range shares {
			got, want := float64(had[w].Load())/float64(sum), float64(shares[w])/float64(of)
			if got < 0.8*want || got > 1.2*want {
				t.Errorf("%d had %.3f of the time, not %.3f", w, got, want)
			}
		}
	})
}
