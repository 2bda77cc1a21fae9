package agent

import (
	"path/filepath"
	"testing"
	"time"

	"holdfast"
)

func TestTasksAreRefused(t *testing.T) {
	l := newLab(t)
	o := l.options(t.TempDir())
	o.Refuse = Refuse{Parts: []string{"action/never"}, Accounts: []string{"breakglass"}, Addresses: []string{"10.0.0.0/8"}}
	asset, _ := l.start(o)
	path := filepath.Join(t.TempDir(), "made")
	if _, r := l.apply(asset, "act-0", fileParams{Path: path}); r.Error != "" {
		t.Fatalf("%+v", r)
	}
	resign := func(t *holdfast.Task) { _ = t.Sign(l.key) }
	for name, spoil := range map[string]func(*holdfast.Task){
		"forged":   func(t *holdfast.Task) { t.By = "somebody else" },
		"replayed": func(t *holdfast.Task) { t.Counter = 1; resign(t) },
		"expired":  func(t *holdfast.Task) { t.Expires = t.Made.Add(-time.Second); resign(t) },
		"other":    func(t *holdfast.Task) { t.Asset = "ast-other"; resign(t) },
		"part":     func(t *holdfast.Task) { t.Part = "action/never"; resign(t) },
		"account":  func(t *holdfast.Task) { t.Params = holdfast.Raw(`{"path":"breakglass"}`); resign(t) },
		"address":  func(t *holdfast.Task) { t.Params = holdfast.Raw(`{"path":"10.1.2.3"}`); resign(t) },
	} {
		task := l.task(asset, holdfast.VerbPlan, "act-1", nil, fileParams{Path: path})
		spoil(&task)
		if r := l.do(task); !r.Refused || r.Error == "" || r.Plan != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
