package events

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"holdfast"
)

// TestRecentAgainstModel adds ids, many of which have one home, and asks a list
// about each.
func TestRecentAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1, 2, 50, 1000} {
		known := newRecent(most)
		var model []holdfast.EventID
		for range 20 * most {
			var id holdfast.EventID
			binary.LittleEndian.PutUint64(id[:], uint64(r.IntN(1+most/3))+uint64(r.IntN(2))*uint64(len(known.slots)-1))
			binary.LittleEndian.PutUint32(id[8:], uint32(r.IntN(3)))
			id[15] = byte(r.IntN(3))
			was := false
			for _, m := range model {
				was = was || m == id
			}
			if known.has(id) != was {
				t.Fatalf("of %d: %v known: %v", most, id, !was)
			}
			if known.add(id) == was {
				t.Fatalf("of %d: %v new: %v", most, id, was)
			}
			if !was {
				if model = append(model, id); len(model) > most {
					model = model[1:]
				}
			}
		}
		for _, m := range model {
			if !known.has(m) {
				t.Fatalf("of %d: %v is forgotten", most, m)
			}
		}
	}
}

// TestRecentSpreadsRequests adds ids as requests of a thousand records have them,
// and wants each found near where it is looked for first.
func TestRecentSpreadsRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	known := newRecent(100_000)
	for range 100 {
		var id holdfast.EventID
		binary.LittleEndian.PutUint64(id[:8], r.Uint64())
		base := r.Uint64()
		for n := range uint64(1000) {
			binary.BigEndian.PutUint64(id[8:], base^n)
			known.add(id)
		}
	}
	mask, steps := uint64(len(known.slots)-1), uint64(0)
	for at, s := range known.slots {
		if s != 0 {
			steps += (uint64(at) - s>>32) & mask
		}
	}
	if each := float64(steps) / float64(len(known.ids)); len(known.ids) != 100_000 || each > 2 {
		t.Errorf("%d ids, %.1f steps to each", len(known.ids), each)
	}
}
