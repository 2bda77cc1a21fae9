package holdfast

import "time"

// Plan is what an action or an artefact would do on one host, worked out on
// that host and shown to a person before anything is done. Apply carries out
// exactly this plan, or refuses because reality has moved.
type Plan struct {
	ID      string    `json:"id"`
	Part    string    `json:"part"` // "action/block-address", "artefact/sshd-drop-in"
	Asset   string    `json:"asset"`
	Params  Raw       `json:"params"`
	Made    time.Time `json:"made"`
	Summary string    `json:"summary"` // one sentence
	Steps   []Step    `json:"steps"`
	Diff    string    `json:"diff,omitempty"` // unified diff of files or rules
	Hits    []Hit     `json:"hits,omitempty"` // what else it would touch: the blast radius
	// Refused lists why this must not be done (never-touch list, reach limit,
	// management access). A plan with refusals cannot be applied.
	Refused []string `json:"refused,omitempty"`
	Nothing bool     `json:"nothing,omitempty"` // the host is already so
	// Fingerprint is a hash of the state the plan was made from.
	Fingerprint string `json:"fingerprint"`
	// Undo is what brings the host back; it is armed on the host before apply.
	Undo  Raw      `json:"undo"`
	Lease Duration `json:"lease,omitempty"` // after which it undoes itself; 0 for none
	// Confirm is how long apply waits for confirmation over a new connection
	// before the host undoes it by itself; 0 for parts that need none.
	Confirm Duration `json:"confirm,omitempty"`
}

// Step is one exact change and its reverse.
type Step struct {
	Do   string `json:"do"`
	Undo string `json:"undo,omitempty"`
}

// Hit is something else that a plan would touch.
type Hit struct {
	Kind  string `json:"kind"` // "session", "service", "account", "address"
	Value string `json:"value"`
	Why   string `json:"why"`
}

// Proof is what verify found, by trying the real thing.
type Proof struct {
	Holds bool      `json:"holds"`
	At    time.Time `json:"at"`
	Tests []Test    `json:"tests"`
}

// Test is one attempt of a proof: what was tried, what should have come, what
// came.
type Test struct {
	Say  string        `json:"say"` // "new connection from 192.0.2.7 to port 22"
	Want string        `json:"want"`
	Got  string        `json:"got"`
	OK   bool          `json:"ok"`
	Took time.Duration `json:"took"`
}
