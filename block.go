package holdfast

import (
	"encoding/binary"
	"fmt"
	"time"
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
}

// Count is what one source gave to one block: Received = events stored from it
// (dead letters included in the events) + Rejected.
type Count struct {
	Source       string
	Hour         time.Time // the hour of the ledger: when the records were received
	Received     uint64    // records taken in
	Rejected     uint64    // refused: too large, over quota, no right; never acknowledged
	DeadLettered uint64    // kept raw in dataset "deadletter"
}

// blockVersion is what is written; version 1, whose counts had no hours, is
// still read.
const blockVersion = 2

// AppendBinary appends the block in Holdfast's block format: version byte,
// then length-prefixed (uvarint) fields in the order of the structs. It is not
// compressed; the bus does that.
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
	for i := range b.Events {
		e := &b.Events[i]
		dst = append(dst, e.ID[:]...)
		dst = appendTime(dst, e.Time)
		dst = appendTime(dst, e.Received)
		for _, s := range [...]string{e.Source, e.Asset, e.Dataset, e.Trouble, e.Drill} {
			dst = appendText(dst, s)
		}
		dst = binary.AppendUvarint(dst, uint64(len(e.Fields)))
		for _, f := range e.Fields {
			dst = appendText(dst, f.Name)
			dst = appendText(dst, f.Text)
			dst = append(dst, byte(f.Kind))
		}
		dst = binary.AppendUvarint(dst, uint64(len(e.Raw)))
		dst = append(dst, e.Raw...)
	}
	return dst, nil
}

// MarshalBinary is AppendBinary into a new slice.
func (b *Block) MarshalBinary() ([]byte, error) { return b.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. Strings share one copy of
// data. Damage gives an error that wraps ErrInvalid, never a panic, and never
// an allocation larger than the input justifies.
func (b *Block) UnmarshalBinary(data []byte) error {
	r := blockReader{s: string(data)}
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
		var e Event
		copy(e.ID[:], r.take(16))
		e.Time, e.Received = r.time(), r.time()
		e.Source, e.Asset, e.Dataset, e.Trouble, e.Drill = r.text(), r.text(), r.text(), r.text(), r.text()
		fields := r.count(3)
		e.Fields = make([]Field, 0, fields)
		for range fields {
			e.Fields = append(e.Fields, Field{r.text(), r.text(), Kind(r.byte())})
		}
		e.Raw = []byte(r.text())
		b.Events = append(b.Events, e)
	}
	if r.err == nil && len(r.s) > 0 {
		r.err = fmt.Errorf("block has %d bytes too many: %w", len(r.s), ErrInvalid)
	}
	return r.err
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
	s   string
	err error
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
