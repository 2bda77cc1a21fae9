package api

import (
	"context"

	"holdfast"
	"holdfast/spine"
)

func (a *API) action() {
	nouns(a, "action", "actions", a.State.Actions)
	type propose struct{ Body spine.Proposal }
	add(a, route{"POST", "/actions", "action.propose", "Propose an action; it is planned at once", ""}, func(ctx context.Context, in *propose) (*One[holdfast.Action], error) {
		return one(a.Loop.Propose(ctx, who(ctx), in.Body))
	})
	type decide struct {
		ByID
		Body *struct {
			Because string `json:"because,omitempty" maxLength:"2000"`
		} `required:"false"`
	}
	for verb, say := range map[string]string{
		"approve": "Approve a plan; it is applied and verified", "reject": "Reject a plan", "undo": "Undo now",
		"accept": "Keep the effect for good", "verify": "Prove the effect again, with new connections",
	} {
		add(a, route{"POST", "/actions/{id}/" + verb, "action." + verb, say, "action"}, func(ctx context.Context, in *decide) (*One[holdfast.Action], error) {
			why := ""
			if in.Body != nil {
				why = in.Body.Because
			}
			return one(a.Loop.Decide(ctx, who(ctx), in.ID, verb, why))
		})
	}
	type kind struct {
		Kind string `path:"kind" enum:"actions,artefacts,inputs,parsers,collectors,drills"`
	}
	add(a, route{"GET", "/catalogue/{kind}", "catalogue.read", "The parts of a catalogue", ""}, func(_ context.Context, in *kind) (*List[spine.Part], error) {
		parts, err := a.Loop.Catalogue(in.Kind)
		return listed(parts, len(parts)), err
	})
}
