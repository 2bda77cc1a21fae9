package bus

import (
	"sync"

	"holdfast"
	"holdfast/internal/zstd"
)

// maxMemory is the largest memory that is kept to be used again.
const maxMemory = 8 << 20

// memory is what a block is written into on its way to the bus.
type memory struct{ plain, packed []byte }

func (m *memory) pack(block *holdfast.Block, enc *zstd.Packer) (err error) {
	if m.plain, err = block.AppendBinary(m.plain[:0]); err != nil {
		return err
	}
	m.packed = enc.Append(m.packed[:0], m.plain)
	return nil
}

// memories are used again, so that not every block takes megabytes anew.
type memories struct{ *sync.Pool }

func newMemories() memories { return memories{&sync.Pool{New: func() any { return &memory{} }}} }

func (m memories) give(mem *memory) {
	if cap(mem.plain)+cap(mem.packed) <= maxMemory {
		m.Put(mem)
	}
}
