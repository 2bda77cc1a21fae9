package detect

import (
	"encoding/base64"
	"fmt"

	"holdfast"
)

// A record whose sender did not hear that it was taken comes again, and then
// stands in two blocks; the store keeps it once, and here it must count once. Only
// events that a rule holds for matter, so the memory reaches far.
const (
	// seenMost is how many such events are remembered, seenKept how many of them
	// over a restart.
	seenMost = 200_000
	seenKept = 20_000
)

// seen remembers the newest events that a rule held for.
type seen struct {
	by   map[holdfast.EventID]struct{}
	ring []holdfast.EventID
	next int // where the oldest stands, once the ring is full
}

// again reports whether an event was seen before, and remembers it.
func (s *seen) again(id holdfast.EventID) bool {
	if _, ok := s.by[id]; ok {
		return true
	}
	if s.by == nil {
		s.by = map[holdfast.EventID]struct{}{}
	}
	s.by[id] = struct{}{}
	if len(s.ring) < seenMost {
		s.ring = append(s.ring, id)
		return false
	}
	delete(s.by, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % len(s.ring)
	return false
}

// write gives the newest ones, the oldest of them first.
func (s *seen) write() string {
	n := min(len(s.ring), seenKept)
	out := make([]byte, 0, n*len(holdfast.EventID{}))
	for i := len(s.ring) - n; i < len(s.ring); i++ {
		id := &s.ring[(s.next+i)%len(s.ring)]
		out = append(out, id[:]...)
	}
	return base64.StdEncoding.EncodeToString(out)
}

// readSeen reads what write gave.
func readSeen(text string) (*seen, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	const size = len(holdfast.EventID{})
	if err != nil || len(b)%size != 0 || len(b)/size > seenMost {
		return nil, fmt.Errorf("read detection state: the events seen last are damaged: %w", holdfast.ErrInvalid)
	}
	s := &seen{}
	for ; len(b) > 0; b = b[size:] {
		s.again(holdfast.EventID(b[:size]))
	}
	return s, nil
}
