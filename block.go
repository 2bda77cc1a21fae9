package holdfast

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"
)

// MaxBlockEvents is the most events one block holds.
const MaxBlockEvents = 1000

// Block is the unit that is made durable and acknowledged: up to 1,000 events,
// with the count of what came in to make it.
type Block struct {
	// ID is stable for a resent block (an agent's batch, an HTTP request with a
	// key), so that the bus can drop the second copy.
	ID     string
	Made   time.Time
	Counts []Count
	Events []Event
	// Unreadable is a block whose bytes on the bus are damaged; it has nothing else. It
	// is no part of a block's form.
	Unreadable bool
}

// Count is what one source gave to one block: Received = events stored from it
// (dead letters included in the events) + Rejected.
type Count struct {
	Source       string
	Hour         time.Time // the hour of the ledger: when the records were received
	Received     uint64    // events taken in, and records refused
	Rejected     uint64    // refused: too large, over quota, no right; never acknowledged
	DeadLettered uint64    // kept raw in dataset "deadletter"
}

// blockVersion is what is written. Versions 1, whose counts had no hours, 2,
// which wrote every name anew, and 3, which knew no layouts, are still read.
const blockVersion = 4

// AppendBinary appends the block in Holdfast's block format: version byte, then
// length-prefixed (uvarint) fields in the order of the structs. Names that come
// again (of fields, sources, datasets) are written once in a block: 0 and the text
// the first time, then the number of that text, from 1. An event begins with its
// times and names; then come its record and fields, by the number of a layout (see
// layout), or 0 and both without one: then of a field's text that stands in the
// record too, only the place is written. It is not compressed; the bus does that.
func (b *Block) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, blockVersion)
	dst = appendText(dst, b.ID)
	dst = appendTime(dst, b.Made)
	dst = binary.AppendUvarint(dst, uint64(len(b.Counts)))
	for _, c := range b.Counts {
		dst = appendText(dst, c.Source)
		dst = appendTime(dst, c.Hour)
		dst = binary.AppendUvarint(dst, c.Received)
		dst = binary.AppendUvarint(dst, c.Rejected)
		dst = binary.AppendUvarint(dst, c.DeadLettered)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.Events)))
	names := blockNames{known: map[string]uint64{}}
	var known layouts
	for i := range b.Events {
		dst = appendBlockEvent(dst, &b.Events[i], &names, &known)
	}
	return dst, nil
}

func appendBlockEvent(dst []byte, e *Event, names *blockNames, known *layouts) []byte {
	dst = append(dst, e.ID[:]...)
	dst = appendTime(dst, e.Time)
	dst = appendTime(dst, e.Received)
	for _, s := range [...]string{e.Source, e.Asset, e.Dataset, e.Trouble, e.Drill} {
		dst = names.append(dst, s)
	}
	number, isNew := known.of(e)
	dst = binary.AppendUvarint(dst, uint64(number))
	if number > 0 {
		l := &known.list[number-1]
		if isNew {
			dst = l.append(dst, names)
		}
		return l.appendEvent(dst, e)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Raw)))
	dst = append(dst, e.Raw...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Fields)))
	from := 0
	for i := range e.Fields {
		f := &e.Fields[i]
		dst = names.append(dst, f.Name)
		if at := standsIn(e.Raw, from, f.Text); at >= 0 {
			dst = append(dst, byte(f.Kind)|standing)
			dst = binary.AppendUvarint(dst, uint64(at))
			dst = binary.AppendUvarint(dst, uint64(len(f.Text)))
			from = at + len(f.Text)
			continue
		}
		dst = append(dst, byte(f.Kind))
		dst = appendText(dst, f.Text)
	}
	return dst
}

// standing marks the kind of a field whose text stands in the record.
const standing = 0x80

// standsIn looks for a text in a record, a little way on from where the field
// before it stood, and returns its place or -1. Fields mostly come in the record's
// order.
func standsIn(raw []byte, from int, text string) int {
	const least, ahead = 6, 160
	if len(text) < least {
		return -1
	}
	near := raw[from:min(len(raw), from+len(text)+ahead)]
	at := bytes.Index(near, unsafe.Slice(unsafe.StringData(text), len(text))) //nolint:gosec // read only
	if at < 0 {
		return -1
	}
	return from + at
}

// blockNames numbers the names of one block.
type blockNames struct {
	known map[string]uint64
	// near finds a name by where it lies in memory: parsers give the same name as
	// the same string.
	near [256]struct {
		at *byte
		n  int
		is uint64
	}
}

func (n *blockNames) append(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, 1) // number 1 is the empty name
	}
	at := unsafe.StringData(s)                                                             //nolint:gosec // compared, and never read
	slot := &n.near[(uintptr(unsafe.Pointer(at))>>3^uintptr(len(s)))%uintptr(len(n.near))] //nolint:gosec // a place in a table
	if slot.at == at && slot.n == len(s) {
		return binary.AppendUvarint(dst, slot.is)
	}
	is, ok := n.known[s]
	if !ok {
		is = uint64(len(n.known)) + 2
		n.known[s] = is
		dst = appendText(append(dst, 0), s)
	} else {
		dst = binary.AppendUvarint(dst, is)
	}
	slot.at, slot.n, slot.is = at, len(s), is
	return dst
}

// MarshalBinary is AppendBinary into a new slice.
func (b *Block) MarshalBinary() ([]byte, error) {
	n := 64 + len(b.ID) + 64*len(b.Counts)
	for i := range b.Events {
		n += 64 + 2*len(b.Events[i].Raw)
	}
	return b.AppendBinary(make([]byte, 0, n))
}

