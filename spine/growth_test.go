package spine

import (
	"fmt"
	"testing"

	"holdfast"
	"holdfast/store/state"
)

// TestGrowthWaits holds that alerts which have only grown lately are kept with the
// next that is urgent, or once they have waited, and that the place on the bus waits
// with them: what is not kept when the duty ends is counted by the next, once.
func TestGrowthWaits(t *testing.T) {
	ctx := t.Context()
	s := newStorm(t, opened(t, "sqlite"))
	d := newDetecting(s.Spine, state.Lease{})
	var last uint64
	failed := func(user string) {
		t.Helper()
		s.n++
		b := &holdfast.Block{ID: fmt.Sprint("b", s.n), Events: []holdfast.Event{s.event("login_failed", user, "2001:db8::1")}}
		var err error
		if last, _, err = s.bus.Publish(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := d.look(ctx, last, b); err != nil {
			t.Fatal(err)
		}
		if err := d.keepDue(ctx); err != nil {
			t.Fatal(err)
		}
	}
	wait := func() {
		t.Helper()
		if err := d.keepGrowth(ctx); err != nil {
			t.Fatal(err)
		}
		if err := d.keepDue(ctx); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(when string, upto uint64, counts ...int) {
		t.Helper()
		at, _, err := s.State.Position(ctx, alertsPosition)
		if err != nil {
			t.Fatal(err)
		}
		if at != upto || s.Detected() != upto {
			t.Errorf("%s: kept up to block %d, told to be up to %d, want %d", when, at, s.Detected(), upto)
		}
		list, err := s.State.Alerts().All(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]int{}
		for _, a := range list {
			of[a.Group[0].Value] = a.Count
		}
		for i, n := range counts {
			if user := fmt.Sprint("u", i); of[user] != n {
				t.Errorf("%s: the alert about %s counts %d, want %d", when, user, of[user], n)
			}
		}
	}
	failed("u0")
	first := last
	kept("a new alert", first, 1)
	failed("u0")
	failed("u0")
	kept("one that grows at once", first, 1)
	failed("u1")
	kept("another is new", last, 3, 1)
	second := last
	failed("u1")
	kept("that grows", second, 3, 1)
	wait()
	kept("it has waited", last, 3, 2)
	failed("u0")
	kept("one grows soon after", last-1, 3, 2)
	wait()
	wait()
	failed("u0")
	kept("one grows in calm", last, 5, 2)
	before := last
	failed("u0")
	failed("u1")
	kept("the duty ends", before, 5, 2)
	s.run(t)
	s.upto(t, last)
	kept("the next goes on", last, 6, 3)
}
