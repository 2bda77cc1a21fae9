package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/parser"
	"holdfast/internal/clock"
)

// TestReparse holds that a dead letter becomes one event once its parser is
// mended, under an id that is its own and always the same.
func TestReparse(t *testing.T) {
	ctx := context.Background()
	b := &bus{ids: map[string]uint64{}}
	in := ingest.New(ingest.Options{Bus: b, Clock: clock.NewFixed(now), Log: slog.New(slog.DiscardHandler)})
	records := []holdfast.Record{
		{Source: "s", Position: "1", Received: now, Raw: []byte("at 2026-11-23T02:09:00Z anna")},
		{Source: "s", Position: "2", Received: now, Raw: []byte("bad")},
		{Source: "s", Position: "3", Received: now, Raw: []byte("at 2026-11-23T02:09:00Z rest"), Part: 1},
	}
	if err := in.Put(ctx, records); err != nil {
		t.Fatal(err)
	}
	dead := b.blocks[0].Events
	mended := ingest.New(ingest.Options{Bus: b, Parsers: []parser.Parser{words()}, Clock: clock.NewFixed(now), Log: slog.New(slog.DiscardHandler)})
	list, err := mended.Reparse(&dead[0])
	if len(list) != 1 {
		t.Fatal(list, err)
	}
	e := list[0]
	if err != nil || e.Dataset != "words" || e.Text("user") != "anna" || e.ID == dead[0].ID || e.Received != dead[0].Received {
		t.Fatalf("%+v %v", e, err)
	}
	if from, further, ok := e.Reparsed(); !ok || further || from != dead[0].ID {
		t.Errorf("%v %v", from, ok)
	}
	if again, err := mended.Reparse(&dead[0]); err != nil || again[0].ID != e.ID {
		t.Errorf("%v %v", again, err)
	}
	if _, err := mended.Reparse(&dead[1]); err == nil || err.Error() != "it is bad" {
		t.Error(err)
	}
	if _, err := mended.Reparse(&dead[2]); err == nil || !strings.Contains(err.Error(), "piece") {
		t.Error(err)
	}
	seq, err := mended.PutReparsed(ctx, []holdfast.Event{e})
	if err != nil || seq != 2 || len(b.blocks[1].Counts) != 0 || !strings.HasPrefix(b.blocks[1].ID, holdfast.ReparseBlock) {
		t.Errorf("%d %v %+v", seq, err, b.blocks)
	}
	if _, err := mended.PutBatch(ctx, holdfast.ReparseBlock+"x", records); !errors.Is(err, holdfast.ErrInvalid) {
		t.Errorf("a batch takes the name of reparsed ones: %v", err)
	}
}

// TestReparseSeveral holds that a dead letter that holds several events becomes
// all of them, once, and that the last one is what ends it.
func TestReparseSeveral(t *testing.T) {
	b := &bus{}
	in := ingest.New(ingest.Options{Bus: b, Clock: clock.NewFixed(now), Log: slog.New(slog.DiscardHandler)})
	if err := in.Put(t.Context(), []holdfast.Record{record("many at 2026-11-23T02:09:00Z anna;bad;at 2026-11-23T02:09:00Z anna"), {Source: "s", Position: "2", Raw: []byte("many bad;bad")}}); err != nil {
		t.Fatal(err)
	}
	dead := b.blocks[0].Events
	mended, _ := open(t, &bus{})
	for range 2 {
		list, err := mended.Reparse(&dead[0])
		if err != nil || len(list) != 3 {
			t.Fatal(list, err)
		}
		seen := map[holdfast.EventID]bool{}
		for i := range list {
			from, further, ok := list[i].Reparsed()
			if !ok || further != (i < 2) || seen[list[i].ID] || seen[from] {
				t.Errorf("%d: %v %v %v", i, from, further, ok)
			}
			seen[list[i].ID], seen[from] = true, true
		}
		if list[2].Dataset != "words" || !seen[dead[0].ID] {
			t.Errorf("the last one is %+v", list[2])
		}
	}
	if list, err := mended.Reparse(&dead[1]); err == nil || list != nil {
		t.Errorf("none of its events can be read: %v %v", list, err)
	}
}
