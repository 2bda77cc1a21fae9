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
