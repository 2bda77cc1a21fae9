package engine

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unsafe"
)

// The index over the rules of one view: which of them an event's values make
// candidates. It never leaves out a rule that holds.

// literal is a text and the rules it is a witness of.
type literal struct {
	text  string
	rules []int32
}

// fieldIndex holds the witnesses of one field.
type fieldIndex struct {
	whole  map[string][]int32
	starts ends
	ends   ends
	inside *grams
}

// ends finds literals at one end of a text by their up to eight outermost bytes.
type ends struct {
	byKey map[uint64][]literal
	sizes uint16 // which key sizes occur, a bit for each
}

const keySize = 8

func (e *ends) add(key string, l literal) {
	if e.byKey == nil {
		e.byKey = map[uint64][]literal{}
	}
	k := keyOf(key)
	e.sizes |= 1 << len(key)
	list := e.byKey[k]
	for i := range list {
		if list[i].text == l.text {
			list[i].rules = append(list[i].rules, l.rules...)
			return
		}
	}
	e.byKey[k] = append(list, l)
}

// keyOf packs up to eight bytes; the length is part of the key.
func keyOf(s string) uint64 {
	var k uint64
	for i := range len(s) {
		k = k<<8 | uint64(s[i])
	}
	return k*0x9e3779b97f4a7c15 ^ uint64(len(s))
}

// grams finds many literals inside a text by one run of four bytes of each.
type grams struct {
	brief  *briefs  // literals shorter than a run
	filter []uint64 // a bit for each hash that occurs
	shift  uint32
	slots  []int32 // by hash: the first entry of the hash, plus one
	list   []gram
}

type gram struct {
	key  uint32
	at   int32 // where in the literal the run stands
	next int32 // of the same hash, plus one
	literal
}

const (
	gramSize = 4
	gramMul  = 0x9e3779b1
)

func newGrams(literals []literal) *grams {
	if len(literals) == 0 {
		return nil
	}
	var brief *briefs
	if i := slices.IndexFunc(literals, func(l literal) bool { return len(l.text) < gramSize }); i >= 0 {
		brief = newBriefs(literals)
		literals = slices.DeleteFunc(slices.Clone(literals), func(l literal) bool { return len(l.text) < gramSize })
	}
	size := max(10, bits.Len(uint(len(literals)*8)))
	g := &grams{brief: brief, shift: uint32(32 - size), filter: make([]uint64, (1<<size)/64), slots: make([]int32, 1<<size)}
	seen := map[uint32]int{}
	for _, l := range literals {
		for i := range len(l.text) - gramSize + 1 {
			seen[gramOf(l.text[i:])]++
		}
	}
	for _, l := range literals {
		// The run that fewest literals have, and that is least like common text.
		best, least := 0, 1<<30
		for i := range len(l.text) - gramSize + 1 {
			if n := seen[gramOf(l.text[i:])] + commonness(l.text[i:i+gramSize]); n < least {
				best, least = i, n
			}
		}
		key := gramOf(l.text[best:])
		h := key * gramMul >> g.shift
		g.filter[h>>6] |= 1 << (h & 63)
		g.list = append(g.list, gram{key: key, at: int32(best), next: g.slots[h], literal: l})
		g.slots[h] = int32(len(g.list))
	}
	return g
}

// commonness is higher for runs that texts of every kind have.
func commonness(s string) int {
	n := 0
	for i := range len(s) {
		switch s[i] {
		case 'e', 's', 'i', 't', 'o', 'n', 'r', 'a', '\\', '0':
			n += 4
		case ' ', '.', 'm', 'c', 'w', 'd', 'l':
			n += 2
		}
	}
	for _, f := range []string{"wind", "indo", "ndow", "dows", "syst", "yste", "stem", "tem3", "em32", "m32\\", ".exe", "prog", "user", "micr", "icro", "cros", "roso", "osof", "soft", "powe", "ower", "wers", "ersh", "rshe", "shel", "hell", "c:\\w", "s\\sy", "ws\\s", "http", "oftw", "ftwa", "ware"} {
		if s == f {
			n += 200
		}
	}
	return n
}

