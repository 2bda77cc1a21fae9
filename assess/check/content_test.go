package check

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/content"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// fixture reads tables as their rows, collected a minute ago.
func fixture(t testing.TB, b []byte) holdfast.Facts {
	t.Helper()
	var rows map[string][]holdfast.Row
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	f := holdfast.Facts{Asset: "ast-1", Tables: map[string]holdfast.Table{}}
	for name, r := range rows {
		f.Tables[name] = holdfast.Table{Name: name, Collected: now.Add(-time.Minute), Rows: r}
	}
	return f
}

// TestShippedChecks runs every check over the passing and the failing case
// beside it.
func TestShippedChecks(t *testing.T) {
	sub, err := fs.Sub(content.FS, "checks")
	if err != nil {
		t.Fatal(err)
	}
	checks, faults := Load("content/checks", sub)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(checks) < 30 {
		t.Errorf("%d checks are shipped", len(checks))
	}
	for _, c := range checks {
		base := strings.TrimSuffix(strings.TrimPrefix(c.File, "content/checks/"), ".yaml")
		for kind, want := range map[string]holdfast.Status{"pass": holdfast.Pass, "fail": holdfast.Fail} {
			b, err := fs.ReadFile(sub, base+"."+kind+".json")
			if err != nil {
				t.Errorf("%s has no %s case: %v", c.ID, kind, err)
				continue
			}
			v := c.Judge(fixture(t, b), now)
			if v.Status != want {
				t.Errorf("%s over its %s case: %s (%s)", c.ID, kind, v.Status, v.Why)
			}
			if want == holdfast.Fail && (strings.Contains(v.Why, "{") || v.Why == "") {
				t.Errorf("%s says %q", c.ID, v.Why)
			}
		}
		if v := c.Judge(holdfast.Facts{Asset: "ast-1"}, now); v.Status != holdfast.Unknown {
			t.Errorf("%s without facts: %s", c.ID, v.Status)
		}
	}
}
