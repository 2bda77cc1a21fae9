package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast"
	"holdfast/spine"
)

func (a *API) check() {
	type listOut struct {
		Body struct {
			Items  []spine.CheckInfo `json:"items"`
			Total  int               `json:"total"`
			Faults holdfast.Faults   `json:"faults"`
		}
	}
	add(a, route{"GET", "/checks", "check.read", "List checks", ""}, func(context.Context, *struct{}) (*listOut, error) {
		checks, faults := a.Loop.Checks()
		out := &listOut{}
		out.Body.Items, out.Body.Total, out.Body.Faults = filled(checks), len(checks), faults
		return out, nil
	})
	add(a, route{"GET", "/checks/{id}", "check.read", "One check", "check"}, func(_ context.Context, in *ByID) (*One[spine.CheckInfo], error) {
		checks, _ := a.Loop.Checks()
		for _, c := range checks {
			if c.ID == in.ID {
				return &One[spine.CheckInfo]{c}, nil
			}
		}
		return nil, notFound("check", in.ID)
	})
}

func notFound(noun, id string) error { return fmt.Errorf("%s %q: %w", noun, id, holdfast.ErrNotFound) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
