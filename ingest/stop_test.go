package ingest_test

import (
	"context"
	"fmt"
	"testing"

	"holdfast"
)

// ending returns a context that ends while the next block is being published.
func (b *bus) ending(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = func() (error, bool) {
		cancel()
		return nil, true
	}
	return ctx
}

// TestToldRightlyAtTheEnd ends callers' contexts while what they gave is on its way to
// the disk, as a server does that is told to stop: they hear that it was taken, and do
// not send it again.
func TestToldRightlyAtTheEnd(t *testing.T) {
	b := &bus{}
	in, _ := open(t, b)
	const times = 20
	for i := range times {
		r := record("at 2026-11-23T02:00:00Z alice")
		r.Position = fmt.Sprint(i)
		if err := in.Put(b.ending(t), []holdfast.Record{r}); err != nil {
			t.Fatalf("%d: %v, and it was taken", i, err)
		}
		r.Position = fmt.Sprint("batch ", i)
		if got, err := in.PutBatch(b.ending(t), r.Position, []holdfast.Record{r}); err != nil || got.Events != 1 {
			t.Fatalf("%d: %+v %v, and it was taken", i, got, err)
		}
	}
	if _, events := b.ledger(); len(events) != 2*times {
		t.Errorf("%d events", len(events))
	}
}
