package bus

import (
	"hash/maphash"
	"sync"
	"time"

	"holdfast"
)

const (
	// maxRecent bounds the unpacked size of the blocks that are kept for readers.
	maxRecent = 48 << 20
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
	}
	for len(r.order) > 0 && r.blocks[r.order[0]] == nil {
		r.order = r.order[1:]
	}
}
