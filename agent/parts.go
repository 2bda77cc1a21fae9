package agent

import (
	"context"
	"encoding/json"

	"holdfast"
	"holdfast/control/artefact"
	"holdfast/internal/host"
	"holdfast/respond/action"
)

// part is what actions and artefacts have in common, seen from the host.
type part struct {
	plan         func(ctx context.Context, h *host.Host, params json.RawMessage) (holdfast.Plan, error)
	apply        func(ctx context.Context, h *host.Host, p holdfast.Plan) error
	verify       func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error)
	undo         func(ctx context.Context, h *host.Host, p holdfast.Plan) error
	verifyUndone func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error) // may be nil
}

func partsOf(actions []action.Action, artefacts []artefact.Artefact) map[string]part {
	m := map[string]part{}
	for _, a := range actions {
		m["action/"+a.Name] = part{a.Plan, a.Apply, a.Verify, a.Undo, a.VerifyUndone}
	}
	for _, a := range artefacts {
		m["artefact/"+a.Name] = part{a.Plan, a.Apply, a.Verify, a.Undo, nil}
	}
	return m
}

// undone carries out a part's undo and proves it where the part can.
func (p part) undone(ctx context.Context, h *host.Host, plan holdfast.Plan) (*holdfast.Proof, error) {
	if err := safely(func() error { return p.undo(ctx, h, plan) }); err != nil {
		return nil, err
	}
	if p.verifyUndone == nil {
		return nil, nil
	}
	var proof holdfast.Proof
	err := safely(func() (err error) {
		proof, err = p.verifyUndone(ctx, h, plan)
		return err
	})
	if err != nil { // the undo is done all the same; that nobody could prove it is what is said
		proof = holdfast.Proof{Tests: []holdfast.Test{{Say: "the undo is verified", Want: "verified", Got: err.Error()}}}
	}
	return &proof, nil
}
