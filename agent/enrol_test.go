package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"holdfast"
	"holdfast/agent/port"
)

func TestEnrolmentIsRefused(t *testing.T) {
	l := newLab(t)
	l.start(l.options(t.TempDir()))
	other, err := port.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	wrongCA, err := other.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := l.ca.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]string{"used": l.token, "another authority": wrongCA.String(), "unknown": unknown.String(), "none": "", "cut": l.token[:20]} {
		o := l.options(t.TempDir())
		o.Token = tok
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := Enrol(ctx, o)
		cancel()
		if !errors.Is(err, holdfast.ErrForbidden) && !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
