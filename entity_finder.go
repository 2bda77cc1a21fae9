package holdfast

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Finder finds the entities of a dataset's events as the dataset does, in less
// time. It may be used from many goroutines.
type Finder struct {
	kinds map[string]string // of the names that have one
	// some has a bit for each length and last character of these names: most
	// others are told from them by it.
	some [64]uint64
	// known are fields that came before, by where some of their names lie in
	// memory: parsers give the same name as the same string.
	known [knownFields]struct {
		fields atomic.Pointer[foundFields]
		other  atomic.Uint32 // how often others were asked for
	}
}

const knownFields = 32

// foundFields are names of fields, and which of them have a kind.
type foundFields struct {
	names  []string
	places []Place
}

// Place is a field of an event that names an entity of a kind.
type Place struct {
	Field int // its index
	Kind  string
}

// Finder makes the dataset's finder.
func (d *Dataset) Finder() *Finder {
	f := &Finder{kinds: map[string]string{}}
	for _, kind := range EntityKinds() {
		f.add(kind, d.kind(kind))
	}
	for name := range d.ECS {
		f.add(name, d.kind(name))
	}
	return f
}

func (f *Finder) add(name, kind string) {
	if name != "" && kind != "" {
		f.kinds[name] = kind
		f.some[len(name)&63] |= 1 << (name[len(name)-1] & 63)
	}
}

// Kind is the entity kind of a field, or "".
func (f *Finder) Kind(name string) string {
	if name == "" || f.some[len(name)&63]&(1<<(name[len(name)-1]&63)) == 0 {
		return ""
	}
	return f.kinds[name]
}

// Places returns which fields have a kind, in their order, in into or in memory
// that nobody changes.
func (f *Finder) Places(fields []Field, into []Place) []Place {
	if len(fields) == 0 {
		return nil
	}
	slot := &f.known[sumFields(fields)%knownFields]
	if known := slot.fields.Load(); known != nil && known.are(fields) {
		return known.places
	}
	into = into[:0]
	for i := range fields {
		if kind := f.Kind(fields[i].Name); kind != "" {
			into = append(into, Place{i, kind})
		}
	}
	if slot.other.Add(1)%16 == 1 { // what comes once is mostly not worth keeping
		names := make([]string, len(fields))
		for i := range fields {
			names[i] = fields[i].Name
		}
		slot.fields.Store(&foundFields{names, append([]Place{}, into...)})
	}
	return into
}

// sumFields tells fields of different kinds of events apart, mostly.
func sumFields(fields []Field) uint64 {
	const prime = 0x9e3779b97f4a7c15
	n := len(fields)
	sum := uint64(n)
	for i := 0; i < n; i += 1 + n/8 {
		sum = bits.RotateLeft64(sum^uint64(uintptr(unsafe.Pointer(unsafe.StringData(fields[i].Name)))), 29) * prime //nolint:gosec // a number to tell names by
	}
	return sum >> 32
}

func (k *foundFields) are(fields []Field) bool {
	if len(k.names) != len(fields) {
		return false
	}
	for i := range k.names {
		if !same(k.names[i], fields[i].Name) {
			return false
		}
	}
	return true
}

// same compares names, which mostly are the same string.
func same(a, b string) bool {
	return len(a) == len(b) && (unsafe.StringData(a) == unsafe.StringData(b) || a == b) //nolint:gosec // compared, and never read
}

// Entities is Dataset.Entities.
func (f *Finder) Entities(e *Event) []Entity {
	var most [16]Place
	places := f.Places(e.Fields, most[:])
	c := collected{out: make([]Entity, 0, len(places)+1)}
	for _, p := range places {
		c.add(&e.Fields[p.Field], p.Kind)
	}
	return c.end()
}

// lower is strings.ToLower, in a fraction of the time for ASCII.
func lower(s string) string {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	if len(s) < 8 {
		return strings.ToLower(s)
	}
	out, changed := make([]byte, len(s)), uint64(0)
	for at := 0; at < len(s); at += 8 {
		at = min(at, len(s)-8) // the last eight bytes, some of them again
		w := eight(s[at:])
		if w&tops != 0 {
			return strings.ToLower(s)
		}
		// The highest bit of a byte says that it is at least A, and not beyond Z.
		capital := (w + ones*(0x80-'A')) &^ (w + ones*(0x80-'Z'-1)) & tops
		changed |= capital
		w |= capital >> 2
		binary.LittleEndian.PutUint64(out[at:], w)
	}
	if changed == 0 {
		return s
	}
	return unsafe.String(&out[0], len(out)) //nolint:gosec // nobody writes to it again
}
