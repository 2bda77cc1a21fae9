package holdfast

import "time"

// State is where one facet of a requirement stands.
type State string

// The states of a facet. What is stale is unknown; nothing is averaged: the
// worst asset decides.
const (
	Holds        State = "holds"
	Broken       State = "broken"
	StateUnknown State = "unknown"
	Excepted     State = "excepted"
	Inapplicable State = "not-applicable"
	NotYet       State = "not-yet" // this clause has no such part yet, and says so
)

// Standing is how one requirement stands on one asset, per facet. A
// requirement holds while all four hold, each on fresh evidence.
type Standing struct {
	Requirement string    `json:"requirement"`
	Asset       string    `json:"asset"`
	Implemented Facet     `json:"implemented"`
	Verified    Facet     `json:"verified"`
	Monitored   Facet     `json:"monitored"`
	Drilled     Facet     `json:"drilled"`
	At          time.Time `json:"at"`
}

// Facet is one of the four ways a requirement is kept, with its reason and the
// evidence it rests on.
type Facet struct {
	State    State     `json:"state"`
	Why      string    `json:"why"`
	Evidence []string  `json:"evidence,omitempty"` // checks, changes, rules, drills by id
	At       time.Time `json:"at,omitzero"`        // age of the oldest evidence used
}

// Requirement is what must hold, as listed to people: the parsed sentence with
// where it was written and what Holdfast can do about each clause. The
// language itself is package control/requirement.
type Requirement struct {
	ID     string              `json:"id"`
	Say    string              `json:"say"`
	Owner  string              `json:"owner"`
	File   string              `json:"file"`
	Line   int                 `json:"line"`
	Maps   map[string][]string `json:"maps,omitempty"`
	Source string              `json:"source"` // the YAML as written
	// Clauses says for each clause whether it is enforced, verified only,
	// detected only or not yet, and by which parts.
	Clauses []Clause `json:"clauses"`
}

// How a clause is kept.
const (
	Enforced     = "enforced"
	VerifiedOnly = "verified only"
	DetectedOnly = "detected only"
	NotSupported = "not yet"
)

// Clause is one verb of a requirement and the parts derived from it.
type Clause struct {
	Verb      string   `json:"verb"` // reach, access, state, within, record
	Text      string   `json:"text"` // "ssh.password_auth = false"
	How       string   `json:"how"`  // Enforced, VerifiedOnly, DetectedOnly, NotSupported
	Why       string   `json:"why,omitempty"`
	Artefacts []string `json:"artefacts,omitempty"`
	Checks    []string `json:"checks,omitempty"`
	Rules     []string `json:"rules,omitempty"`
	Drills    []string `json:"drills,omitempty"`
}
