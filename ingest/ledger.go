package ingest

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

// tally counts one block by source and hour.
type tally struct {
	by   map[place]*holdfast.Count
	last *holdfast.Count // which mostly is the next one's too
}

type place struct {
	source string
	hour   time.Time
}

func newTally() *tally { return &tally{by: map[place]*holdfast.Count{}} }

func (t *tally) of(source string, at time.Time) *holdfast.Count {
	if c := t.last; c != nil && c.Source == source && !at.Before(c.Hour) && at.Sub(c.Hour) < time.Hour {
		return c
	}
	key := place{source, holdfast.Hour(at)}
	c := t.by[key]
	if c == nil {
		c = &holdfast.Count{Source: source, Hour: key.hour}
		t.by[key] = c
	}
	t.last = c
	return c
}

func (t *tally) event(e *holdfast.Event) {
	c := t.of(e.Source, e.Received)
	c.Received++
	if e.Dataset == DeadLetter {
		c.DeadLettered++
	}
}

func (t *tally) rejected(source string, n uint64, now time.Time) {
	c := t.of(source, now)
	c.Received += n
	c.Rejected += n
}

func (t *tally) list() []holdfast.Count {
	out := make([]holdfast.Count, 0, len(t.by))
	for _, c := range t.by {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b holdfast.Count) int { return cmp.Or(cmp.Compare(a.Source, b.Source), a.Hour.Compare(b.Hour)) })
	return out
}

const (
	// grace is how long a refused record may come again before it counts as
	// rejected: most inputs offer it until it is taken.
	grace = 2 * time.Minute
	// maxRefused bounds the records remembered; more count at once.
	maxRefused = 100_000
)

// refused remembers records that were not taken, until they are, or until they
// count as rejected in the next block.
type refused struct {
	mu    sync.Mutex
	by    map[holdfast.EventID]refusal
	count map[string]uint64 // due now
	next  time.Time         // no record is due before
}

type refusal struct {
	source string
	at     time.Time
}

func newRefused() *refused {
	return &refused{by: map[holdfast.EventID]refusal{}, count: map[string]uint64{}}
}

func (r *refused) add(id holdfast.EventID, source string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.by[id]; !ok && len(r.by) >= maxRefused {
		r.count[source]++
		return
	}
	if len(r.by) == 0 {
		r.next = now.Add(grace)
	}
	r.by[id] = refusal{source, now}
}

// taken forgets records that came again and are durable now.
func (r *refused) taken(events []holdfast.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by) == 0 {
		return
	}
	for i := range events {
		delete(r.by, events[i].ID)
	}
}

// forget drops records under the ids by which they were refused.
func (r *refused) forget(ids []holdfast.EventID) {
	if len(ids) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.by, id)
	}
}

// due returns the counts for the next block, which takes them over.
func (r *refused) due(now time.Time) map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by) > 0 && !now.Before(r.next) {
		r.next = now.Add(grace / 8)
		for id, x := range r.by {
			if now.Sub(x.at) >= grace {
				r.count[x.source]++
				delete(r.by, id)
			}
		}
	}
	if len(r.count) == 0 {
		return nil
	}
	out := r.count
	r.count = map[string]uint64{}
	return out
}

// back takes counts that no block has carried.
func (r *refused) back(counts map[string]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for source, n := range counts {
		r.count[source] += n
	}
}

// Health is how one source does, since the start of the process.
type Health struct {
	Source       string    `json:"source"`
	Last         time.Time `json:"last,omitzero"` // when a record of it was last taken
	Received     uint64    `json:"received"`      // taken, dead letters included
	Rejected     uint64    `json:"rejected"`      // refusals, each attempt counted
	DeadLettered uint64    `json:"dead_lettered"`
	Trouble      string    `json:"trouble,omitempty"`
	At           time.Time `json:"at,omitzero"` // since when there is this trouble
}

// maxSources bounds the sources that health is kept for.
const maxSources = 20_000

type health struct {
	clock clock.Clock
	mu    sync.Mutex
	by    map[string]*Health
}

func newHealth(c clock.Clock) *health { return &health{clock: c, by: map[string]*Health{}} }

// of is called with mu held; nil beyond maxSources.
func (h *health) of(source string) *Health {
	x := h.by[source]
	if x == nil && len(h.by) < maxSources {
		x = &Health{Source: source}
		h.by[source] = x
	}
	return x
}

func (h *health) taken(b *holdfast.Block, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range b.Counts {
		x := h.of(c.Source)
		if x == nil || c.Received == c.Rejected {
			continue
		}
		x.Last = now
		x.Received += c.Received - c.Rejected
		x.DeadLettered += c.DeadLettered
	}
}

func (h *health) rejected(source string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if x := h.of(source); x != nil {
		x.Rejected++
	}
}

func (h *health) note(source, trouble string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.of(source)
	if x == nil || x.Trouble == trouble {
		return
	}
	x.Trouble, x.At = trouble, h.clock.Now()
	if trouble == "" {
		x.At = time.Time{}
	}
}

func (h *health) list() []Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Health, 0, len(h.by))
	for _, x := range h.by {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Health) int { return cmp.Compare(a.Source, b.Source) })
	return out
}
