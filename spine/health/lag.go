package health

import (
	"fmt"
	"sync"
	"time"
)

// lagKept bounds how far back one can say when a block came.
const lagKept = 1000

// Reader is how far one reader of the bus is behind.
type Reader struct {
	Name   string  `json:"name"` // rules or store
	Blocks uint64  `json:"blocks"`
	Behind float64 `json:"seconds"`
}

// Lags knows when the bus had which block. Its methods may run at the same time.
type Lags struct {
	mu    sync.Mutex
	seen  []bus // the oldest first
	since map[string]time.Time
}

type bus struct {
	at   time.Time
	last uint64
}

// See takes in how far the bus is, and returns how far its readers are behind.
func (l *Lags) See(now time.Time, last uint64, places map[string]uint64) []Reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.seen); n == 0 || l.seen[n-1].last < last {
		l.seen = append(l.seen, bus{now, last})
	}
	least := last
	var out []Reader
	for _, name := range []string{"rules", "store"} {
		place, ok := places[name]
		if !ok {
			continue
		}
		r := Reader{Name: name}
		if place < last {
			r.Blocks = last - place
			for _, b := range l.seen {
				if b.last > place {
					r.Behind = now.Sub(b.at).Seconds()
					break
				}
			}
		}
		least = min(least, place)
		out = append(out, r)
	}
	for len(l.seen) > 1 && l.seen[0].last <= least || len(l.seen) > lagKept {
		l.seen = l.seen[1:]
	}
	return out
}

// Judge returns what is too far behind.
func (l *Lags) Judge(now time.Time, readers []Reader, most time.Duration) []Trouble {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == nil {
		l.since = map[string]time.Time{}
	}
	var out []Trouble
	for _, r := range readers {
		if r.Behind <= most.Seconds() {
			delete(l.since, r.Name)
			continue
		}
		if l.since[r.Name].IsZero() {
			l.since[r.Name] = now.Add(-time.Duration(r.Behind * float64(time.Second)))
		}
		t := Trouble{Kind: Lag, Subject: r.Name, Since: l.since[r.Name]}
		what := map[string]string{"rules": "the rules are", "store": "the store is"}[r.Name]
		t.What = fmt.Sprintf("%s %s behind: %d blocks wait", what, about(time.Duration(r.Behind*float64(time.Second))), r.Blocks)
		t.Do = "nothing is lost, and alerts and searches come late; see whether processor or disk are busy, or whether no node has that role"
		out = append(out, t)
	}
	return out
}
