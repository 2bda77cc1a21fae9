package intake

import (
	"context"
	"fmt"

	"holdfast"
)

const (
	maxPut      = 1000
	maxPutBytes = 8 << 20
)

// Batch gathers the records of one request, and puts them a part at a time.
type Batch struct {
	Visit *Visit
	// Done is told what became of the next n records, in the order in which they
	// were added. May be nil.
	Done func(n int, err error)

	records []holdfast.Record
	held    int
	added   int
	failed  error
}

// Add takes a record, and puts what was gathered once it is much. After a
// failure nothing is tried any more: Done hears the same error for the rest.
func (b *Batch) Add(ctx context.Context, r holdfast.Record) error {
	if b.added++; b.added > MaxRecords {
		return fmt.Errorf("more than %d records: %w", MaxRecords, holdfast.ErrTooLarge)
	}
	if b.records == nil {
		b.records = b.Visit.gate.memory()
	}
	b.records = append(b.records, r)
	b.held += len(r.Raw)
	if len(b.records) >= maxPut || b.held >= maxPutBytes {
		return b.Put(ctx)
	}
	return nil
}

// memory is room for the records of a batch.
func (g *Gate) memory() []holdfast.Record {
	if m, _ := g.batches.Get().(*[]holdfast.Record); m != nil {
		return *m
	}
	return nil
}

// again has the room for records used again. A sink keeps what is in them, not
// the slice.
func (g *Gate) again(records []holdfast.Record) {
	clear(records)
	records = records[:0]
	g.batches.Put(&records)
}

// Put puts what was gathered.
func (b *Batch) Put(ctx context.Context) error {
	n := len(b.records)
	if n == 0 {
		return b.failed
	}
	if b.failed == nil {
		b.failed = b.Visit.Put(ctx, b.records)
	} else if b.Visit.gate.Refused != nil {
		b.Visit.gate.Refused(b.records)
	}
	b.Visit.gate.again(b.records)
	b.records, b.held = nil, 0
	if b.Done != nil {
		b.Done(n, b.failed)
	}
	return b.failed
}
