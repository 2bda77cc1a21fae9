package ingest

import (
	"errors"
	"fmt"
	"testing"

	"holdfast"
)

func waiting(n, events, bytes int) []*group {
	out := make([]*group, n)
	for i := range out {
		out[i] = &group{batch: batch{events: make([]holdfast.Event, events), bytes: bytes}}
	}
	return out
}

// TestFloodStarvesNobody holds that whoever comes while another floods is in
// one of the next two blocks, and that a flood is refused before others are.
func TestFloodStarvesNobody(t *testing.T) {
	q := newQueues()
	var full error
	n := 0
	for full == nil {
		if full = q.add("flood", waiting(1, 1000, 1<<20)); full == nil {
			n++
		}
	}
	if !errors.Is(full, holdfast.ErrFull) || q.bytes > maxWaitingOne+2<<20 {
		t.Errorf("%v with %d bytes", full, q.bytes)
	}
	for i := range 50 {
		if err := q.add(fmt.Sprint("small-", i), waiting(1, 1, 100)); err != nil {
			t.Fatal(err)
		}
	}
	events := 0
	for range 2 {
		for _, g := range q.take() {
			if len(g.events) == 1 {
				events++
			}
		}
	}
	if events != 50 {
		t.Errorf("%d of 50 were in the next two blocks", events)
	}
	for !q.empty() {
		if q.take() == nil {
			t.Fatal("something waits and is not taken")
		}
		n--
	}
	if n != 1 || q.bytes != 0 || len(q.by) != 0 {
		t.Errorf("%d groups, %d bytes, %d sources are left", n, q.bytes, len(q.by))
	}
}

// TestEverySourceHasRoom holds that many floods together leave room for one
// that sends little, and that there is an end to it.
func TestEverySourceHasRoom(t *testing.T) {
	q := newQueues()
	for i := range 10 {
		for range 32 {
			_ = q.add(fmt.Sprint("flood-", i), waiting(1, 1000, 1<<20))
		}
	}
	if q.bytes < maxWaiting {
		t.Fatal(q.bytes)
	}
	if err := q.add("small", waiting(1, 1, 100)); err != nil {
		t.Error(err)
	}
	for i := range 400 {
		_ = q.add(fmt.Sprint("many-", i), waiting(1, 1000, 1<<20))
	}
	if q.bytes > most+1<<20 {
		t.Errorf("%d bytes wait", q.bytes)
	}
}

// TestOrderOfASource holds that records of one source stay in order.
func TestOrderOfASource(t *testing.T) {
	q := newQueues()
	for i := range 30 {
		g := waiting(1, 400, 1)
		g[0].dead = i
		if err := q.add(fmt.Sprint(i%3), g); err != nil {
			t.Fatal(err)
		}
	}
	last := map[int]int{}
	for !q.empty() {
		for _, g := range q.take() {
			if before, ok := last[g.dead%3]; ok && before > g.dead {
				t.Errorf("%d after %d", g.dead, before)
			}
			last[g.dead%3] = g.dead
		}
	}
}
