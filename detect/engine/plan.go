package engine

import (
	"unsafe"

	"holdfast"
)

// plan is what is known of all events with the same fields in the same order:
// which of them are looked through, and by what. Events of a kind mostly have,
// so it is worked out once, and an event of a known kind asks for no name.
type plan struct {
	names []string
	first []int32 // by slot: the first field of the name, plus one
	next  []int32 // by field index: the next field of the name, plus one
	scans []scanning
}

// scanning is a field and an index that its value goes through.
type scanning struct {
	field int32
	index *fieldIndex
}

// plans is how many a subject keeps; a number of two.
const plans = 16

// planOf returns the plan for an event's fields.
func (s *subject) planOf(fields []holdfast.Field) *plan {
	h := uint32(len(fields))
	for i := range fields {
		h = h*31 + uint32(len(fields[i].Name))
	}
	p := &s.plans[h*0x9e3779b1>>16&(plans-1)]
	if !p.fits(fields) {
		p.make(s.view, fields)
	}
	return p
}

func (p *plan) fits(fields []holdfast.Field) bool {
	if p.first == nil || len(p.names) != len(fields) {
		return false
	}
	for i := range fields {
		if name := fields[i].Name; !same(p.names[i], name) && p.names[i] != name {
			return false
		}
	}
	return true
}

// make works a plan out, in the memory of what it was before.
func (p *plan) make(v *view, fields []holdfast.Field) {
	n := len(fields)
	if p.first == nil {
		p.first = make([]int32, len(v.names))
	}
	clear(p.first)
	if cap(p.names) < n {
		p.names, p.next = make([]string, n), make([]int32, n)
	}
	p.names, p.next, p.scans = p.names[:n], p.next[:n], p.scans[:0]
	for i := n - 1; i >= 0; i-- { // from the end, so that lists are in order
		p.names[i], p.next[i] = fields[i].Name, 0
		if slot, ok := v.names[fields[i].Name]; ok {
			p.next[i] = p.first[slot]
			p.first[slot] = int32(i) + 1
		}
	}
	for i := range fields {
		if slot, ok := v.names[fields[i].Name]; ok {
			for _, f := range v.scan[slot] {
				p.scans = append(p.scans, scanning{int32(i), f})
			}
		}
	}
}

// same reports whether two texts are the same bytes in memory. Names of fields
// mostly are, as parsers keep them.
func same(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b) //nolint:gosec // compared, not read
}
