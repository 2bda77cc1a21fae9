package parser

import (
	"strings"
	"unsafe"

	"holdfast"
	"holdfast/internal/jsonscan"
)

// Shapes remembers how objects were laid out: which bytes stood between their
// values, and which fields came of them. Sources write objects of a kind with
// the same members in the same order, so most can be read by comparing what
// stands between the values with what stood there before, without looking at
// the structure again. Whatever differs is read as usual, and learnt.
//
// The shapes are a tree: an edge is a value and the bytes before it. What a
// shape says beside its fields is of type T and must follow from what stands
// between the values alone. It serves one goroutine.
type Shapes[T any] struct {
	// Ends are where the values of the object that Read read last end, if Track says
	// that they are wanted.
	Ends  []int
	Track bool

	nodes []shape[T]
	size  int // bytes of all gaps
	trace []mark
	gaps  []byte // where the next gaps go, side by side
}

// shape is a place in an object: behind a value, or at its start.
type shape[T any] struct {
	// edge is the first one, which mostly is the only one: then reading goes
	// through memory from front to back.
	edge
	more []edge
	ends []ending[T]
}

// edge is a value, and what stands before it.
type edge struct {
	gap  string
	name string
	word string        // the value itself, if it stands in the gap
	kind holdfast.Kind // of the field
	look jsonscan.Kind // String or Number, or None for a word
	next int32         // 0 if there is no edge
}

// ending is what stands behind the last value.
type ending[T any] struct {
	gap  string
	says T
}

// mark is where a value stands.
type mark struct{ from, to int }

// Bounds of what is remembered. Beyond them all is forgotten and learnt again.
const (
	maxShapeNodes = 20_000
	maxShapeBytes = 1 << 20
	maxShapeEdges = 8
	maxGap        = 4096
)

// Read reads an object of a known shape, and appends its fields, whose texts
// are in text. The caller must have made room for len(raw) bytes there. If the
// shape is not known, ok is false and the scanner and memory are to be reset.
func (t *Shapes[T]) Read(s *jsonscan.Scanner, fields []holdfast.Field, text []byte) (_ []holdfast.Field, _ []byte, says T, ok bool) {
	if len(t.nodes) == 0 {
		return fields, text, says, false
	}
	at := &t.nodes[0]
	t.Ends = t.Ends[:0]
	for {
		e := at.take(s)
		if e == nil {
			break
		}
		start := len(text)
		switch e.look {
		case jsonscan.String:
			text = s.AppendString(text)
		case jsonscan.Number:
			text = s.AppendNumber(text)
		default:
			text = append(text, e.word...)
		}
		b := text[start:]
		fields = append(fields, holdfast.Field{Name: e.name, Kind: e.kind, Text: unsafe.String(unsafe.SliceData(b), len(b))}) //nolint:gosec // what was appended is not written again
		if t.Track {
			t.Ends = append(t.Ends, s.At())
		}
		at = &t.nodes[e.next]
	}
	for i := range at.ends {
		if s.Rest(at.ends[i].gap) {
			return fields, text, at.ends[i].says, s.Err() == nil
		}
	}
	return fields, text, says, false
}

func (n *shape[T]) take(s *jsonscan.Scanner) *edge {
	if n.next == 0 {
		return nil
	}
	if s.Literal(n.gap, n.look) {
		return &n.edge
	}
	for i := range n.more {
		if e := &n.more[i]; s.Literal(e.gap, e.look) {
			return e
		}
	}
	return nil
}

// Begin forgets the values that were marked.
func (t *Shapes[T]) Begin() { t.trace = t.trace[:0] }

// Mark says that the next field's value stands between two places of the object.
func (t *Shapes[T]) Mark(from, to int) { t.trace = append(t.trace, mark{from, to}) }

// Learn remembers an object that was read in the usual way, with a mark for each
// of its fields.
func (t *Shapes[T]) Learn(raw []byte, fields []holdfast.Field, says T) {
	if len(t.trace) != len(fields) {
		return
	}
	if len(t.nodes) > maxShapeNodes || t.size > maxShapeBytes {
		t.nodes, t.size, t.gaps = nil, 0, nil
	}
	if len(t.nodes) == 0 {
		t.nodes = make([]shape[T], 1, 64)
	}
	at, end := int32(0), 0
	for i, m := range t.trace {
		e := edge{name: fields[i].Name, kind: fields[i].Kind}
		gap := raw[end:m.from]
		switch e.kind {
		case holdfast.String:
			e.look = jsonscan.String
		case holdfast.Number:
			e.look = jsonscan.Number
		case holdfast.Bool, holdfast.Null:
			gap, e.word = raw[end:m.to], strings.Clone(fields[i].Text)
		}
		end = m.to
		if len(gap) > maxGap {
			return
		}
		next := t.nodes[at].find(gap, e.look)
		if next < 0 {
			if len(t.nodes[at].more) >= maxShapeEdges {
				return
			}
			next = int32(len(t.nodes))
			e.gap, e.next = t.keep(gap), next
			t.size += len(gap)
			t.nodes = append(t.nodes, shape[T]{})
			if n := &t.nodes[at]; n.next == 0 {
				n.edge = e
			} else {
				n.more = append(n.more, e)
			}
		}
		at = next
	}
	rest := raw[end:]
	for _, x := range t.nodes[at].ends {
		if x.gap == string(rest) {
			return
		}
	}
	if n := &t.nodes[at]; len(rest) <= maxGap && len(n.ends) < maxShapeEdges {
		t.size += len(rest)
		n.ends = append(n.ends, ending[T]{string(rest), says})
	}
}

func (n *shape[T]) find(gap []byte, look jsonscan.Kind) int32 {
	if n.next != 0 && n.look == look && n.gap == string(gap) {
		return n.next
	}
	for i := range n.more {
		if e := &n.more[i]; e.look == look && e.gap == string(gap) {
			return e.next
		}
	}
	return -1
}

// keep copies a gap behind the one before.
func (t *Shapes[T]) keep(gap []byte) string {
	if cap(t.gaps)-len(t.gaps) < len(gap) {
		t.gaps = make([]byte, 0, max(8<<10, len(gap)))
	}
	from := len(t.gaps)
	t.gaps = append(t.gaps, gap...)
	b := t.gaps[from:]
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // what was appended is not written again
}

// Len returns how many places of objects are remembered.
func (t *Shapes[T]) Len() int { return len(t.nodes) }
