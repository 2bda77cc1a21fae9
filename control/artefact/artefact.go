// Package artefact is the contract and catalogue of generated configuration:
// each artefact turns what a requirement wants into a change on a host that is
// shown, checked, applied, verified and undone. When and by whom that is
// decided is left to package control.
package artefact

import (
	"context"
	"encoding/json"

	"holdfast"
	"holdfast/internal/host"
)

// Artefact describes one kind of configuration. The functions run on the host,
// inside the agent, which arms the plan's Undo before it calls Apply.
type Artefact struct {
	Name        string // "sshd-drop-in"
	Title       string
	Description string
	References  []string
	// Never lists in words what it will not touch, whatever it is asked.
	Never []string
	// Plan works out the change from Params (the artefact's own JSON). It
	// changes nothing. Refusals go into Plan.Refused.
	Plan func(ctx context.Context, h *host.Host, params json.RawMessage) (holdfast.Plan, error)
	// Apply carries out exactly the plan, or returns ErrConflict if the host's
	// state no longer has the plan's fingerprint. Applying twice is harmless.
	Apply func(ctx context.Context, h *host.Host, p holdfast.Plan) error
	// Verify tries the real thing on the live system.
	Verify func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error)
	// Undo brings back what was before, from p.Undo alone. Undoing twice, or
	// what was never applied, is harmless.
	Undo func(ctx context.Context, h *host.Host, p holdfast.Plan) error
}
