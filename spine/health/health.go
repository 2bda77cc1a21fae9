// Package health judges the pipeline itself: which source has gone quiet
// against its own rhythm, whose clock is off, what cannot be read any more, and
// which field has stopped coming. It counts blocks as they pass and does no I/O;
// what rules are blind for it, and the alerts about it, are left to package
// spine.
package health

import (
	"time"
)

// The kinds of trouble.
const (
	Quiet = "quiet" // a source has gone quiet
	Agent = "agent" // a host's agent is gone, and all of its sources with it
	Clock = "clock" // a source's clock is off
	Parse = "parse" // more and more of a source cannot be read
	Field = "field" // a field that rules need has stopped coming
	Lag   = "lag"   // the rules, or the store, are behind
	Store = "store" // where events lie is away
	Node  = "node"  // one of several nodes is gone
	Disk  = "disk"  // the disk is full soon
)

// Kinds are all of them, in the order in which they are told.
func Kinds() []string { return []string{Agent, Quiet, Field, Parse, Clock, Lag, Store, Node, Disk} }

// Trouble is one thing wrong with the pipeline, for as long as it lasts.
type Trouble struct {
	Kind string `json:"kind"`
	// Subject is what it is about: a source, an asset, a dataset's field, "rules",
	// "store", "events", a node or "disk". Kind and Subject together name a trouble.
	Subject string    `json:"subject"`
	Source  string    `json:"source,omitempty"`
	Asset   string    `json:"asset,omitempty"`
	Dataset string    `json:"dataset,omitempty"`
	Field   string    `json:"field,omitempty"`
	Since   time.Time `json:"since"`
	What    string    `json:"what"`
	Do      string    `json:"do"`
	// Now says that it cannot wait.
	Now bool `json:"now,omitempty"`
}

// Key names a trouble.
func (t Trouble) Key() string { return t.Kind + ":" + t.Subject }

// Source is one source as the model knows it.
type Source struct {
	Source   string    `json:"source"`
	Asset    string    `json:"asset,omitempty"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Datasets []string  `json:"datasets"`
	// Usual is how long it is silent at most at this time of the week, and Limit
	// after how long a silence is a trouble; 0 where that is not known yet, or
	// nobody wants to know. Rhythm says the same in words.
	Usual  float64 `json:"usual_seconds"`
	Limit  float64 `json:"limit_seconds"`
	Rhythm string  `json:"rhythm"`
	// Delay is what lay between an event's time and its arrival, lately; below
	// zero for a clock that is ahead.
	Delay  float64 `json:"delay_seconds"`
	Events uint64  `json:"events"`
	Dead   uint64  `json:"dead_letters"`
}
