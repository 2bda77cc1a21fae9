package holdfast

import "time"

// Evidence is one entry of the evidence log: who did or looked at what, when,
// with which code, over what population, and what came out. Entries are
// chained in a Merkle tree and never changed.
type Evidence struct {
	// Key is unique; appending the same key twice records it once.
	Key        string    `json:"key"`
	At         time.Time `json:"at"`
	Who        string    `json:"who"` // "user:alice", "agent:ast-…", "holdfast"
	Did        string    `json:"did"` // noun.verb: "action.approve", "check.verdict", "user.login"
	On         string    `json:"on"`  // id of what it was done to
	Asset      string    `json:"asset,omitempty"`
	Code       string    `json:"code,omitempty"` // hash of the check, rule or plan that was used
	Population int       `json:"population,omitempty"`
	Outcome    string    `json:"outcome"`
	Detail     Raw       `json:"detail,omitempty"`
}
