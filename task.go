package holdfast

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"
)

// The verbs of a task. Plan and Verify change nothing.
const (
	VerbCollect = "collect" // Part "facts": collect fact tables
	VerbPlan    = "plan"
	VerbApply   = "apply"
	VerbConfirm = "confirm" // the new connection worked: disarm the confirmation timer
	VerbVerify  = "verify"
	// VerbUndo takes the effect back; doing it twice is harmless. Its result
	// carries the proof that it took effect, from parts that can prove that.
	VerbUndo = "undo"
)

// Task is work for one agent. It is signed, counted and expires; the agent
// checks all three, and its own list of refusals, before it does anything.
// Carrying out the same task twice gives the first result again.
type Task struct {
	ID      string    `json:"id"`
	Asset   string    `json:"asset"`
	Part    string    `json:"part"` // "action/block-address", "artefact/sshd-drop-in", "facts"
	Verb    string    `json:"verb"`
	Subject string    `json:"subject"`          // the action or change it belongs to
	Params  Raw       `json:"params,omitempty"` // for plan: the part's parameters
	Plan    *Plan     `json:"plan,omitempty"`   // for apply, confirm, verify and undo
	Counter uint64    `json:"counter"`          // rises by one per asset; an older one is refused
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	By      string    `json:"by"` // the person or rule on whose word it is done

	Signature []byte `json:"signature,omitempty"` // Ed25519 over SignedBytes
}

// SignedBytes is what the signature covers: the task as JSON, without it.
func (t Task) SignedBytes() ([]byte, error) {
	t.Signature = nil
	b, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", t.ID, err)
	}
	return append([]byte("holdfast task v1\n"), b...), nil
}

// Sign signs the task.
func (t *Task) Sign(key ed25519.PrivateKey) error {
	b, err := t.SignedBytes()
	if err != nil {
		return err
	}
	t.Signature = ed25519.Sign(key, b)
	return nil
}

// Check verifies the signature, the asset and the expiry.
func (t *Task) Check(key ed25519.PublicKey, asset string, now time.Time) error {
	b, err := t.SignedBytes()
	if err != nil {
		return err
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, b, t.Signature) {
		return fmt.Errorf("task %s: the signature is not the operator key's: %w", t.ID, ErrUnsigned)
	}
	if t.Asset != asset {
		return fmt.Errorf("task %s is for %s, this is %s: %w", t.ID, t.Asset, asset, ErrRefused)
	}
	if !now.Before(t.Expires) {
		return fmt.Errorf("task %s expired at %s: %w", t.ID, t.Expires.Format(time.RFC3339), ErrRefused)
	}
	return nil
}

// Result is what came of a task.
type Result struct {
	Task    string    `json:"task"`
	Asset   string    `json:"asset"`
	Subject string    `json:"subject"`
	Part    string    `json:"part"`
	Verb    string    `json:"verb"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Error   string    `json:"error,omitempty"`
	Refused bool      `json:"refused,omitempty"` // the agent would not, rather than could not
	Plan    *Plan     `json:"plan,omitempty"`
	Proof   *Proof    `json:"proof,omitempty"`
	Facts   *Facts    `json:"facts,omitempty"`
	// Cause is set on a result that no task asked for: "lease" when a lease ran
	// out, "unconfirmed" when no confirmation came, and the host undid by itself.
	Cause string `json:"cause,omitempty"`
}
