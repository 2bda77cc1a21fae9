package engine

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"
)

// tiny finds up to sixteen literals of two and three bytes in one pass: each pair
// of bytes says of which it may be the first and of which the second one.
type tiny struct {
	first, second [tinyPairs]uint16 // by pair: a bit for each literal
	list          []literal
}

const (
	tinyPairs = 512
	// mostTiny is how many literals there may be.
	mostTiny = 16
	// fewTiny is up to how many are looked for one by one.
	fewTiny = 2
)

func tinyPair(pair uint16) uint16 { return pair * 0x9e37 >> 7 }

// newTiny takes out of literals, which are sorted by length, what it is for.
func newTiny(literals []literal, texts string) ([]literal, *tiny) {
	var rest []literal
	t := &tiny{}
	for _, l := range literals {
		if l.size != 2 && l.size != 3 || len(t.list) == mostTiny {
			rest = append(rest, l)
			continue
		}
		text, bit := l.of(texts), uint16(1)<<len(t.list)
		t.list = append(t.list, l)
		t.first[tinyPair(uint16(text[0])|uint16(text[1])<<8)] |= bit
		if l.size == 3 {
			t.second[tinyPair(uint16(text[1])|uint16(text[2])<<8)] |= bit
			continue
		}
		for i := range t.second {
			t.second[i] |= bit
		}
	}
	if len(t.list) <= fewTiny {
		return literals, nil
	}
	return rest, t
}

// may returns which literals a text may have, a bit for each.
func (t *tiny) may(text string) (may uint16) {
	if len(text) < 2 {
		return 0
	}
	b := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // read only
	i, last := 0, uint16(0)                               // those of which the pair before was the first
	for ; i+8 <= len(b); i += 7 {
		for x, n := binary.LittleEndian.Uint64(b[i:]), 0; n < 7; x, n = x>>8, n+1 {
			h := tinyPair(uint16(x))
			may |= last & t.second[h&(tinyPairs-1)]
			last = t.first[h&(tinyPairs-1)]
		}
	}
	for ; i+2 <= len(b); i++ {
		h := tinyPair(binary.LittleEndian.Uint16(b[i:]))
		may |= last & t.second[h&(tinyPairs-1)]
		last = t.first[h&(tinyPairs-1)]
	}
	return may | last // a pair at the end, or the first of three that are not there
}

func (f *fieldIndex) hasTiny(t *tiny, text string, marked []uint64) (found bool) {
	for may := t.may(text); may != 0; may &= may - 1 {
		l := &t.list[bits.TrailingZeros16(may)]
		if strings.Contains(text, l.of(f.texts)) {
			if found = f.mark(l, marked); marked == nil {
				return true
			}
		}
	}
	return found
}
