package engine

import "math/bits"

// wholes finds literals that are a whole text, in a table with open addresses.
// It is a hash map that asks for less memory than Go's: a miss mostly looks at
// one number.
type wholes struct {
	lengths uint64 // of the texts: bit n, or 63 for all that are longer
	shift   uint8
	slots   []uint32 // which of list plus one, and above tagShift eight bits of the hash
	list    []literal
}

func newWholes(literals []literal, texts string) (w wholes) {
	if len(literals) == 0 {
		return w
	}
	size := bits.Len(uint(len(literals) * 2))
	w.shift, w.slots, w.list = uint8(64-size), make([]uint32, 1<<size), literals
	for i := range literals {
		text := literals[i].of(texts)
		w.lengths |= 1 << min(len(text), 63)
		h := wholeHash(text)
		at := h >> w.shift
		for w.slots[at] != 0 {
			at = (at + 1) & uint64(len(w.slots)-1)
		}
		w.slots[at] = uint32(i+1) | wholeTag(h)<<tagShift
	}
	return w
}

// get returns the literal that a text is; nil if it is none.
func (w *wholes) get(text, texts string) *literal {
	if w.lengths>>min(len(text), 63)&1 == 0 {
		return nil
	}
	h := wholeHash(text)
	for at := h >> (w.shift & 63); ; at = (at + 1) & uint64(len(w.slots)-1) {
		slot := w.slots[at]
		if slot == 0 {
			return nil
		}
		if slot>>tagShift == wholeTag(h) {
			if l := &w.list[slot&(1<<tagShift-1)-1]; l.of(texts) == text {
				return l
			}
		}
	}
}

// wholeHash takes both ends of a text and its middle.
func wholeHash(text string) uint64 {
	n := len(text)
	if n < 8 {
		return (pack(text) ^ uint64(n)<<56) * keyMul
	}
	middle := load8(text, n/2-4) * keyMul
	return (load8(text, 0) ^ bits.RotateLeft64(load8(text, n-8), 29) ^ middle>>17 ^ uint64(n)) * keyMul
}

func wholeTag(h uint64) uint32 { return uint32(h >> 12 & 0xff) }
