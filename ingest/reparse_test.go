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
	e, err := mended.Reparse(&dead[0])
	if err != nil || e.Dataset != "words" || e.Text("user") != "anna" || e.ID == dead[0].ID || e.Received != dead[0].Received {
		t.Fatalf("%+v %v", e, err)
	}
	if from, ok := e.Reparsed(); !ok || from != dead[0].ID {
		t.Errorf("%v %v", from, ok)
	}
	if again, err := mended.Reparse(&dead[0]); err != nil || again.ID != e.ID {
		t.Errorf("%v %v", again.ID, err)
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
