package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"holdfast"
)

// filled is how many empty blocks are published at most to come behind a number.
const filled = 10_000

// goOn has numbers go on behind the newest block that a reader knows of. With the
// number of one that was read, a block would be passed over.
func (b *Bus) goOn(ctx context.Context, in *inner) error {
	info, err := in.stream.Info(ctx)
	newest := b.newest.Load()
	if err != nil || info.State.LastSeq >= newest {
		return err
	}
	b.opt.Log.Error("the bus ends before what was read of it: its folder was lost, damaged or is an older copy; what stood there and nobody had read is lost, and numbers go on behind what was read",
		"folder", b.opt.Dir, "last", info.State.LastSeq, "read", newest)
	missing := newest - info.State.LastSeq
	if info.State.Msgs == 0 || missing > filled {
		return in.stream.Purge(ctx, jetstream.WithPurgeSequence(newest+1))
	}
	// What is there may not be read yet, and only more blocks make numbers larger.
	var mem memory
	if err := mem.pack(&holdfast.Block{}, b.enc); err != nil {
		return err
	}
	for range missing {
		if _, err := in.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: mem.packed}); err != nil {
			return err
		}
	}
	return nil
}

// know takes note of a block that a reader may see.
func (b *Bus) know(seq uint64) {
	for {
		old := b.newest.Load()
		if seq <= old || b.newest.CompareAndSwap(old, seq) {
			return
		}
	}
}

// Span returns the numbers of the first and the last block that the bus has. Of an
// empty bus the first is the next one.
func (b *Bus) Span(ctx context.Context) (first, last uint64, err error) {
	info, err := b.current().stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("bus: %w", err)
	}
	first, last = info.State.FirstSeq, info.State.LastSeq
	if info.State.Msgs == 0 {
		first = last + 1
	}
	return first, last, nil
}
