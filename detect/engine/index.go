package engine

import (
	"encoding/binary"
	"maps"
	"slices"
	"unsafe"
)

// The index over the rules of one view: which of them an event's values make
// candidates. It never leaves out a rule that holds.

// literal is a text and where in the index's list the rules are that it is a
// witness of.
type literal struct {
	text     string
	from, to int32
}

// fieldIndex holds the witnesses of one field, all folded.
type fieldIndex struct {
	rules []int32 // of all literals, one after the other

	whole  wholes
	starts ends
	ends   ends
	inside substrings // of ASCII alone
	wide   substrings // the others; a text of ASCII has none of them
}

// find marks the rules for which a folded text is a witness, and reports whether
// there are any. Without marked it stops at the first. Plain says that all of
// the text is ASCII.
func (f *fieldIndex) find(text string, plain bool, marked []uint64) bool {
	found := false
	if l := f.whole.get(text); l != nil {
		if found = f.mark(l, marked); marked == nil {
			return true
		}
	}
	if f.ends.sizes != 0 && f.atEnd(text, marked) {
		if found = true; marked == nil {
			return true
		}
	}
	if f.starts.sizes != 0 && f.atStart(text, marked) {
		if found = true; marked == nil {
			return true
		}
	}
	if f.within(&f.inside, text, marked) {
		if found = true; marked == nil {
			return true
		}
	}
	if !plain && f.within(&f.wide, text, marked) {
		found = true
	}
	return found
}

func (f *fieldIndex) mark(l *literal, marked []uint64) bool {
	if marked != nil {
		for _, r := range f.rules[l.from:l.to] {
			marked[r>>6] |= 1 << (r & 63)
		}
	}
	return true
}

// builder collects the witnesses of a view's rules.
type builder struct {
	fields map[int32]*[4]map[string][]int32 // by slot and place: the rules of each text
}

func newBuilder() builder { return builder{map[int32]*[4]map[string][]int32{}} }

func (b *builder) add(rule int32, w witness) {
	f := b.fields[w.slot]
	if f == nil {
		f = &[4]map[string][]int32{}
		b.fields[w.slot] = f
	}
	if f[w.place] == nil {
		f[w.place] = map[string][]int32{}
	}
	list := f[w.place][w.text]
	if len(list) == 0 || list[len(list)-1] != rule {
		f[w.place][w.text] = append(list, rule)
	}
}

func (b *builder) done() map[int32]*fieldIndex {
	out, list := map[int32]*fieldIndex{}, make([]fieldIndex, len(b.fields))
	var texts blob
	size := 0
	for _, places := range b.fields {
		for _, of := range places {
			for text := range of {
				size += len(text)
			}
		}
	}
	texts.Grow(size)
	for _, slot := range slices.Sorted(maps.Keys(b.fields)) {
		f := &list[len(out)]
		literals := func(p place) (plain, wide []literal) {
			for text, rules := range b.fields[slot][p] {
				from := int32(len(f.rules))
				f.rules = append(f.rules, rules...)
				l := literal{text, from, int32(len(f.rules))}
				if p == inside && !ascii(text) {
					wide = append(wide, l)
				} else {
					plain = append(plain, l)
				}
			}
			return sorted(plain), sorted(wide)
		}
		of, _ := literals(whole)
		texts.keep(of)
		f.whole = newWholes(of)
		of, _ = literals(atStart)
		texts.keep(of)
		f.starts = newEnds(of, false)
		of, _ = literals(atEnd)
		texts.keep(of)
		f.ends = newEnds(of, true)
		plain, wide := literals(inside)
		texts.keep(plain)
		texts.keep(wide)
		f.inside, f.wide = newSubstrings(plain), newSubstrings(wide)
		f.rules = slices.Clip(f.rules)
		out[slot] = f
	}
	return out
}

func ascii(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if load8(s, i)&0x8080808080808080 != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// load8 reads eight bytes at i, which must be there.
func load8(s string, i int) uint64 {
	b := unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read only
	return binary.LittleEndian.Uint64(b[i : i+8])
}

func load4(s string, i int) uint32 {
	b := unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read only
	return binary.LittleEndian.Uint32(b[i : i+4])
}