// UnmarshalBinary reads what AppendBinary wrote. Strings and records share one
// copy of data. Damage gives an error that wraps ErrInvalid, never a panic, and
// never an allocation larger than the input justifies.
func (b *Block) UnmarshalBinary(data []byte) error {
	r := blockReader{s: string(data), names: []string{""}}
	v := r.byte()
	if r.err == nil && (v < 1 || v > blockVersion) {
		return fmt.Errorf("block format %d is not known, this program reads %d: %w", v, blockVersion, ErrInvalid)
	}
	b.ID = r.text()
	b.Made = r.time()
	n := r.count(4)
	b.Counts = make([]Count, 0, n)
	for range n {
		c := Count{Source: r.text(), Hour: Hour(b.Made)}
		if v > 1 {
			c.Hour = r.time()
		}
		c.Received, c.Rejected, c.DeadLettered = r.uvarint(), r.uvarint(), r.uvarint()
		b.Counts = append(b.Counts, c)
	}
	n = r.count(24)
	b.Events = make([]Event, 0, n)
	for range n {
		if r.err != nil {
			break
		}
		if v > 2 {
			b.Events = append(b.Events, r.event(v > 3))
		} else {
			b.Events = append(b.Events, r.event2())
		}
	}
	if r.err == nil && len(r.s) > 0 {
		r.err = fmt.Errorf("block has %d bytes too many: %w", len(r.s), ErrInvalid)
	}
	return r.err
}

func (r *blockReader) event(layouts bool) (e Event) {
	copy(e.ID[:], r.take(16))
	e.Time, e.Received = r.time(), r.time()
	e.Source, e.Asset, e.Dataset, e.Trouble, e.Drill = r.name(), r.name(), r.name(), r.name(), r.name()
	if layouts {
		switch n := r.uvarint(); {
		case n == uint64(len(r.layouts))+1 && n <= maxLayouts:
			r.layouts = append(r.layouts, r.layout())
			fallthrough
		case n > 0 && n <= uint64(len(r.layouts)):
			r.laidEvent(&e, &r.layouts[n-1])
			return e
		case n > 0:
			r.fail("a layout that was not said")
			return e
		}
	}
	raw := r.text()
	e.Raw = unsafe.Slice(unsafe.StringData(raw), len(raw)) //nolint:gosec // nobody writes to a record
	fields := r.count(3)
	e.Fields = make([]Field, 0, fields)
	for range fields {
		name, kind := r.name(), r.byte()
		if kind&standing == 0 {
			e.Fields = append(e.Fields, Field{name, r.text(), Kind(kind)})
			continue
		}
		at, n := r.uvarint(), r.uvarint()
		if at > uint64(len(raw)) || n > uint64(len(raw))-at {
			r.fail("a field goes past its record")
			return e
		}
		e.Fields = append(e.Fields, Field{name, raw[at : at+n], Kind(kind &^ standing)})
	}
	return e
}

// event2 reads an event as versions 1 and 2 had it.
func (r *blockReader) event2() (e Event) {
	copy(e.ID[:], r.take(16))
	e.Time, e.Received = r.time(), r.time()
	e.Source, e.Asset, e.Dataset, e.Trouble, e.Drill = r.text(), r.text(), r.text(), r.text(), r.text()
	fields := r.count(3)
	e.Fields = make([]Field, 0, fields)
	for range fields {
		e.Fields = append(e.Fields, Field{r.text(), r.text(), Kind(r.byte())})
	}
	e.Raw = []byte(r.text())
	return e
}

// name reads a name, as blockNames wrote it.
func (r *blockReader) name() string {
	switch n := r.uvarint(); {
	case r.err != nil:
		return ""
	case n == 0:
		s := r.text()
		r.names = append(r.names, s)
		return s
	case n <= uint64(len(r.names)):
		return r.names[n-1]
	}
	r.fail("a name that was not said")
	return ""
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendTime writes seconds and nanoseconds apart: an event's clock may say
// 1970 or 2300, which nanoseconds alone cannot hold.
func appendTime(dst []byte, t time.Time) []byte {
	dst = binary.AppendVarint(dst, t.Unix())
	return binary.AppendUvarint(dst, uint64(t.Nanosecond()))
}

type blockReader struct {
	s       string
	names   []string
	layouts []layout
	laid    int // bytes of the records read by layouts
	err     error
}

func (r *blockReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("damaged block: %s: %w", what, ErrInvalid)
	}
	r.s = ""
}

func (r *blockReader) byte() byte {
	if len(r.s) == 0 {
		r.fail("ends too early")
		return 0
	}
	c := r.s[0]
	r.s = r.s[1:]
	return c
}

func (r *blockReader) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail("number too long")
	return 0
}

func (r *blockReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *blockReader) take(n uint64) string {
	if n > uint64(len(r.s)) {
		r.fail("a length goes past the end")
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *blockReader) text() string { return r.take(r.uvarint()) }

func (r *blockReader) time() time.Time {
	sec, nsec := r.varint(), r.uvarint()
	if nsec >= 1e9 {
		r.fail("nanoseconds out of range")
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// count reads a number of items that take at least least bytes each.
func (r *blockReader) count(least uint64) uint64 {
	n := r.uvarint()
	if n > uint64(len(r.s))/least+1 {
		r.fail("a count goes past the end")
		return 0
	}
	return n
}
