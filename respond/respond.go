// Package respond turns alerts into incidents and leads them to their end: it
// triages, drives the one life of everything that changes a host (response
// actions and the artefacts of requirements alike), and keeps the gate that an
// incident must pass to close. How a host is changed is left to the parts and
// the agent; what should hold, to package control; keeping the state, to the
// book it is handed.
package respond

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/respond/action"
)

// Book is the state. Update runs do in one transaction: all of it is kept or,
// if do or the commit fails, none. It may run do more than once.
type Book interface {
	Update(ctx context.Context, do func(Tx) error) error
}

// Tx is what one transaction can do. All that it reads, it reads as of that
// transaction.
type Tx interface {
	Actions
	Incidents
	Outbox
}

// Actions keeps the actions.
type Actions interface {
	// Action returns ErrNotFound for an id that is not there.
	Action(id string) (holdfast.Action, error)
	PutAction(holdfast.Action) error
	// ActionsOf lists the actions of an incident, or all that have not come to
	// an end for "": proposed to accepted, not undone, failed or rejected.
	ActionsOf(incident string) ([]holdfast.Action, error)
}

// Incidents keeps the incidents.
type Incidents interface {
	Incident(id string) (holdfast.Incident, error)
	PutIncident(holdfast.Incident) error
}

// Outbox is what goes out with the transaction.
type Outbox interface {
	// PutTask queues a task; the book gives it its counter and signature. A task
	// whose id is there already is left as it is.
	PutTask(holdfast.Task) error
	// TasksOf lists the tasks of a subject, oldest first, done or not.
	TasksOf(subject string) ([]holdfast.Task, error)
	Record(holdfast.Evidence) error
}

// Prober looks at a host from the server's side, over new connections.
type Prober interface {
	// Confirm tries whether the host can still be reached and logged in to.
	Confirm(ctx context.Context, a holdfast.Action) holdfast.Test
	// Prove makes the attempts that only an outsider can make, such as a
	// password login; none if there are none for this action.
	Prove(ctx context.Context, a holdfast.Action) []holdfast.Test
}

// Part is what the runner knows of a part of the catalogues.
type Part struct {
	Title                  string
	MaxReach               int // hosts an incident may put it on by one approval; 0 for no limit
	DefaultLease, MaxLease time.Duration
	// Params makes the parameters for an entity; nil for parts that are not
	// proposed by themselves.
	Params func(e holdfast.Entity, lease time.Duration) (json.RawMessage, error)
}

// PartsOf takes the actions' limits from their catalogue, under "action/NAME".
func PartsOf(actions []action.Action) map[string]Part {
	parts := make(map[string]Part, len(actions))
	for _, a := range actions {
		parts["action/"+a.Name] = Part{Title: a.Title, MaxReach: a.MaxReach, DefaultLease: a.DefaultLease, MaxLease: a.MaxLease, Params: a.Params}
	}
	return parts
}

// Runner drives actions. All its state is in the book, so it may be stopped at
// any moment and started again; a result told twice counts once. Its methods
// may run at the same time.
type Runner struct {
	Book        Book
	Parts       map[string]Part // the known parts; others are refused
	AutoApprove map[string]bool // parts that need no person
	Prober      Prober          // nil: nothing is confirmed, so the host undoes what needs it
	Clock       clock.Clock
	Log         *slog.Logger
}

const (
	taskTime    = 30 * time.Second // how long an agent has to fetch and do a task
	maxAttempts = 5                // of one verb for one action
	grace       = 2 * time.Second  // after a host's timer, before the server asks
	holdfastWho = "holdfast"
	autoWho     = "auto"
)

// Proposal asks for an action.
type Proposal struct {
	// Key makes the proposal once only: the same key is the same action, however
	// often it is proposed. Empty for a person's proposal.
	Key         string
	Part        string
	Asset       string
	Incident    string
	Requirement string
	Params      holdfast.Raw
	Lease       time.Duration // as in Params, for parts with a lease; 0 is the part's own
	Why         string
	By          string
}
