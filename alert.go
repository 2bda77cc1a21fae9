package holdfast

import "time"

// Alert is a rule that fired, with the events that made it fire. More hits of
// the same rule and group add to an alert that is still live; a stronger rule
// of the same story raises it.
type Alert struct {
	ID    string `json:"id"` // stable: from rule, group and the first event
	Rule  string `json:"rule"`
	Title string `json:"title"`
	Level Level  `json:"level"`
	// Stages are the rules this alert went through, oldest first; the last one
	// is Rule. One stage unless the alert was raised.
	Stages   []Stage   `json:"stages"`
	Group    []Entity  `json:"group"`    // the group-by values, under ECS names where they have one
	Entities []Entity  `json:"entities"` // all entities of its events
	Asset    string    `json:"asset,omitempty"`
	First    time.Time `json:"first"` // event time of the first event
	Last     time.Time `json:"last"`
	Count    int       `json:"count"`            // events in all, also those not kept in Matches
	Matches  []Match   `json:"matches"`          // the first and newest events, at most MaxMatches
	Attack   []string  `json:"attack,omitempty"` // ATT&CK ids: T1110.001
	Raised   time.Time `json:"raised"`           // wall clock when it was first made
	Updated  time.Time `json:"updated"`
	Incident string    `json:"incident,omitempty"`
	Drill    string    `json:"drill,omitempty"` // the drill that caused it, if all its events are the drill's
	Status   string    `json:"status"`          // AlertOpen or AlertClosed
	// Blind is what is not seen meanwhile, for an alert about the pipeline itself.
	Blind *Blind `json:"blind,omitempty"`
}

// MaxMatches bounds the events an alert keeps by value.
const MaxMatches = 50

// What an alert's Status may be.
const (
	AlertOpen   = "open"
	AlertClosed = "closed"
)

// Stage is one rule on the way of an alert.
type Stage struct {
	Rule  string    `json:"rule"`
	Title string    `json:"title"`
	Level Level     `json:"level"`
	Why   string    `json:"why"`  // "5 events by source.ip=192.0.2.7 within 1m"
	Time  time.Time `json:"time"` // event time of the event that crossed the line
	At    time.Time `json:"at"`   // wall clock
}

// Match is one event that made a rule fire, with what matched in it.
type Match struct {
	Event   EventID     `json:"event"`
	Time    time.Time   `json:"time"`
	Dataset string      `json:"dataset"`
	Rule    string      `json:"rule"`
	Message string      `json:"message"` // the raw record, cut to 1,000 bytes
	Because []Predicate `json:"because"`
}

// Predicate is one condition of a rule that held: which selection, field and
// modifier, what the rule asked for and what the event had.
type Predicate struct {
	Selection string `json:"selection"`
	Field     string `json:"field"` // "" for a keyword over the whole event
	Op        string `json:"op"`    // "equals", "contains", "re", …
	Want      string `json:"want"`
	Got       string `json:"got"`
}
