package events

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"holdfast"
)

// TestReparsedSeveral holds that a dead letter that becomes several events does so
// once, also where the run was cut off between them and begun anew much later,
// and that the ledger is proven all along.
func TestReparsedSeveral(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	l := open(t, dir)
	w := l.writer(t)
	dead := event(1)
	dead.Dataset = holdfast.DeadLetter
	if err := errors.Join(w.Add(ctx, 1, &holdfast.Block{Counts: []holdfast.Count{{Source: "file", Hour: noon, Received: 1, DeadLettered: 1}}, Events: []holdfast.Event{dead}}), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	var list []holdfast.Event // the last one is the one that takes the dead letter's place
	for part := 3; part >= 0; part-- {
		e := event(part)
		e.Raw = []byte("the same")
		e.ID = holdfast.ReparsedID(dead.ID, e.Raw, part)
		e.Fields = append(e.Fields, holdfast.Field{Name: holdfast.ReparsedFrom, Text: dead.ID.String()})
		if part > 0 {
			e.Fields = append(e.Fields, holdfast.Field{Name: holdfast.ReparsedPart, Text: fmt.Sprint(part)})
		}
		if part == 2 {
			e.Dataset = holdfast.DeadLetter // this one is damaged still
		}
		list = append(list, e)
	}
	seq := uint64(1)
	put := func(events ...holdfast.Event) {
		t.Helper()
		seq++
		b := &holdfast.Block{ID: fmt.Sprint(holdfast.ReparseBlock, seq), Events: events}
		if err := errors.Join(w.Add(ctx, seq, b), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
		l.holds(t)
		// A writer that has forgotten everything knows what the manifest knows.
		w = l.writer(t)
		w.known = newRecent(remember)
	}
	done := func() bool {
		got, err := l.state.Reparsed(ctx, []holdfast.EventID{dead.ID})
		if err != nil {
			t.Fatal(err)
		}
		return len(got) > 0
	}
	put(list[:2]...)
	if done() {
		t.Error("the dead letter is done, and two of its events are not there")
	}
	put(list...)
	put(list...)
	if !done() {
		t.Error("the dead letter is not done")
	}
	rows, err := l.state.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := rows[0]
	if !r.Balanced() || r.Received != 4 || r.Stored != 3 || r.DeadLettered != 1 || r.Reparsed != 1 || r.Doubled != 6 {
		t.Errorf("%+v", r)
	}
	if n := l.count(t); n != 5 {
		t.Errorf("%d events, not the dead letter and the four it became", n)
	}
}
