// Package action is the contract and catalogue of response actions: what
// Holdfast may do to a host during an incident. Proposing, approving and the
// lease are left to package respond; arming the undo to package agent.
package action

import (
	"context"
	"encoding/json"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

// Action describes one kind of response. The functions run on the host, inside
// the agent, which arms the plan's Undo before it calls Apply.
type Action struct {
	Name        string // "block-address"
	Title       string
	Description string
	References  []string
	Takes       string // entity kind it acts on: holdfast.EntitySource, …
	// Never lists in words what it will not touch, whatever it is asked.
	Never []string
	// MaxReach is the most hosts one incident may put it on without a second
	// approval.
	MaxReach     int
	DefaultLease time.Duration
	MaxLease     time.Duration
	// Params makes the action's parameters from the entity and lease.
	Params func(e holdfast.Entity, lease time.Duration) (json.RawMessage, error)
	// Plan, Apply, Verify and Undo are as in control/artefact.
	Plan   func(ctx context.Context, h *host.Host, params json.RawMessage) (holdfast.Plan, error)
	Apply  func(ctx context.Context, h *host.Host, p holdfast.Plan) error
	Verify func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error)
	// VerifyUndone proves that the undo has taken effect.
	VerifyUndone func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error)
	Undo         func(ctx context.Context, h *host.Host, p holdfast.Plan) error
}
