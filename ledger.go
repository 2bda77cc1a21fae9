package holdfast

import "time"

// LedgerRow accounts for one source, in one hour or in all: Received = Stored
// + Rejected + DeadLettered + Waiting, always. What is counted are events: a record
// that holds several counts as so many, one that was refused unread as one. Doubled counts resent records
// that were recognised and stored once; they are not in Received.
type LedgerRow struct {
	Source       string    `json:"source"`
	Hour         time.Time `json:"hour,omitzero"` // of receiving; zero for all hours together
	Received     uint64    `json:"received"`
	Stored       uint64    `json:"stored"`
	Rejected     uint64    `json:"rejected"`
	DeadLettered uint64    `json:"dead_lettered"` // without those that were read later on
	Waiting      uint64    `json:"waiting"`       // durable on the bus, not yet in a segment
	Doubled      uint64    `json:"doubled"`
	// Reparsed are dead letters that a mended parser could read: they are in
	// Stored, and no more in DeadLettered.
	Reparsed uint64 `json:"reparsed,omitempty"`
	// Dropped is what retention has taken away of Stored, and DroppedDead of dead
	// letters, also those that were read later on.
	Dropped     uint64    `json:"dropped,omitempty"`
	DroppedDead uint64    `json:"dropped_dead,omitempty"`
	Last        time.Time `json:"last"`
	Lossy       string    `json:"lossy,omitempty"` // why this way in cannot promise: "UDP has no acknowledgement"
}

// Balanced reports whether the row adds up.
func (r LedgerRow) Balanced() bool {
	return r.Received == r.Stored+r.Rejected+r.DeadLettered+r.Waiting
}

// Hour is the hour of the ledger that a moment belongs to.
func Hour(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }
