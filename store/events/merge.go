package events

import (
	"container/heap"

	"holdfast"
)

// merger gives the rows of several segments in order, each of which is in
// order.
type merger struct {
	all  []*source
	heap heads
	held bool // the first of the heap was given out
	err  error
}

// head is a source with its row that is next.
type head struct {
	from rows
	row  row
	n    int // the segment's place, for rows that are equal
}

func (m *merger) add(dir string, g holdfast.Segment) error {
	var from rows
	if g.Parts == nil { // of old, segments were in no order
		list, err := readSegment(dir, g)
		if err != nil {
			return err
		}
		from = &inMemory{list: sortRows(list)}
	} else {
		src, err := openSource(dir, g, mergeBatch)
		if err != nil {
			return err
		}
		m.all, from = append(m.all, src), src
	}
	h := &head{from: from, n: len(m.heap)}
	if r := from.next(); r != nil {
		h.row = *r
		heap.Push(&m.heap, h)
	}
	return from.failed()
}

func (m *merger) next() *row {
	if m.held {
		m.held = false
		h := m.heap[0]
		if r := h.from.next(); r != nil {
			h.row = *r
			heap.Fix(&m.heap, 0)
		} else {
			m.err = h.from.failed()
			heap.Pop(&m.heap)
		}
	}
	if m.err != nil || len(m.heap) == 0 {
		return nil
	}
	m.held = true
	return &m.heap[0].row
}

func (m *merger) failed() error { return m.err }

func (m *merger) close() {
	for _, s := range m.all {
		s.close()
	}
}

type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if c := order(&h[i].row, &h[j].row); c != 0 {
		return c < 0
	}
	return h[i].n < h[j].n
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *heads) Push(x any) { *h = append(*h, x.(*head)) }

// Pop implements heap.Interface.
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

type inMemory struct {
	list []row
	i    int
}

func (m *inMemory) next() *row {
	if m.i == len(m.list) {
		return nil
	}
	m.i++
	return &m.list[m.i-1]
}

func (m *inMemory) failed() error { return nil }
