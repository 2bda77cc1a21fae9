package events

import (
	"time"
	"unsafe"

	"holdfast"
	"holdfast/store/events/flat"
)

// batch is what was added to a writer since the segment before, and becomes the
// next one.
type batch struct {
	rows   *flat.Table[row]
	memory memory // of their texts
	bytes  int
	blocks int
	from   uint64 // the first block that no segment before covers
	last   uint64 // the newest block in it
	since  time.Time
	ledger map[part]*holdfast.LedgerRow // by source and hour
	mended []holdfast.Reparse

	near *holdfast.LedgerRow // the row that was asked for last, and what for
	what part
}

func newBatch() *batch {
	return &batch{rows: flat.NewTable[row](), ledger: map[part]*holdfast.LedgerRow{}}
}

// clear makes it ready to be added to. None of its rows' texts may be in use.
func (b *batch) clear(from uint64) {
	b.rows.Clear()
	clear(b.ledger)
	b.memory.clear()
	*b = batch{rows: b.rows, memory: b.memory, ledger: b.ledger, from: from}
}

// next is the first block that the segment after it covers.
func (b *batch) next() uint64 {
	if b.rows.Len() > 0 {
		return b.last + 1
	}
	return b.from
}

// list is the rows as they came.
func (b *batch) list() []row {
	out := make([]row, b.rows.Len())
	for i := range out {
		out[i] = b.rows.Row(i)
	}
	return out
}

func (b *batch) full() bool { return b.rows.Len() >= flushRows || b.bytes >= flushBytes }

func (b *batch) row(source string, at time.Time) *holdfast.LedgerRow {
	hour := holdfast.Hour(at)
	micros := hour.UnixMicro()
	if b.near != nil && b.what.hour == micros && b.what.source == source {
		return b.near
	}
	key := part{source: utf8Text(source), hour: micros}
	l := b.ledger[key]
	if l == nil {
		l = &holdfast.LedgerRow{Source: key.source, Hour: hour}
		b.ledger[key] = l
	}
	b.near, b.what = l, part{source: source, hour: micros}
	return l
}

// commit is what becomes true with its segment.
func (b *batch) commit() holdfast.Commit {
	c := holdfast.Commit{Position: b.last, Reparsed: b.mended}
	for _, l := range b.ledger {
		c.Ledger = append(c.Ledger, *l)
	}
	return c
}

// memory is where texts of rows lie that are made for them: the ids apart, because
// they are looked at without the rest.
type memory struct{ ids, fields arena }

func (m *memory) clear() {
	m.ids.clear()
	m.fields.clear()
}

// arena keeps texts side by side in large pieces that are used again.
type arena struct {
	pieces [][]byte
	n      int // the piece in use is the one before
}

const arenaPiece = 1 << 20

// room returns where up to need bytes may be appended. What has been is kept by
// keep.
func (a *arena) room(need int) []byte {
	if a.n > 0 {
		if p := a.pieces[a.n-1]; cap(p)-len(p) >= need {
			return p
		}
	}
	if a.n == len(a.pieces) || cap(a.pieces[a.n]) < need {
		a.pieces = append(a.pieces[:a.n], make([]byte, 0, max(arenaPiece, need)))
	}
	a.n++
	return a.pieces[a.n-1]
}

// keep returns as a text what was appended to what room returned, from a place on.
// It is the arena's until clear.
func (a *arena) keep(p []byte, from int) string {
	if cap(p) == cap(a.pieces[a.n-1]) {
		a.pieces[a.n-1] = p
	} // else more was appended than there was room for, and it lies elsewhere
	return text(p[from:])
}

func (a *arena) clear() {
	for i := range a.pieces {
		a.pieces[i] = a.pieces[i][:0]
	}
	a.n = 0
}

// text is the bytes as a text, which nobody may change from then on.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // see above
