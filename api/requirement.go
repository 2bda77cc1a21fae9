package api

import (
	"context"

	"holdfast"
	"holdfast/spine"
)

// RequirementView is a requirement with how it stands on each asset.
type RequirementView struct {
	Requirement holdfast.Requirement `json:"requirement"`
	Standings   []holdfast.Standing  `json:"standings"`
	Actions     []holdfast.Action    `json:"actions,omitempty"`
}

func (a *API) requirement() {
	type listOut struct {
		Body struct {
			Items  []RequirementView `json:"items"`
			Total  int               `json:"total"`
			Faults holdfast.Faults   `json:"faults"`
		}
	}
	add(a, route{"GET", "/requirements", "requirement.read", "List requirements with their standings", ""}, func(ctx context.Context, _ *struct{}) (*listOut, error) {
		rs, faults := a.Loop.Requirements()
		out := &listOut{}
		out.Body.Faults, out.Body.Items, out.Body.Total = faults, []RequirementView{}, len(rs)
		for _, r := range rs {
			v, err := a.standings(ctx, r)
			if err != nil {
				return nil, err
			}
			out.Body.Items = append(out.Body.Items, v)
		}
		return out, nil
	})
	add(a, route{"GET", "/requirements/{id}", "requirement.read", "One requirement", "requirement"}, func(ctx context.Context, in *ByID) (*One[RequirementView], error) {
		rs, _ := a.Loop.Requirements()
		for _, r := range rs {
			if r.ID != in.ID {
				continue
			}
			v, err := a.standings(ctx, r)
			if err != nil {
				return nil, err
			}
			v.Actions, _, err = a.State.Actions().List(ctx, Page{Requirement: r.ID, Limit: 100}.filter())
			return &One[RequirementView]{v}, err
		}
		return nil, notFound("requirement", in.ID)
	})
	type on struct {
		ByID
		Body struct {
			Asset string `json:"asset" maxLength:"200"`
		}
	}
	type planned struct {
		Actions []holdfast.Action `json:"actions"`
	}
	add(a, route{"POST", "/requirements/{id}/plan", "requirement.plan", "Plan what would make it hold", "requirement"}, func(ctx context.Context, in *on) (*One[planned], error) {
		acts, err := a.Loop.Plan(ctx, who(ctx), in.ID, in.Body.Asset)
		if acts == nil {
			acts = []holdfast.Action{}
		}
		return &One[planned]{planned{acts}}, err
	})
	add(a, route{"POST", "/requirements/{id}/verify", "requirement.verify", "Prove it on the live system", "requirement"}, func(ctx context.Context, in *on) (*One[spine.Proofs], error) {
		return one(a.Loop.Prove(ctx, who(ctx), in.ID, in.Body.Asset))
	})
}

func (a *API) standings(ctx context.Context, r holdfast.Requirement) (RequirementView, error) {
	st, _, err := a.State.Standings().List(ctx, Page{Requirement: r.ID, Limit: 1000}.filter())
	if st == nil {
		st = []holdfast.Standing{}
	}
	return RequirementView{Requirement: r, Standings: st}, err
}
