package engine

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"
)

// runs finds literals by a run of four or eight bytes of each. The text is
// looked at every stride bytes; so that none is missed, as many runs of each
// literal are kept, one byte apart.
type runs struct {
	size   int // of a run
	stride int
	// filter has a bit for each hash that occurs, and so many that few of them
	// are set.
	filter []uint64
	shift  uint8 // of a hash, for its place in slots
	// slots has, by hash, the first run plus one, and above tagShift eight bits of
	// its key, or all ones if there are several.
	slots []uint32
	list  []piece
	least int // the length of the shortest literal
}

// piece is one run of a literal.
type piece struct {
	key  uint64
	at   int32 // where in the literal it stands
	next int32 // of the same hash, plus one
	literal
}

const (
	tagShift = 24
	anyTag   = 0xff
)

// Which bit of which word of the filter is a hash's: by its highest bits, and by
// some lower ones that the bits for slots hardly reach.
const (
	bitShift  = 58
	wordShift = 32
	mostWords = 14 // of the filter, as a power of two
	nearRuns  = 10 // up to how many runs, as a power of two, have a filter twice as large
)

// tagOf is some bits of a key that its place in the table does not show.
func tagOf(key uint64) uint32 { return uint32((key*keyMul>>20)&0xff) % anyTag }

const (
	runSize = 4
	// blanks makes capital letters small, and some other characters alike, so
	// that texts need not be folded to be looked through.
	blanks  = 0x2020202020202020
	blanks4 = 0x20202020
)

func newRuns(literals []literal, texts string) runs {
	if len(literals) == 0 {
		return runs{}
	}
	r := runs{size: 4, stride: 1, least: int(literals[0].size)}
	switch shortest := r.least; { // they are sorted
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
	size := bits.Len(uint(len(literals) * r.stride))
	if size <= nearRuns {
		size++
	}
	r.filter = make([]uint64, 1<<min(size-1, mostWords))
	size = min(max(6, size+1), 17)
	r.shift, r.slots = uint8(64-size), make([]uint32, 1<<size)
	seen := make([]uint16, 1<<16)
	at := func(s string, i int) uint64 {
		if r.size == 8 {
			return load8(s, i) | blanks
		}
		return uint64(load4(s, i) | blanks4)
	}
	for _, l := range literals {
		text := l.of(texts)
		for i := range len(text) - r.size + 1 {
			if n := &seen[at(text, i)*keyMul>>48]; *n < 1<<15 {
				*n++
			}
		}
	}
	r.list = make([]piece, 0, len(literals)*r.stride)
	for _, l := range literals {
		text := l.of(texts)
		// The runs that fewest literals have, and that are least like common text.
		best, least := 0, 1<<30
		weights := make([]int, len(text)-r.size+1)
		for i := range weights {
			weights[i] = int(seen[at(text, i)*keyMul>>48]) + commonness(text[i:i+r.size])
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
			key := at(text, i)
			h := key * keyMul
			r.filter[h>>wordShift&uint64(len(r.filter)-1)] |= 1 << (h >> bitShift)
			h >>= r.shift
			next, tag := r.slots[h]&(1<<tagShift-1), tagOf(key)
			if next != 0 {
				tag = anyTag
			}
			r.list = append(r.list, piece{key, int32(i), int32(next), l})
			r.slots[h] = uint32(len(r.list)) | tag<<tagShift
		}
	}
	return r
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

// next returns the first place at or after i, in steps of the stride, where a
// run may stand in a text, folded or not, with the run and its hash; or -1. Most
// of matching is this loop: it knows what lies where, so that nothing is left in
// it but one look at the text and one at the filter.
func (r *runs) next(text string, i int) (at int, key, h uint64) {
	last := len(text) - r.size
	if i > last {
		return -1, 0, 0
	}
	b, filter := unsafe.Pointer(unsafe.StringData(text)), unsafe.Pointer(unsafe.SliceData(r.filter)) //nolint:gosec // read only, and within both
	mask, stride := uint64(len(r.filter)-1)*8, r.stride
	if r.size == 8 {
		for ; i <= last; i += stride {
			key = binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(b, i))[:]) | blanks
			h = key * keyMul
			if *(*uint64)(unsafe.Add(filter, h>>(wordShift-3)&mask))>>(h>>bitShift)&1 != 0 {
				return i, key, h
			}
		}
		return -1, 0, 0
	}
	for ; i <= last; i += stride {
		key = uint64(binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(b, i))[:]) | blanks4)
		h = key * keyMul
		if *(*uint64)(unsafe.Add(filter, h>>(wordShift-3)&mask))>>(h>>bitShift)&1 != 0 {
			return i, key, h
		}
	}
	return -1, 0, 0
}

// verify looks for the literals that have the run at i.
func (f *fieldIndex) verify(r *runs, text string, i int, key, h uint64, marked []uint64) (found bool) {
	slot := r.slots[h>>(r.shift&63)]
	if tag := slot >> tagShift; tag != anyTag && tag != tagOf(key) {
		return false
	}
	for e := int32(slot & (1<<tagShift - 1)); e != 0; {
		x := &r.list[e-1]
		e = x.next
		if x.key != key {
			continue
		}
		if start := i - int(x.at); start >= 0 && strings.HasPrefix(text[start:], x.of(f.texts)) {
			if found = f.mark(&x.literal, marked); marked == nil {
				return true
			}
		}
	}
	return found
}
