package all

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
)

// samples are entities that each kind of action takes.
var samples = map[string]string{holdfast.EntitySource: "192.0.2.7", holdfast.EntityUser: "anna"}

func TestEveryActionKeepsTheContract(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	all := All()
	for i, a := range all {
		if i > 0 && all[i-1].Name >= a.Name {
			t.Errorf("%s is out of order, or listed twice", a.Name)
		}
		t.Run(a.Name, func(t *testing.T) {
			if !kebab.MatchString(a.Name) || a.Title == "" || len(a.Description) < 40 || !strings.HasSuffix(a.Description, ".") {
				t.Errorf("name %q, title %q, description %q", a.Name, a.Title, a.Description)
			}
			if len(a.References) == 0 || len(a.Never) < 3 {
				t.Errorf("it has %d references and a never list of %d", len(a.References), len(a.Never))
			}
			if a.Plan == nil || a.Apply == nil || a.Verify == nil || a.Undo == nil || a.VerifyUndone == nil || a.Params == nil {
				t.Fatal("one of plan, apply, verify, undo, verify-undone and params is missing")
			}
			if a.MaxReach < 1 || a.DefaultLease <= 0 || a.DefaultLease > a.MaxLease || a.MaxLease > 31*24*time.Hour {
				t.Errorf("reach %d, lease %s of %s", a.MaxReach, a.DefaultLease, a.MaxLease)
			}
			if !slices.Contains(holdfast.EntityKinds(), a.Takes) {
				t.Fatalf("it takes %q, which is no entity", a.Takes)
			}
			raw, err := a.Params(holdfast.Entity{Kind: a.Takes, Value: samples[a.Takes]}, a.DefaultLease)
			if err != nil || !json.Valid(raw) {
				t.Errorf("params of a good entity: %s %v", raw, err)
			}
			for _, bad := range []holdfast.Entity{
				{Kind: a.Takes, Value: ""},
				{Kind: a.Takes, Value: "a; reboot"},
				{Kind: a.Takes, Value: "-x"},
				{Kind: a.Takes, Value: strings.Repeat("a", 5000)},
				{Kind: holdfast.EntityHash, Value: samples[a.Takes]},
			} {
				if raw, err := a.Params(bad, a.DefaultLease); err == nil {
					t.Errorf("params of %s %.20q: %s", bad.Kind, bad.Value, raw)
				}
			}
			// A lease out of bounds is refused by plan, before it looks at the host.
			for _, lease := range []time.Duration{a.MaxLease + time.Hour, -time.Hour} {
				raw, err := a.Params(holdfast.Entity{Kind: a.Takes, Value: samples[a.Takes]}, lease)
				if err != nil {
					continue
				}
				if _, err := a.Plan(t.Context(), nil, raw); !errors.Is(err, holdfast.ErrRefused) {
					t.Errorf("a lease of %s: %v", lease, err)
				}
			}
		})
	}
}
