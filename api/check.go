package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast"
)

// CheckInfo describes a check to people.
type CheckInfo struct {
	ID          string              `json:"id"`
	Title       string              `json:"title"`
	Severity    holdfast.Level      `json:"severity"`
	Description string              `json:"description"`
	References  []string            `json:"references,omitempty"`
	Expression  string              `json:"expression"`
	Maps        map[string][]string `json:"maps,omitempty"`
	Fix         string              `json:"fix,omitempty"`
	Source      string              `json:"source,omitempty"`
}

func (a *API) check() {
	add(a, route{"GET", "/checks", "check.read", "List checks", ""}, func(context.Context, *struct{}) (*List[CheckInfo], error) {
		checks, _ := a.Loop.Checks()
		return listed(checks, len(checks)), nil
	})
	add(a, route{"GET", "/checks/{id}", "check.read", "One check", "check"}, func(_ context.Context, in *ByID) (*One[CheckInfo], error) {
		checks, _ := a.Loop.Checks()
		for _, c := range checks {
			if c.ID == in.ID {
				return &One[CheckInfo]{c}, nil
			}
		}
		return nil, notFound("check", in.ID)
	})
}

func notFound(noun, id string) error { return fmt.Errorf("%s %q: %w", noun, id, holdfast.ErrNotFound) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