func gramOf(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// briefs finds literals of one to three bytes.
type briefs struct {
	first [256]bool // bytes that one starts with
	list  []literal
}

func newBriefs(literals []literal) *briefs {
	b := &briefs{}
	for _, l := range literals {
		if n := len(l.text); n > 0 && n < gramSize {
			b.first[l.text[0]] = true
			b.list = append(b.list, l)
		}
	}
	return b
}

func (b *briefs) scan(text string, mark func([]int32)) {
	var seen [256]bool
	some := false
	for i := range len(text) {
		if c := text[i]; b.first[c] {
			seen[c], some = true, true
		}
	}
	if !some {
		return
	}
	for i := range b.list {
		if l := &b.list[i]; seen[l.text[0]] && strings.Contains(text, l.text) {
			mark(l.rules)
		}
	}
}

// scan marks the rules of every literal in a text.
func (g *grams) scan(text string, mark func([]int32)) {
	if g.brief != nil {
		g.brief.scan(text, mark)
	}
	if len(text) < gramSize || len(g.list) == 0 {
		return
	}
	b := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // read only, and no longer than the call
	key := binary.LittleEndian.Uint32(b)
	for i := 0; ; i++ {
		h := key * gramMul >> g.shift
		if g.filter[h>>6]>>(h&63)&1 != 0 {
			for e := g.slots[h]; e != 0; {
				x := &g.list[e-1]
				e = x.next
				if x.key != key {
					continue
				}
				start := i - int(x.at)
				if start >= 0 && len(text)-start >= len(x.text) && text[start:start+len(x.text)] == x.text {
					mark(x.rules)
				}
			}
		}
		if i+gramSize >= len(b) {
			return
		}
		key = key>>8 | uint32(b[i+gramSize])<<24
	}
}

// candidates marks the rules for which a folded text is a witness.
func (f *fieldIndex) candidates(text string, mark func([]int32)) {
	if f.whole != nil {
		if rules := f.whole[text]; rules != nil {
			mark(rules)
		}
	}
	for sizes := f.ends.sizes; sizes != 0; sizes &= sizes - 1 {
		n := bits.TrailingZeros16(sizes)
		if n > len(text) {
			break
		}
		list := f.ends.byKey[keyOf(text[len(text)-n:])]
		for i := range list {
			if l := list[i].text; len(l) <= len(text) && text[len(text)-len(l):] == l {
				mark(list[i].rules)
			}
		}
	}
	for sizes := f.starts.sizes; sizes != 0; sizes &= sizes - 1 {
		n := bits.TrailingZeros16(sizes)
		if n > len(text) {
			break
		}
		list := f.starts.byKey[keyOf(text[:n])]
		for i := range list {
			if l := list[i].text; len(l) <= len(text) && text[:len(l)] == l {
				mark(list[i].rules)
			}
		}
	}
	if f.inside != nil {
		f.inside.scan(text, mark)
	}
}

// builder collects the witnesses of a view's rules.
type builder struct {
	fields map[int32]*fieldIndex
	inside map[int32]map[string][]int32
}

func (b *builder) add(rule int32, w witness) {
	f := b.fields[w.slot]
	if f == nil {
		f = &fieldIndex{}
		b.fields[w.slot] = f
	}
	switch w.place {
	case whole:
		if f.whole == nil {
			f.whole = map[string][]int32{}
		}
		f.whole[w.text] = once(f.whole[w.text], rule)
	case atEnd:
		f.ends.add(w.text[len(w.text)-min(len(w.text), keySize):], literal{w.text, []int32{rule}})
	case atStart:
		f.starts.add(w.text[:min(len(w.text), keySize)], literal{w.text, []int32{rule}})
	case inside:
		if b.inside[w.slot] == nil {
			b.inside[w.slot] = map[string][]int32{}
		}
		b.inside[w.slot][w.text] = once(b.inside[w.slot][w.text], rule)
	}
}

func once(list []int32, rule int32) []int32 {
	if len(list) > 0 && list[len(list)-1] == rule {
		return list
	}
	return append(list, rule)
}

func (b *builder) done() map[int32]*fieldIndex {
	for slot, texts := range b.inside {
		all := make([]literal, 0, len(texts))
		for text, rules := range texts {
			all = append(all, literal{text, rules})
		}
		slices.SortFunc(all, func(x, y literal) int {
			if x.text < y.text {
				return -1
			}
			return 1
		})
		b.fields[slot].inside = newGrams(all)
	}
	return b.fields
}
