package holdfast

import "time"

// ActionStatus is where an action or a change stands.
type ActionStatus string

// The life of an action. Proposed → planned → approved → applying → applied →
// verified, then undoing → undone, or accepted for good. Failed, refused and
// rejected are ends.
const (
	Proposed ActionStatus = "proposed"
	Planned  ActionStatus = "planned"
	Approved ActionStatus = "approved"
	Applying ActionStatus = "applying"
	Applied  ActionStatus = "applied"
	Verified ActionStatus = "verified"
	Undoing  ActionStatus = "undoing"
	Undone   ActionStatus = "undone"
	Accepted ActionStatus = "accepted" // a person made it permanent
	Failed   ActionStatus = "failed"
	Rejected ActionStatus = "rejected"
)

// Action is one step on one host that changes something: a response ("action/…")
// or an implementation of a requirement ("artefact/…"). It always has plan,
// apply, verify and undo.
type Action struct {
	ID          string       `json:"id"`
	Part        string       `json:"part"`
	Asset       string       `json:"asset"`
	Incident    string       `json:"incident,omitempty"`
	Requirement string       `json:"requirement,omitempty"`
	Params      Raw          `json:"params"`
	Why         string       `json:"why"`
	Status      ActionStatus `json:"status"`
	Lease       Duration     `json:"lease,omitempty"`
	Plan        *Plan        `json:"plan,omitempty"`
	Proof       *Proof       `json:"proof,omitempty"`      // newest verify
	UndoProof   *Proof       `json:"undo_proof,omitempty"` // that undo brought it back
	ProposedBy  string       `json:"proposed_by"`
	ApprovedBy  string       `json:"approved_by,omitempty"` // "auto" when auto-approval is on for the part
	Error       string       `json:"error,omitempty"`
	Proposed    time.Time    `json:"proposed"`
	Approved    time.Time    `json:"approved,omitzero"`
	Applied     time.Time    `json:"applied,omitzero"`
	Verified    time.Time    `json:"verified,omitzero"`
	Confirmed   time.Time    `json:"confirmed,omitzero"`
	Expires     time.Time    `json:"expires,omitzero"` // when the lease ends
	Undone      time.Time    `json:"undone,omitzero"`
	UndoneBy    string       `json:"undone_by,omitempty"` // a person, "lease", or "unconfirmed"
	Updated     time.Time    `json:"updated"`
}

// Live reports whether the action's effect is, or may be, on the host now.
func (a *Action) Live() bool {
	switch a.Status {
	case Applying, Applied, Verified, Undoing:
		return true
	}
	return false
}
