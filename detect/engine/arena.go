package engine

import (
	"unsafe"

	machine "holdfast/internal/host"
)

// arena holds the tables that are looked at for every event side by side, in few
// large pages. Where they lie all over the heap, half of the time goes into
// finding the memory.
type arena struct {
	left []byte
}

const (
	arenaBlock = 8 << 20
	cacheLine  = 64
)

// settle moves a table into the arena. It must hold no pointers.
func settle[T any](a *arena, table []T) []T {
	if len(table) == 0 {
		return table
	}
	size := len(table) * int(unsafe.Sizeof(table[0]))
	b := a.take(size)
	out := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(table)) //nolint:gosec // aligned to a line, and large enough
	copy(out, table)
	return out
}

func (a *arena) text(s string) string {
	if s == "" {
		return s
	}
	b := a.take(len(s))
	copy(b, s)
	return unsafe.String(unsafe.SliceData(b), len(s)) //nolint:gosec // nobody writes there again
}

// take returns memory that begins with a line of the cache.
func (a *arena) take(size int) []byte {
	size = (size + cacheLine - 1) &^ (cacheLine - 1)
	if size > len(a.left) {
		if size > arenaBlock/4 {
			return lines(size)
		}
		a.left = lines(arenaBlock)
		machine.PreferHuge(a.left)
	}
	b := a.left[:size:size]
	a.left = a.left[size:]
	return b
}

// lines makes memory that begins with a line of the cache.
func lines(size int) []byte {
	b := make([]byte, size+cacheLine)
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b))) //nolint:gosec // only an address
	skip := int(-start & (cacheLine - 1))
	return b[skip : skip+size]
}

func (f *fieldIndex) settle(a *arena) {
	f.rules = settle(a, f.rules)
	f.whole.slots, f.whole.list = settle(a, f.whole.slots), settle(a, f.whole.list)
	f.starts.settle(a)
	f.ends.settle(a)
	f.inside.settle(a)
	f.wide.settle(a)
}

func (e *ends) settle(a *arena) {
	e.filter, e.table, e.list = settle(a, e.filter), settle(a, e.table), settle(a, e.list)
}

func (s *substrings) settle(a *arena) {
	s.few = settle(a, s.few)
	if s.brief != nil {
		s.brief.list = settle(a, s.brief.list)
	}
	s.runs.filter, s.runs.slots, s.runs.list = settle(a, s.runs.filter), settle(a, s.runs.slots), settle(a, s.runs.list)
}

// settle moves what the view looks at for every event into the arena.
func (v *view) settle(a *arena) {
	v.entry, v.steps, v.quicks, v.values = settle(a, v.entry), settle(a, v.steps), settle(a, v.quicks), settle(a, v.values)
	v.gates = settle(a, v.gates)
	v.texts = a.text(v.texts)
}
