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
	at, size uint32 // where in the index's texts it stands
	from, to int32
}

// of returns the text.
func (l *literal) of(texts string) string { return texts[l.at : l.at+l.size] }

// fieldIndex holds the witnesses of one field, all folded.
type fieldIndex struct {
	rules []int32 // of all literals, one after the other
	texts string  // those of all literals, of all fields

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
	if l := f.whole.get(text, f.texts); l != nil {
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

func (b *builder) done(mem *arena) map[int32]*fieldIndex {
	out, list := map[int32]*fieldIndex{}, make([]fieldIndex, len(b.fields))
	slots := slices.Sorted(maps.Keys(b.fields)) // for what is built to be the same each time
	var texts []byte
	var of [4][][]literal // by place and field
	for i, slot := range slots {
		f := &list[i]
		out[slot] = f
		for p, lits := range b.fields[slot] {
			var all []literal
			for _, text := range slices.Sorted(maps.Keys(lits)) {
				from := int32(len(f.rules))
				f.rules = append(f.rules, lits[text]...)
				all = append(all, literal{uint32(len(texts)), uint32(len(text)), from, int32(len(f.rules))})
				texts = append(texts, text...)
			}
			of[p] = append(of[p], all)
		}
		f.rules = slices.Clip(f.rules)
	}
	all := mem.text(string(texts))
	for i := range list {
		f := &list[i]
		f.texts = all
		f.whole = newWholes(of[whole][i], all)
		f.starts, f.ends = newEnds(of[atStart][i], all, false), newEnds(of[atEnd][i], all, true)
		var plain, wide []literal
		for _, l := range of[inside][i] {
			if ascii(l.of(all)) {
				plain = append(plain, l)
			} else {
				wide = append(wide, l)
			}
		}
		f.inside, f.wide = newSubstrings(plain, all), newSubstrings(wide, all)
		f.settle(mem)
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
