package bus

import (
	"context"
	"fmt"
	"testing"
	"time"

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

// TestRecentIsBounded puts more than is kept, which a reader that lags comes for
// from the oldest on: for each that it takes, another is kept. What nobody comes
// for goes in time.
func TestRecentIsBounded(t *testing.T) {
	r := newRecent()
	defer r.reading()()
	name := func(i int) []byte { return []byte(fmt.Sprint(i)) }
	for i := range 100 {
		r.put(name(i), block(fmt.Sprint(i), 1), maxRecent/10)
		if i > 10 && i%2 == 0 {
			r.take(name(i/2 - 6))
		}
		if r.size > maxRecent || len(r.blocks) > 10 {
			t.Fatalf("%d bytes in %d blocks", r.size, len(r.blocks))
		}
	}
	had := 0
	for i := 44; i < 100; i++ {
		if r.take(name(i)) != nil {
			had++
		}
	}
	if had != 10 || r.size != 0 || len(r.order) != 0 {
		t.Errorf("the reader found %d blocks, and %d bytes stay", had, r.size)
	}
	r.put(name(0), block("0", 1), maxRecent)
	r.put(name(1), block("1", 1), 1)
	if r.blocks[r.order[0]].since = time.Now().Add(-2 * stale); r.take(name(1)) != nil {
		t.Error("there was room beyond the bound")
	}
	if r.put(name(2), block("2", 1), 1); r.take(name(2)) == nil || r.take(name(0)) != nil {
		t.Error("what nobody came for is still kept")
	}
}

// TestSlowReaderPaces: where readers lag by all that is kept, a block waits for
// them, but for a moment only; where nobody reads, it does not.
func TestSlowReaderPaces(t *testing.T) {
	r := newRecent()
	r.wait(t.Context(), 2*maxRecent)
	if r.full(2*maxRecent) != nil {
		t.Error("it waits for nobody")
	}
	defer r.reading()()
	r.put([]byte("a"), block("a", 1), maxRecent)
	if r.full(1) == nil {
		t.Fatal("there is room beyond the bound")
	}
	r.wait(t.Context(), 1) // ends although nobody comes
	room := r.full(1)
	r.take([]byte("a"))
	select {
	case <-room:
	default:
		t.Error("a block went, and nobody was told")
	}
	if r.full(1) != nil {
		t.Error("there is no room where nothing is kept")
	}
}
