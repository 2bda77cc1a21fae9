package requirement

import (
	"errors"
	"testing"

	"holdfast"
)

func TestSelectorMatch(t *testing.T) {
	a := holdfast.Asset{ID: "a1", Kind: "host", Name: "web-1", OS: "linux", Tags: map[string]string{"env": "prod"}}
	for s, want := range map[string]bool{
		"*": true, "kind=host env=prod": true, "kind=host env=test": false, "host=web-1": true,
		"env=test,prod": true, "env!=prod": false, "env!=test,dev": true, "tier=app": false, "tier!=app": true, "zone!=dmz": true,
	} {
		sel, err := ParseSelector(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		} else if got := sel.Match(a); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
	if (Selector{}).Match(a) {
		t.Error("the zero selector picked an asset")
	}
}

func TestSelectorFaults(t *testing.T) {
	for _, s := range []string{"", " ", "host", "=a", "!=a", "a=", "a=b,", "a==b", "* a=b", "a=*", "a*=b"} {
		if _, err := ParseSelector(s); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%q: got %v, want a fault", s, err)
		}
	}
}

func FuzzSelector(f *testing.F) {
	f.Add("kind=host env!=a,b")
	f.Fuzz(func(t *testing.T, s string) {
		if sel, err := ParseSelector(s); err == nil {
			sel.Match(holdfast.Asset{Kind: "host"})
		}
	})
}
