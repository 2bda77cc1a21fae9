package spine

import (
	"context"

	"holdfast"
)

// Bus is what the loop wants of the bus, beside the stage that publishes: blocks
// in order from where a reader stands, and a word when both readers are done with
// them. A block that was not released is given again, to whoever asks from before
// it. Package store/bus has the bus inside the process and the one on a cluster of
// NATS servers, and holds both to the same tests.
type Bus interface {
	Consume(ctx context.Context, after uint64, do func(seq uint64, b *holdfast.Block) error) error
	Release(ctx context.Context, upTo uint64) error
	Last(ctx context.Context) (seq, bytes uint64, err error)
	Room() error
	Reserve() uint64
}
