// Package turn has work that nobody looks at give way to what somebody waits for:
// while a search runs, what takes in, writes and puts together takes turns on a
// part of the processors, and each turn rests for half as long as it took. Without a
// search nobody waits. How long a piece of work is, is left to those who do it: about
// a millisecond.
package turn

import (
	"slices"
	"sync"
	"time"
)

// Work is a kind of work that takes turns. Where several kinds wait, each has its
// share of the time.
type Work int

// The kinds of work. More is written than taken in, as otherwise more would come in
// than is written.
const (
	Intake Work = iota // of what is not acknowledged yet
	Stored             // writing what is acknowledged
	Upkeep             // putting together and counting
)

// shares are those of the kinds of work. An event takes twice as long to be written
// as to be taken in.
var shares = [...]time.Duration{Intake: 2, Stored: 4, Upkeep: 1}

const (
	// longest is how long anybody waits. Then he has a turn more than there are: it
	// is for whoever waits for one that is held up by a disk, and where so little of
	// the processors is left that one turn after the other does not do.
	longest = 50 * time.Millisecond
	// mostRest is how long a turn rests at most. Half as long as it took is for what
	// is done without turns: packing for the bus, the kernel, and those who send.
	mostRest = 5 * time.Millisecond
	// saved is how much time a kind of work has ahead of the others at most, for not
	// having had any.
	saved = 20 * time.Millisecond
)

// Turns hands them out. It may be used from many goroutines; a nil one makes
// nobody wait.
type Turns struct {
	most int

	mu       sync.Mutex
	searches int
	taken    int
	waiting  [len(shares)][]*Turn
	used     [len(shares)]time.Duration // by its share
}

// Turn is one that somebody has; it is of one goroutine. A nil one is good for
// everything.
type Turn struct {
	of    *Turns
	work  Work
	has   bool
	since time.Time
	may   chan struct{} // has room for one
}

// New makes turns of which some can be had at the same time while a search runs.
func New(most int) *Turns { return &Turns{most: max(most, 1)} }

// Search says that somebody waits for the processors, until done is called.
func (t *Turns) Search() (done func()) {
	if t == nil {
		return func() {}
	}
	t.mu.Lock()
	t.searches++
	t.mu.Unlock()
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.searches--
		t.hand()
	})
}

// Begin returns when there is a turn, or nobody searches. End gives it back.
func (t *Turns) Begin(w Work) *Turn {
	if t == nil {
		return nil
	}
	x := &Turn{of: t, work: w}
	x.Again()
	return x
}

// Again is Begin after End.
func (x *Turn) Again() {
	if x == nil || x.has {
		return
	}
	x.of.mu.Lock()
	x.wait()
}

// Next lets others have a turn between two pieces of work, if it is theirs.
func (x *Turn) Next() {
	if x == nil || !x.has {
		return
	}
	x.of.mu.Lock()
	x.give()
	x.wait()
}

// End gives the turn back. It does nothing where there is none.
func (x *Turn) End() {
	if x == nil || !x.has {
		return
	}
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	x.give()
	x.of.hand()
}

// give gives the turn back, to nobody yet: while a search runs, it rests first.
func (x *Turn) give() {
	t := x.of
	x.has = false
	if t.searches == 0 {
		t.taken--
		return
	}
	took := time.Since(x.since)
	t.used[x.work] += took / shares[x.work]
	time.AfterFunc(min(took/2, mostRest), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.taken--
		t.hand()
	})
}

// wait returns when there is a turn. The lock is held before and not afterwards.
func (x *Turn) wait() {
	t := x.of
	defer func() { x.has, x.since = true, time.Now() }()
	if t.searches == 0 {
		t.taken++
		t.hand()
		t.mu.Unlock()
		return
	}
	if x.may == nil {
		x.may = make(chan struct{}, 1)
	}
	if len(t.waiting[x.work]) == 0 {
		t.used[x.work] = max(t.used[x.work], slices.Max(t.used[:])-saved)
	}
	t.waiting[x.work] = append(t.waiting[x.work], x)
	t.hand()
	t.mu.Unlock()
	select {
	case <-x.may:
		return
	default:
	}
	late := time.NewTimer(longest)
	defer late.Stop()
	select {
	case <-x.may:
	case <-late.C:
		t.mu.Lock()
		defer t.mu.Unlock()
		if i := slices.Index(t.waiting[x.work], x); i >= 0 {
			t.waiting[x.work] = slices.Delete(t.waiting[x.work], i, i+1)
			t.taken++
			return
		}
		<-x.may // it was handed meanwhile
	}
}

// hand gives the turns that there are to the kind of work that has had least of its
// share, and of these to who waits longest.
func (t *Turns) hand() {
	for t.searches == 0 || t.taken < t.most {
		least := -1
		for w := range t.waiting {
			if len(t.waiting[w]) > 0 && (least < 0 || t.used[w] < t.used[least]) {
				least = w
			}
		}
		if least < 0 {
			return
		}
		x := t.waiting[least][0]
		t.waiting[least] = t.waiting[least][1:]
		t.taken++
		x.may <- struct{}{}
	}
}
