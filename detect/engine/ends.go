package engine

import (
	"math/bits"
	"slices"
	"strings"
)

// ends finds literals at one end of a text by their up to eight outermost bytes,
// in a table with open addresses.
type ends struct {
	sizes uint16 // which numbers of bytes occur, a bit for each
	shift uint8
	// filter has a bit for each key that occurs; it is small enough to stay near
	// the processor, where the table is not.
	filter []uint64
	table  []bucket
	list   []literal
}

type bucket struct {
	key      uint64
	size     uint32
	from, to int32 // in list; none if to is 0
}

const (
	keySize = 8
	keyMul  = 0x9e3779b97f4a7c15
)

func (e *ends) slot(key uint64, size int) uint64 { return (key ^ uint64(size)) * keyMul >> e.shift }

// bit is the place of a key in the filter.
func (e *ends) bit(key uint64, size int) uint64 {
	return (key ^ uint64(size)<<8) * keyMul >> 32 & uint64(len(e.filter)*64-1)
}

// bucket returns the literals with a key.
func (e *ends) bucket(key uint64, size int) []literal {
	h := e.slot(key, size)
	if bit := e.bit(key, size); e.filter[bit>>6]>>(bit&63)&1 == 0 {
		return nil
	}
	for ; ; h = (h + 1) & uint64(len(e.table)-1) {
		b := &e.table[h]
		if b.to == 0 || b.key == key && b.size == uint32(size) {
			return e.list[b.from:b.to]
		}
	}
}

func newEnds(literals []literal, texts string, atEnd bool) ends {
	var e ends
	if len(literals) == 0 {
		return e
	}
	part := func(s string) string {
		n := min(len(s), keySize)
		if atEnd {
			return s[len(s)-n:]
		}
		return s[:n]
	}
	slices.SortStableFunc(literals, func(a, b literal) int { return strings.Compare(part(a.of(texts)), part(b.of(texts))) })
	e.list = literals
	size := bits.Len(uint(len(literals) * 2))
	e.shift, e.table = uint8(64-size), make([]bucket, 1<<size)
	e.filter = make([]uint64, max(1, (1<<size)*8/64))
	for i := 0; i < len(literals); {
		p := part(literals[i].of(texts))
		j := i + 1
		for j < len(literals) && part(literals[j].of(texts)) == p {
			j++
		}
		key := pack(p)
		e.sizes |= 1 << len(p)
		bit := e.bit(key, len(p))
		e.filter[bit>>6] |= 1 << (bit & 63)
		h := e.slot(key, len(p))
		for e.table[h].to != 0 {
			h = (h + 1) & uint64(len(e.table)-1)
		}
		e.table[h] = bucket{key, uint32(len(p)), int32(i), int32(j)}
		i = j
	}
	return e
}

// pack puts up to eight bytes into a number, the first lowest.
func pack(s string) uint64 {
	if len(s) >= 8 {
		return load8(s, 0)
	}
	var k uint64
	for i := len(s) - 1; i >= 0; i-- {
		k = k<<8 | uint64(s[i])
	}
	return k
}

func (f *fieldIndex) atEnd(text string, marked []uint64) (found bool) {
	last := pack(text[max(0, len(text)-8):])
	have := min(len(text), 8)
	for sizes := f.ends.sizes; sizes != 0; sizes &= sizes - 1 {
		n := bits.TrailingZeros16(sizes)
		if n > have {
			break
		}
		list := f.ends.bucket(last>>(8*(have-n)), n)
		for i := range list {
			if l := &list[i]; strings.HasSuffix(text, l.of(f.texts)) {
				if found = f.mark(l, marked); marked == nil {
					return true
				}
			}
		}
	}
	return found
}

func (f *fieldIndex) atStart(text string, marked []uint64) (found bool) {
	first := pack(text[:min(len(text), 8)])
	for sizes := f.starts.sizes; sizes != 0; sizes &= sizes - 1 {
		n := bits.TrailingZeros16(sizes)
		if n > len(text) {
			break
		}
		list := f.starts.bucket(first&(1<<(8*n)-1), n)
		for i := range list {
			if l := &list[i]; strings.HasPrefix(text, l.of(f.texts)) {
				if found = f.mark(l, marked); marked == nil {
					return true
				}
			}
		}
	}
	return found
}
