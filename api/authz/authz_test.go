package authz

import (
	"errors"
	"testing"

	"holdfast"
)

// TestMatrix walks every effect for every role: each is allowed for exactly the
// roles its group names, and for nobody without one.
func TestMatrix(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]holdfast.Role{
		read:        holdfast.Roles(),
		own:         holdfast.Roles(),
		investigate: {holdfast.Analyst, holdfast.Engineer},
		operate:     {holdfast.Engineer},
		govern:      {holdfast.Architect},
		send:        {},
	}
	for _, effect := range Effects() {
		for _, role := range append(holdfast.Roles(), "", "root") {
			allowed := false
			for _, r := range want[effects[effect]] {
				allowed = allowed || r == role
			}
			err := p.Allow(Principal{Name: "alice", Roles: []holdfast.Role{role}}, effect, Subject{"thing", "1", ""})
			if allowed != (err == nil) {
				t.Errorf("%s for %q: %v", effect, role, err)
			}
			if err != nil && !errors.Is(err, holdfast.ErrForbidden) {
				t.Errorf("%s for %q: %v is not ErrForbidden", effect, role, err)
			}
		}
		input := p.Allow(Principal{Name: "shipper", Input: true}, effect, Subject{"thing", "1", ""})
		if (input == nil) != (effect == "event.send") {
			t.Errorf("%s for an input token: %v", effect, input)
		}
	}
	if err := p.Allow(Principal{Name: "alice", Roles: holdfast.Roles()}, "no.such", Subject{}); err == nil {
		t.Error("an unknown effect was allowed")
	}
}

func TestSecondPerson(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	asked := Subject{"incident", "inc-1", "alice"}
	if err := p.Allow(Principal{Name: "alice", Roles: holdfast.Roles()}, "incident.grant", asked); err == nil {
		t.Error("alice granted what alice asked for")
	}
	if err := p.Allow(Principal{Name: "bob", Roles: []holdfast.Role{holdfast.Architect}}, "incident.grant", asked); err != nil {
		t.Error(err)
	}
}
