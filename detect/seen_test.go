package detect

import (
	"errors"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

// TestSentAgainCountsOnce holds that events that come again in another block, as
// they do where their sender did not hear that they were taken, change nothing:
// not the count of a window, nor one that has long ended, nor a plain rule's alert,
// nor what an exception has hidden; also after a restart.
func TestSentAgainCountsOnce(t *testing.T) {
	rules := fstest.MapFS{"own.yml": {Data: []byte(`title: Own
id: 6c0d7f2e-59e2-4d7a-9d0b-0d7f3a3c1a11
name: own
level: high
logsource: {product: linux}
detection:
  sel:
    action: logged_in
  condition: sel
---
title: Failed
name: failed
logsource: {product: linux}
detection:
  sel:
    action: login_failed
  condition: sel
---
title: Many failed
id: 6c0d7f2e-59e2-4d7a-9d0b-0d7f3a3c1a12
level: high
correlation:
  type: event_count
  rules: [failed]
  group-by: [src_ip]
  timespan: 1m
  condition: {gte: 3}
`)}}
	open := func() *Detector {
		d := New(Options{Datasets: datasets(), Clock: clock.NewFixed(begin)})
		if f := d.Load(Source{"own", rules}); len(f) > 0 {
			t.Fatal(f)
		}
		if f := d.SetExceptions([]holdfast.Exception{{ID: "exc-1", Rule: "own", Where: "user: hidden", Created: begin.Add(-time.Hour), Expires: begin.Add(24 * time.Hour)}}); len(f) > 0 {
			t.Fatal(f)
		}
		return d
	}
	d := open()
	first := failures(1, 3, 0, "192.0.2.7", "")
	first = append(first, line(9, time.Minute, "logged_in", "admin", "192.0.2.8", ""), line(10, time.Minute, "logged_in", "hidden", "192.0.2.8", ""))
	alerts := d.Process(1, &holdfast.Block{Events: first})
	if len(alerts) != 2 {
		t.Fatalf("%+v", alerts)
	}
	// Only hours later, so that every window has ended.
	d.Process(2, &holdfast.Block{Events: failures(100, 2, 3*time.Hour, "192.0.2.7", "")})
	hidden := fmt.Sprint(d.Hiding())
	again := func(d *Detector, seq uint64) {
		t.Helper()
		if got := d.Process(seq, &holdfast.Block{Events: first}); len(got) > 0 {
			t.Errorf("block %d: what was sent again raised or changed %+v", seq, got)
		}
		if now := fmt.Sprint(d.Hiding()); now != hidden {
			t.Errorf("block %d: %s were hidden, before %s", seq, now, hidden)
		}
	}
	again(d, 3)
	kept, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	d = open()
	if err := d.Restore(kept); err != nil {
		t.Fatal(err)
	}
	again(d, 4)
	if got := d.Process(5, &holdfast.Block{Events: failures(102, 1, 3*time.Hour+2*time.Second, "192.0.2.7", "")}); len(got) != 1 || got[0].Count != 3 {
		t.Errorf("a third failure beside the two: %+v", got)
	}
}

// TestSeenIsBounded holds that the oldest are forgotten, and only they, also
// where the memory went through a restart.
func TestSeenIsBounded(t *testing.T) {
	id := func(n int) holdfast.EventID { return holdfast.NewEventID("s", fmt.Sprint(n), nil, 0) }
	s := &seen{}
	const all = seenMost + 10
	for n := range all {
		if s.again(id(n)) {
			t.Fatal(n)
		}
	}
	if len(s.by) != seenMost || s.again(id(5)) || !s.again(id(20)) || !s.again(id(all-1)) {
		t.Errorf("%d are remembered", len(s.by))
	}
	kept, err := readSeen(s.write())
	if err != nil || len(kept.by) != seenKept {
		t.Fatal(len(kept.by), err)
	}
	if !kept.again(id(5)) || !kept.again(id(all-1)) || !kept.again(id(all-seenKept+1)) || kept.again(id(all-seenKept)) {
		t.Error("not the newest were kept")
	}
	for _, bad := range []string{"x", "AAAA", "!"} {
		if _, err := readSeen(bad); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
