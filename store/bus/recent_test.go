package bus

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

// TestReadersShareWhatIsNew has two readers follow while blocks come: both get
// the block that was published itself, and nothing is kept once both had it. A
// reader that comes later reads the same from disk.
func TestReadersShareWhatIsNew(t *testing.T) {
	b := open(t, t.TempDir(), 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan *holdfast.Block)
	for range 2 {
		go func() {
			_ = b.Consume(ctx, 0, func(_ uint64, blk *holdfast.Block) error { got <- blk; return nil })
		}()
	}
	if _, _, err := b.Publish(ctx, block("both are there", 1)); err != nil {
		t.Fatal(err)
	}
	<-got
	<-got
	for i := range 10 {
		mine := block(fmt.Sprint(i), 3)
		if _, _, err := b.Publish(ctx, mine); err != nil {
			t.Fatal(err)
		}
		if one, two := <-got, <-got; one != mine || two != mine {
			t.Errorf("block %d was read from disk", i)
		}
	}
	b.recent.mu.Lock()
	if len(b.recent.order) > 1 || b.recent.size > 1000 {
		t.Errorf("%d blocks of %d bytes are still kept", len(b.recent.order), b.recent.size)
	}
	b.recent.mu.Unlock()
	cancel()
	late := collect(t, b, 1, 10)
	for i := range 10 {
		if diff := cmp.Diff(block(fmt.Sprint(i), 3), late[uint64(i+2)]); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRecentIsBounded puts more than is kept, which no reader takes.
func TestRecentIsBounded(t *testing.T) {
	r := newRecent()
	defer r.reading()()
	for i := range 100 {
		r.put([]byte(fmt.Sprint(i)), block(fmt.Sprint(i), 1), maxRecent/10)
		if r.size > maxRecent || len(r.order) > 10 || len(r.blocks) != len(r.order) {
			t.Fatalf("%d bytes in %d blocks", r.size, len(r.order))
		}
	}
	if r.take([]byte("0")) != nil || r.take([]byte("99")) == nil {
		t.Error("not the oldest went")
	}
}
