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
// the last colon of the position, and is the same in many, has one, and the rest is
// mixed in so that no two rests and indexes give the same id.
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
	n := uint64(len(rest)) << 56
	for i := range len(rest) {
		n |= uint64(rest[i]) << (8 * i)
	}
	var id holdfast.EventID
	binary.LittleEndian.PutUint64(id[:8], mix(binary.LittleEndian.Uint64(d.base[:8])^n))
	binary.LittleEndian.PutUint64(id[8:], mix(binary.LittleEndian.Uint64(d.base[8:])+bits.RotateLeft64(n, 32)+uint64(index)))
	return id
}

// mix spreads what differs over all bits; no two numbers give the same (it is the
// end of MurmurHash3).
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
