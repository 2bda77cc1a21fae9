package ingest

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"holdfast"
	"holdfast/ingest/input"
)

// ids makes the ids of the events of many records, which mostly are of one source.
// It serves one goroutine.
type ids struct {
	asset, source, request string
	base                   holdfast.EventID
}

// eventID covers the asset too: two hosts may have files of the same name, with
// the same line at the same place.
func eventID(r *holdfast.Record) holdfast.EventID { return new(ids).record(r) }

func (d *ids) record(r *holdfast.Record) holdfast.EventID {
	return d.of(r, r.Raw[:min(len(r.Raw), input.MaxRecord)], 0)
}

// of is the id of an event of a record. Where a record's position comes once, its
// content is not asked, and neither is a hash for each record: what stands before
// the last colon of the position, and is the same in many, has one. The rest is mostly
// a number, which changes the hash's last bits only, so that ids of a request take a
// quarter of the room where they are packed; any other rest is mixed in. No two rests
// and indexes give the same id.
func (d *ids) of(r *holdfast.Record, raw []byte, index int) holdfast.EventID {
	if !r.Once {
		return holdfast.NewEventID(r.Asset+"\x00"+r.Source, r.Position, raw, index)
	}
	cut := strings.LastIndexByte(r.Position, ':')
	request, rest := r.Position[:max(cut, 0)], r.Position[cut+1:]
	if cut < 0 || len(rest) > 7 {
		return holdfast.NewEventID(r.Asset+"\x00"+r.Source, r.Position, nil, index)
	}
	if d.request != request || d.source != r.Source || d.asset != r.Asset || d.base == (holdfast.EventID{}) {
		d.asset, d.source, d.request = r.Asset, r.Source, request
		d.base = holdfast.NewEventID("once\x00"+r.Asset+"\x00"+r.Source, request, nil, 0)
	}
	id := d.base
	if n, ok := ordinal(rest); ok {
		binary.BigEndian.PutUint64(id[8:], binary.BigEndian.Uint64(id[8:])^(uint64(index)<<ordinalBits|n))
		return id
	}
	n := uint64(len(rest)) << 56
	for i := range len(rest) {
		n |= uint64(rest[i]) << (8 * i)
	}
	binary.LittleEndian.PutUint64(id[:8], mix(binary.LittleEndian.Uint64(d.base[:8])^n))
	binary.LittleEndian.PutUint64(id[8:], mix(binary.LittleEndian.Uint64(d.base[8:])+bits.RotateLeft64(n, 32)+uint64(index)))
	return id
}

// ordinalBits are enough for numbers of seven digits.
const ordinalBits = 24

// ordinal reads a number of at most seven digits as strconv writes it.
func ordinal(s string) (n uint64, ok bool) {
	if s == "" || len(s) > 7 || s[0] == '0' && s != "0" {
		return 0, false
	}
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = 10*n + uint64(d)
	}
	return n, true
}

// mix spreads what differs over all bits; no two numbers give the same (it is the
// end of MurmurHash3).
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
