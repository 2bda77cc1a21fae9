package holdfast

import "time"

// Exception keeps events from a rule without touching it: an event that Where
// holds for is counted and makes no alert, from Created until Expires. A filter
// of Sigma is shown as one that has no owner and no end.
type Exception struct {
	ID   string `json:"id"`
	Rule string `json:"rule"` // the key of the detection; "any" of a filter for all
	// Where is a selection in Sigma's words, as YAML or JSON.
	Where     string    `json:"where"`
	Owner     string    `json:"owner"`
	Reason    string    `json:"reason"`
	Created   time.Time `json:"created,omitzero"`
	CreatedBy string    `json:"created_by"`
	Expires   time.Time `json:"expires,omitzero"`
	// Filter is the file of a Sigma filter; empty for what people added here.
	Filter string `json:"filter,omitempty"`
	// Expired says that it has ended; it hides nothing any more.
	Expired bool   `json:"expired"`
	Hidden  Hidden `json:"hidden"`
}

// Hidden is what an exception has kept from its rule. It is kept together with
// the place up to which events were looked at, so a crash neither loses nor
// doubles it.
type Hidden struct {
	Count   uint64        `json:"count"`
	Last    time.Time     `json:"last,omitzero"` // time of the newest event
	Samples []HiddenEvent `json:"samples"`       // the newest, MaxHiddenSamples at most
}

// HiddenEvent is one event that was hidden.
type HiddenEvent struct {
	Event   EventID   `json:"event"`
	Time    time.Time `json:"time"`
	Rule    string    `json:"rule"`
	Asset   string    `json:"asset,omitempty"`
	Message string    `json:"message"` // the raw record, cut to 300 bytes
}

// MaxHiddenSamples bounds the events that an exception shows.
const MaxHiddenSamples = 5

// InForce reports whether the exception counts for an event received at a time.
func (x Exception) InForce(at time.Time) bool {
	return !at.Before(x.Created) && (x.Expires.IsZero() || at.Before(x.Expires))
}
