package api

import (
	"context"

	"holdfast"
	"holdfast/spine"
)

func (a *API) rule() {
	type listOut struct {
		Body struct {
			Items  []holdfast.RuleInfo `json:"items"`
			Total  int                 `json:"total"`
			Faults holdfast.Faults     `json:"faults"`
		}
	}
	add(a, route{"GET", "/rules", "rule.read", "List rules, with what could not be loaded", ""}, func(context.Context, *struct{}) (*listOut, error) {
		rules, faults := a.Loop.Rules()
		out := &listOut{}
		out.Body.Items, out.Body.Total, out.Body.Faults = filled(rules), len(rules), faults
		return out, nil
	})
	add(a, route{"GET", "/rules/{id}", "rule.read", "One rule", "rule"}, func(_ context.Context, in *ByID) (*One[holdfast.RuleInfo], error) {
		rules, _ := a.Loop.Rules()
		for _, r := range rules {
			if r.ID == in.ID || r.Name == in.ID {
				return &One[holdfast.RuleInfo]{r}, nil
			}
		}
		return nil, notFound("rule", in.ID)
	})
	add(a, route{"GET", "/rules/coverage", "rule.read", "Techniques of ATT&CK: is there a rule, data, proof", ""}, func(ctx context.Context, _ *struct{}) (*One[holdfast.Coverage], error) {
		return one(a.Loop.Coverage(ctx))
	})
	add(a, route{"GET", "/inputs", "input.read", "List the ways in", ""}, func(ctx context.Context, _ *struct{}) (*List[spine.InputInfo], error) {
		items, err := a.Loop.Inputs(ctx)
		return listed(items, len(items)), err
	})
}
