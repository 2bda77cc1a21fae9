package events

import (
	"encoding/binary"
	"math/bits"

	"holdfast"
)

// recent knows the ids of the events that came last.
type recent struct {
	ids   []holdfast.EventID // a ring, once it is full
	most  int
	next  int      // where the oldest stands, once it is full
	slots []uint64 // open addresses: a tag, and one more than the place in ids; 0 is free
	seen  uint64   // what expect saw, so that it has to look
}

func newRecent(most int) *recent {
	return &recent{most: most, slots: make([]uint64, 2<<bits.Len(uint(most)))}
}

// add remembers an id, and reports whether it is new. Where there is no room the
// oldest is forgotten.
func (r *recent) add(id holdfast.EventID) bool {
	at, known := r.find(id)
	if known {
		return false
	}
	place := len(r.ids)
	if place < r.most {
		r.ids = append(r.ids, id)
	} else {
		place = r.next
		r.next = (r.next + 1) % r.most
		r.forget(r.ids[place])
		r.ids[place] = id
		at, _ = r.find(id) // what was forgotten may have made room before it
	}
	r.slots[at] = tag(id)<<32 | uint64(place+1)
	return true
}

func (r *recent) has(id holdfast.EventID) bool {
	_, known := r.find(id)
	return known
}

// tag is what stands of an id in a slot. The slot where an id is looked for first is
// some of its bits, so that ids themselves are only looked at to be sure. Ids of one
// request are a hash whose last bits alone differ, by what is counted, so these are
// spread (by the golden ratio: Knuth, The Art of Computer Programming 3, 6.4).
func tag(id holdfast.EventID) uint64 {
	return uint64(binary.LittleEndian.Uint32(id[:4]) + binary.BigEndian.Uint32(id[12:])*0x9e3779b1)
}

// expected is how many ids are expected together: what is fetched for them stays near
// the processor until they are added.
const expected = 64

// expect has the processor fetch the slots of ids that will be added, and of those
// that are forgotten for them, all at the same time.
func (r *recent) expect(list []holdfast.Event) {
	mask := uint64(len(r.slots) - 1)
	for i := range list {
		r.seen ^= r.slots[tag(list[i].ID)&mask]
	}
	if len(r.ids) == r.most {
		for _, id := range r.ids[r.next:min(r.next+len(list), r.most)] {
			r.seen ^= r.slots[tag(id)&mask]
		}
	}
}

// find is the slot of an id, or the one where it would be.
func (r *recent) find(id holdfast.EventID) (at uint64, known bool) {
	mask := uint64(len(r.slots) - 1)
	for at = tag(id) & mask; r.slots[at] != 0; at = (at + 1) & mask {
		if s := r.slots[at]; s>>32 == tag(id) && r.ids[uint32(s)-1] == id {
			return at, true
		}
	}
	return at, false
}

// forget frees the slot of an id, and moves up those behind it that would not be
// found any more.
func (r *recent) forget(id holdfast.EventID) {
	mask := uint64(len(r.slots) - 1)
	free, known := r.find(id)
	if !known {
		return
	}
	for at := (free + 1) & mask; r.slots[at] != 0; at = (at + 1) & mask {
		from := r.slots[at] >> 32 & mask
		if (at-from)&mask >= (at-free)&mask {
			r.slots[free], free = r.slots[at], at
		}
	}
	r.slots[free] = 0
}
