package ingest

import (
	"fmt"
	"slices"

	"holdfast"
)

const (
	// maxWaiting bounds what waits for the block on its way to the disk; beyond
	// it records are refused, and offered again.
	maxWaiting = 128 << 20
	// maxWaitingOne bounds what waits of one source.
	maxWaitingOne = 32 << 20
	// always is what every source may have waiting, however much others have.
	always = 1 << 20
	// most bounds what waits in all, with what every source may always have.
	most = 2 * maxWaiting
)

// queues hold what waits for a block, source by source; what an agent sends waits
// as one source, whatever it read. Blocks are filled from
// all of them in turn, so that none waits for the flood of another.
type queues struct {
	by    map[string]*queue
	ring  []string // sources with something waiting, in turn
	turn  int      // whose turn it is
	bytes int
}

type queue struct {
	groups []*group
	bytes  int
}

func newQueues() queues { return queues{by: map[string]*queue{}} }

// add takes groups of one source, all of them or none.
func (q *queues) add(source string, groups []*group) error {
	size := 0
	for _, g := range groups {
		size += g.bytes
	}
	own := 0
	if x := q.by[source]; x != nil {
		own = x.bytes
	}
	switch {
	case own > maxWaitingOne:
		return fmt.Errorf("%d MiB of %s wait for the disk: %w", own>>20, source, holdfast.ErrFull)
	case q.bytes > maxWaiting && own > always, q.bytes > most:
		return fmt.Errorf("%d MiB wait for the disk: %w", q.bytes>>20, holdfast.ErrFull)
	}
	x := q.by[source]
	if x == nil {
		x = &queue{}
		q.by[source] = x
		q.ring = append(q.ring, source)
	}
	x.groups = append(x.groups, groups...)
	x.bytes += size
	q.bytes += size
	return nil
}

func (q *queues) empty() bool { return len(q.ring) == 0 }

// take returns groups that fit one block, one of each source in turn, then the
// next of each, until none fits; or one group alone that is a block of its own. The
// first source that had to wait is the first the next time.
func (q *queues) take() []*group {
	var out []*group
	events, bytes := 0, 0
	first := "" // who has to wait
	for at, idle := q.turn, 0; len(q.ring) > 0 && idle < len(q.ring); {
		at %= len(q.ring)
		name := q.ring[at]
		x := q.by[name]
		g := x.groups[0]
		if len(out) > 0 && (g.block != "" || events+len(g.events) > holdfast.MaxBlockEvents || bytes+g.bytes > maxBlockBytes) {
			if first == "" {
				first = name
			}
			at, idle = at+1, idle+1
			continue
		}
		idle = 0
		out, events, bytes = append(out, g), events+len(g.events), bytes+g.bytes
		x.groups, x.bytes, q.bytes = x.groups[1:], x.bytes-g.bytes, q.bytes-g.bytes
		if len(x.groups) == 0 {
			delete(q.by, name)
			q.ring = slices.Delete(q.ring, at, at+1)
		} else {
			at++
		}
		if g.block != "" {
			if len(q.ring) > 0 {
				first = q.ring[at%len(q.ring)]
			}
			break
		}
	}
	if q.turn = 0; first != "" {
		q.turn = slices.Index(q.ring, first)
	}
	return out
}
