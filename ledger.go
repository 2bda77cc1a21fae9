package holdfast

import "time"

// LedgerRow accounts for one source: Received = Stored + Rejected +
// DeadLettered + Waiting, always. Doubled counts resent records that were
// recognised and stored once; they are not in Received.
type LedgerRow struct {
	Source       string    `json:"source"`
	Received     uint64    `json:"received"`
	Stored       uint64    `json:"stored"`
	Rejected     uint64    `json:"rejected"`
	DeadLettered uint64    `json:"dead_lettered"`
	Waiting      uint64    `json:"waiting"` // durable on the bus, not yet in a segment
	Doubled      uint64    `json:"doubled"`
	Last         time.Time `json:"last"`
	Lossy        string    `json:"lossy,omitempty"` // why this way in cannot promise: "UDP has no acknowledgement"
}

// Balanced reports whether the row adds up.
func (r LedgerRow) Balanced() bool {
	return r.Received == r.Stored+r.Rejected+r.DeadLettered+r.Waiting
}
