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

// literal is a text and where in the index's list the rules are that it is a
// witness of.
type literal struct {
	text     string
	from, to int32
}

// fieldIndex holds the witnesses of one field, all folded.
type fieldIndex struct {
	rules []int32 // of all literals, one after the other

	whole   map[string]literal
	lengths uint64 // of the texts in whole: bit n, or 63 for all that are longer
	starts  ends
	ends    ends
	inside  substrings // of ASCII alone
	wide    substrings // the others; a text of ASCII has none of them
}

// find marks the rules for which a folded text is a witness, and reports whether
// there are any. Without marked it stops at the first. Plain says that all of
// the text is ASCII.
func (f *fieldIndex) find(text string, plain bool, marked []uint64) bool {
	found := false
	if f.lengths>>min(len(text), 63)&1 != 0 {
		if l, ok := f.whole[text]; ok {
			if found = f.mark(&l, marked); marked == nil {
				return true
			}
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

func newEnds(literals []literal, atEnd bool) ends {
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
	slices.SortStableFunc(literals, func(a, b literal) int { return strings.Compare(part(a.text), part(b.text)) })
	e.list = literals
	size := bits.Len(uint(len(literals) * 2))
	e.shift, e.table = uint8(64-size), make([]bucket, 1<<size)
	e.filter = make([]uint64, max(1, (1<<size)*8/64))
	for i := 0; i < len(literals); {
		p := part(literals[i].text)
		j := i + 1
		for j < len(literals) && part(literals[j].text) == p {
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

// load8 reads eight bytes at i, which must be there.
func load8(s string, i int) uint64 {
	b := unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read only
	return binary.LittleEndian.Uint64(b[i : i+8])
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
			if l := &list[i]; strings.HasSuffix(text, l.text) {
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
			if l := &list[i]; strings.HasPrefix(text, l.text) {
				if found = f.mark(l, marked); marked == nil {
					return true
				}
			}
		}
	}
	return found
}

// substrings finds many literals anywhere in a text.
type substrings struct {
	few   []literal // looked for one by one
	brief *briefs   // shorter than a run
	runs  runs
}

// fewest is up to how many literals that would make the runs of all others short
// are looked for one by one.
const fewest = 1

func newSubstrings(literals []literal) substrings {
	var s substrings
	if len(literals) == 0 {
		return s
	}
	// Short literals make the runs of a whole field short and close.
	slices.SortStableFunc(literals, func(a, b literal) int { return len(a.text) - len(b.text) })
	short := func(n int) int {
		i, _ := slices.BinarySearchFunc(literals, n, func(l literal, n int) int { return len(l.text) - n })
		return i
	}
	n := short(runSize)
	if n > 16 {
		s.brief = newBriefs(literals[:n])
	} else {
		s.few = literals[:n]
	}
	for _, size := range []int{15, 11, 7} {
		if k := short(size); k-n <= fewest && k < len(literals) && s.brief == nil {
			s.few, n = literals[:k], k
			break
		}
	}
	s.runs = newRuns(literals[n:])
	return s
}

func (f *fieldIndex) within(s *substrings, text string, marked []uint64) (found bool) {
	for i := range s.few {
		if l := &s.few[i]; strings.Contains(text, l.text) {
			if found = f.mark(l, marked); marked == nil {
				return true
			}
		}
	}
	if s.brief != nil && f.hasBrief(s.brief, text, marked) {
		if found = true; marked == nil {
			return true
		}
	}
	if len(s.runs.list) > 0 && f.hasRun(&s.runs, text, marked) {
		found = true
	}
	return found
}

// runs finds literals by a run of four or eight bytes of each. The text is
// looked at every stride bytes; so that none is missed, as many runs of each
// literal are kept, one byte apart.
type runs struct {
	size   int // of a run
	stride int
	filter []uint64 // a bit for each hash that occurs
	shift  uint8
	fewer  uint8 // bits of a hash that slots leaves out
	// slots has, by hash, the first run plus one, and above tagShift eight bits of
	// its key, or all ones if there are several.
	slots []uint32
	list  []piece
	texts []literal
}

// piece is one run of a literal.
type piece struct {
	key     uint64
	at      int32 // where in the literal it stands
	next    int32 // of the same hash, plus one
	literal int32
}

const (
	tagShift = 24
	anyTag   = 0xff
)

// tagOf is some bits of a key that its place in the table does not show.
func tagOf(key uint64) uint32 { return uint32((key*keyMul>>20)&0xff) % anyTag }

const (
	runSize = 4
	// blanks makes capital letters small, and some other characters alike, so
	// that texts need not be folded to be looked through.
	blanks = 0x2020202020202020
	low32  = 1<<32 - 1
)

func newRuns(literals []literal) runs {
	if len(literals) == 0 {
		return runs{}
	}
	r := runs{size: 4, stride: 1, texts: literals}
	switch shortest := len(literals[0].text); { // they are sorted
	case shortest >= 15:
		r.size, r.stride = 8, 8
	case shortest >= 11:
		r.size, r.stride = 8, 4
	case shortest >= 7 && len(literals) <= 64:
		r.stride = shortest - r.size + 1
	case shortest >= 7:
		r.stride = 4
	case shortest >= 5:
		r.stride = 2
	}
	size := min(max(9, bits.Len(uint(len(literals)*r.stride*16))), 20)
	r.shift = uint8(64 - size)
	r.fewer = uint8(min(3, size-6))
	r.filter, r.slots = make([]uint64, (1<<size)/64), make([]uint32, 1<<(size-int(r.fewer)))
	seen := make([]uint16, 1<<16)
	at := func(s string, i int) uint64 {
		if r.size == 8 {
			return load8(s, i) | blanks
		}
		return uint64(load4(s, i) | blanks&(1<<32-1))
	}
	for _, l := range literals {
		for i := range len(l.text) - r.size + 1 {
			if n := &seen[at(l.text, i)*keyMul>>48]; *n < 1<<15 {
				*n++
			}
		}
	}
	r.list = make([]piece, 0, len(literals)*r.stride)
	for k, l := range literals {
		// The runs that fewest literals have, and that are least like common text.
		best, least := 0, 1<<30
		weights := make([]int, len(l.text)-r.size+1)
		for i := range weights {
			weights[i] = int(seen[at(l.text, i)*keyMul>>48]) + commonness(l.text[i:i+r.size])
		}
		for i := range len(weights) - r.stride + 1 {
			n := 0
			for _, w := range weights[i : i+r.stride] {
				n += w
			}
			if n < least {
				best, least = i, n
			}
		}
		for i := best; i < best+r.stride; i++ {
			key := at(l.text, i)
			h := key * keyMul
			w, both := r.bits(h)
			r.filter[w] |= both
			h >>= r.shift + r.fewer
			next, tag := r.slots[h]&(1<<tagShift-1), tagOf(key)
			if next != 0 {
				tag = anyTag
			}
			r.list = append(r.list, piece{key, int32(i), int32(next), int32(k)})
			r.slots[h] = uint32(len(r.list)) | tag<<tagShift
		}
	}
	return r
}

func load4(s string, i int) uint32 {
	b := unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read only
	return binary.LittleEndian.Uint32(b[i : i+4])
}

// common are runs that texts of every kind have.
var common = []string{
	`windows\system32\`, `c:\windows\`, `c:\program files`, `c:\users\`, `\appdata\local\`, `\microsoft\windows\currentversion\`, `software\microsoft\`,
	`powershell.exe`, `cmd.exe`, `.exe`, `http`, `\syswow64\`, `\temp\`, `.dll`, `hklm\system\currentcontrolset\services\`, `imphash=`, `md5=`, `sha256=`, `sha1=`,
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
	for _, c := range common {
		if strings.Contains(c, s) {
			return n + 200
		}
	}
	return n
}

// hasRun marks the rules of every literal in a text.
func (f *fieldIndex) hasRun(r *runs, text string, marked []uint64) (found bool) {
	for i := 0; ; i += r.stride {
		var key, h uint64
		if i, key, h = r.next(text, i); i < 0 {
			return found
		}
		if f.verify(r, text, i, key, h, marked) {
			if found = true; marked == nil {
				return true
			}
		}
	}
}

// shortest is the length of the shortest literal.
func (r *runs) shortest() int { return len(r.texts[0].text) }

// bits returns the word of the filter and the two bits in it that a run's hash
// has: two, so that few runs pass by chance, in one word, so that only one is
// looked at.
func (r *runs) bits(h uint64) (word, both uint64) {
	return h >> (r.shift + 6), 1<<(h>>r.shift&63) | 1<<(h>>secondBit&63)
}

// secondBit is where in a hash the second bit's place stands: below what the
// largest filter uses.
const secondBit = 36

// next returns the first place at or after i, in steps of the stride, where a
// run may stand in a text, folded or not, with the run and its hash; or -1.
func (r *runs) next(text string, i int) (at int, key, h uint64) {
	b := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // read only, and no longer than the call
	filter, shift, stride := r.filter, r.shift&63, r.stride
	if r.size == 8 {
		for ; i+8 <= len(b); i += stride {
			key = binary.LittleEndian.Uint64(b[i:]) | blanks
			h = key * keyMul
			if x := filter[h>>shift>>6]; x>>(h>>shift&63)&(x>>(h>>secondBit&63))&1 != 0 {
				return i, key, h
			}
		}
		return -1, 0, 0
	}
	if stride == 1 {
		// Four places at a time, up to the four in which one is.
		for ; i+8 <= len(b); i += 4 {
			x := binary.LittleEndian.Uint64(b[i:]) | blanks
			h0, h1 := x&low32*keyMul, x>>8&low32*keyMul
			h2, h3 := x>>16&low32*keyMul, x>>24&low32*keyMul
			x0, x1 := filter[h0>>shift>>6], filter[h1>>shift>>6]
			x2, x3 := filter[h2>>shift>>6], filter[h3>>shift>>6]
			x0 = x0 >> (h0 >> shift & 63) & (x0 >> (h0 >> secondBit & 63))
			x1 = x1 >> (h1 >> shift & 63) & (x1 >> (h1 >> secondBit & 63))
			x2 = x2 >> (h2 >> shift & 63) & (x2 >> (h2 >> secondBit & 63))
			x3 = x3 >> (h3 >> shift & 63) & (x3 >> (h3 >> secondBit & 63))
			if (x0|x1|x2|x3)&1 != 0 {
				break
			}
		}
	}
	for ; i+4 <= len(b); i += stride {
		key = uint64(binary.LittleEndian.Uint32(b[i:]) | blanks&(1<<32-1))
		h = key * keyMul
		if x := filter[h>>shift>>6]; x>>(h>>shift&63)&(x>>(h>>secondBit&63))&1 != 0 {
			return i, key, h
		}
	}
	return -1, 0, 0
}

// none reports whether there are no literals.
func (s *substrings) none() bool { return len(s.few) == 0 && s.brief == nil && len(s.runs.list) == 0 }

// verify looks for the literals that have the run at i.
func (f *fieldIndex) verify(r *runs, text string, i int, key, h uint64, marked []uint64) (found bool) {
	slot := r.slots[h>>((r.shift+r.fewer)&63)]
	if tag := slot >> tagShift; tag != anyTag && tag != tagOf(key) {
		return false
	}
	for e := int32(slot & (1<<tagShift - 1)); e != 0; {
		x := &r.list[e-1]
		e = x.next
		if x.key != key {
			continue
		}
		l := &r.texts[x.literal]
		if start := i - int(x.at); start >= 0 && strings.HasPrefix(text[start:], l.text) {
			if found = f.mark(l, marked); marked == nil {
				return true
			}
		}
	}
	return found
}

// briefs finds literals of one to three bytes.
type briefs struct {
	first [256]bool // bytes that one starts with
	list  []literal
}

func newBriefs(literals []literal) *briefs {
	b := &briefs{list: literals}
	for _, l := range literals {
		b.first[l.text[0]] = true
	}
	return b
}

func (f *fieldIndex) hasBrief(b *briefs, text string, marked []uint64) (found bool) {
	var seen [256]bool
	some := false
	for i := range len(text) {
		if c := text[i]; b.first[c] {
			seen[c], some = true, true
		}
	}
	if !some {
		return false
	}
	for i := range b.list {
		if l := &b.list[i]; seen[l.text[0]] && strings.Contains(text, l.text) {
			if found = f.mark(l, marked); marked == nil {
				return true
			}
		}
	}
	return found
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
	out := map[int32]*fieldIndex{}
	for slot, places := range b.fields {
		f := &fieldIndex{}
		literals := func(p place) (plain, wide []literal) {
			for text, rules := range places[p] {
				from := int32(len(f.rules))
				f.rules = append(f.rules, rules...)
				l := literal{text, from, int32(len(f.rules))}
				if p == inside && !ascii(text) {
					wide = append(wide, l)
				} else {
					plain = append(plain, l)
				}
			}
			for _, list := range [][]literal{plain, wide} { // for what is built to be the same each time
				slices.SortFunc(list, func(a, b literal) int { return strings.Compare(a.text, b.text) })
			}
			return plain, wide
		}
		if list, _ := literals(whole); len(list) > 0 {
			f.whole = make(map[string]literal, len(list))
			for _, l := range list {
				f.whole[l.text] = l
				f.lengths |= 1 << min(len(l.text), 63)
			}
		}
		list, _ := literals(atStart)
		f.starts = newEnds(list, false)
		list, _ = literals(atEnd)
		f.ends = newEnds(list, true)
		plain, wide := literals(inside)
		f.inside, f.wide = newSubstrings(plain), newSubstrings(wide)
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
