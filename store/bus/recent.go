package bus

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
	"unsafe"

	"holdfast"
)

const (
	// maxRecent bounds the memory of the blocks that are kept for readers.
	maxRecent = 96 << 20
	// pace is how long a block waits for readers that lag by all that is kept. What
	// they have to unpack costs them more than they would lag by then.
	pace = 50 * time.Millisecond
	// stale is when a block is given up that not every reader came for: it may have
	// gone to the bus under another number, or not at all.
	stale = 30 * time.Second
)

// recent are blocks that were published here a moment ago, for the readers of
// this process, which then need not unpack what they are handed. A block is found
// by the bytes that stand on the bus, so a reader gets what it would have read.
// Where there is no room, those that are kept stay and the new one is not: a
// reader that lags comes to the oldest first, and makes room for as many as it can
// read. Readers share it: nobody changes a block that was published.
type recent struct {
	seed maphash.Seed

	mu      sync.Mutex
	gone    chan struct{} // closed when a block goes; nil if nobody waits for that
	readers int
	size    int
	blocks  map[uint64]*kept
	order   []uint64 // the oldest first
}

type kept struct {
	block *holdfast.Block
	size  int
	seen  int // readers that have had it
	since time.Time
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed(), blocks: map[uint64]*kept{}} }

// reading notes that a reader has begun, and returns what ends it.
func (r *recent) reading() (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readers++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.readers--
	}
}

// wait waits a moment where there is no room for a block of so many bytes, so that
// who sends is slowed to what readers can do, as long as they do anything.
func (r *recent) wait(ctx context.Context, size int) {
	t := time.NewTimer(pace)
	defer t.Stop()
	for {
		room := r.full(size)
		if room == nil {
			return
		}
		select {
		case <-room:
		case <-t.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// full returns what is closed when a block goes, if there is no room, or nil.
func (r *recent) full(size int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.readers == 0 || r.size == 0 || r.size+size <= maxRecent {
		return nil
	}
	if r.gone == nil {
		r.gone = make(chan struct{})
	}
	return r.gone
}

// sizeOf is about how much memory a block takes.
func sizeOf(b *holdfast.Block) int {
	n := len(b.Events) * int(unsafe.Sizeof(holdfast.Event{}))
	for i := range b.Events {
		e := &b.Events[i]
		n += 2*len(e.Raw) + len(e.Fields)*int(unsafe.Sizeof(holdfast.Field{}))
	}
	return n
}

// put keeps a block of so many bytes that is about to be published.
func (r *recent) put(packed []byte, block *holdfast.Block, size int) {
	key := maphash.Bytes(r.seed, packed)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.order) > 0 && now.Sub(r.blocks[r.order[0]].since) > stale {
		r.drop(r.order[0])
	}
	if r.readers == 0 || r.blocks[key] != nil || r.size+size > maxRecent {
		return
	}
	r.blocks[key] = &kept{block: block, size: size, since: now}
	r.order = append(r.order, key)
	r.size += size
}

// take returns the block whose bytes on the bus are packed, or nil. Once every
// reader has had it, it is forgotten.
func (r *recent) take(packed []byte) *holdfast.Block {
	key := maphash.Bytes(r.seed, packed)
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.blocks[key]
	if k == nil {
		return nil
	}
	if k.seen++; k.seen >= r.readers {
		r.drop(key)
	}
	return k.block
}

func (r *recent) drop(key uint64) {
	if k := r.blocks[key]; k != nil {
		r.size -= k.size
		delete(r.blocks, key)
		if r.gone != nil {
			close(r.gone)
			r.gone = nil
		}
	}
	for len(r.order) > 0 && r.blocks[r.order[0]] == nil {
		r.order = r.order[1:]
	}
}
