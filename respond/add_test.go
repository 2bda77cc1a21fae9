package respond

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
)

func TestWhatAPersonFinds(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	found := func(raw string) Found {
		return Found{
			Event:    holdfast.Event{ID: holdfast.NewEventID("x", raw, nil, 0), Time: r.clock.Now().Add(-time.Hour), Dataset: "syslog", Asset: "ast-1", Raw: []byte(raw)},
			Entities: []holdfast.Entity{{Kind: holdfast.EntityUser, Value: "eve"}}, Because: "nobody knows this key",
		}
	}
	if err := r.Open(ctx, "ann", "inc-7", "A key from nowhere", holdfast.High, found("one")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := r.AddEvent(ctx, "bob", "inc-7", found(strings.Repeat("\xff<b>", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	in, err := r.book.Incident("inc-7")
	if err != nil {
		t.Fatal(err)
	}
	kinds := make([]string, 0, 5)
	for _, m := range in.Timeline {
		kinds = append(kinds, m.Kind)
		if len(m.Say) > 500 {
			t.Errorf("a moment of %d bytes", len(m.Say))
		}
	}
	if want := []string{"person", "event", "person", "event", "person"}; !slices.Equal(kinds, want) {
		t.Errorf("%v", kinds)
	}
	if in.Assignee != "ann" || in.Level != holdfast.High || in.Rank != 30 || !slices.Contains(in.Assets, "ast-1") || len(in.Entities) != 1 {
		t.Errorf("%+v", in)
	}
	recorded := 0
	for _, e := range r.book.evidence {
		if e.Did == "incident.event" && e.On == "inc-7" {
			recorded++
		}
	}
	if recorded != 2 {
		t.Errorf("%d entries in the evidence", recorded)
	}
	bad := found("two")
	bad.Because = " "
	if err := r.AddEvent(ctx, "bob", "inc-7", bad); !errors.Is(err, holdfast.ErrInvalid) {
		t.Error(err)
	}
	if err := r.AddEvent(ctx, "bob", "inc-8", found("two")); !errors.Is(err, holdfast.ErrNotFound) {
		t.Error(err)
	}
	if err := r.Open(ctx, "ann", "inc-9", "x", "odd", found("two")); !errors.Is(err, holdfast.ErrInvalid) {
		t.Error(err)
	}
}
