package all

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

// TestConformance holds what every artefact promises by its contract.
func TestConformance(t *testing.T) {
	seen := map[string]bool{}
	h := host.New(slog.New(slog.DiscardHandler), clock.System{})
	h.Root = t.TempDir()
	for _, a := range All() {
		if a.Name == "" || a.Title == "" || a.Description == "" || len(a.References) == 0 || len(a.Never) == 0 {
			t.Errorf("%q does not say what it is, what it follows and what it never touches", a.Name)
		}
		if seen[a.Name] {
			t.Errorf("%s stands twice", a.Name)
		}
		seen[a.Name] = true
		if a.Plan == nil || a.Apply == nil || a.Verify == nil || a.Undo == nil {
			t.Fatalf("%s lacks one of plan, apply, verify and undo", a.Name)
		}
		for _, bad := range []string{`{`, `[]`, `{"no":"such"}`, `{"settings":{}}`} {
			p, err := a.Plan(context.Background(), h, []byte(bad))
			if err == nil && len(p.Refused) == 0 {
				t.Errorf("%s plans for %s", a.Name, bad)
			}
		}
		if err := a.Apply(context.Background(), h, holdfast.Plan{Params: []byte(`{}`)}); err == nil {
			t.Errorf("%s applies an empty plan", a.Name)
		}
		if err := a.Undo(context.Background(), h, holdfast.Plan{Undo: []byte(`{`)}); err == nil || errors.Is(err, holdfast.ErrConflict) {
			t.Errorf("%s undoes from a damaged undo: %v", a.Name, err)
		}
	}
}
