package check

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
)

func one(t testing.TB, text string) *Check {
	t.Helper()
	checks, faults := Load("here", fstest.MapFS{"a/x.yaml": {Data: []byte(text)}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return checks[0]
}

const head = "title: T\nseverity: low\ndescription: D\nfix: F\n"

const each = head + "over: files\nwhere: \"row.kind == 'a'\"\nexpect: \"!row.open\"\nsay: \"{path} is {open}{gone}\"\n"

func over(rows ...holdfast.Row) holdfast.Facts {
	return holdfast.Facts{Asset: "ast-1", Tables: map[string]holdfast.Table{"files": {Name: "files", Collected: now, Rows: rows}}}
}

func with(f holdfast.Facts, change func(*holdfast.Table)) holdfast.Facts {
	t := f.Tables["files"]
	change(&t)
	f.Tables["files"] = t
	return f
}

func TestVerdicts(t *testing.T) {
	well := holdfast.Row{"kind": "a", "path": "/w", "open": false}
	bad := holdfast.Row{"kind": "a", "path": "/{gone}", "open": true}
	dark := holdfast.Row{"kind": "a", "path": "/d", "unseen": "permission denied"}
	bare := holdfast.Row{"kind": "a", "path": "/d"}
	for name, x := range map[string]struct {
		facts      holdfast.Facts
		status     holdfast.Status
		why        string
		population int
		failing    int
	}{
		"well":                      {over(well, well), holdfast.Pass, "all 2 rows of files", 2, 0},
		"bad, its value not filled": {over(well, bad, bad), holdfast.Fail, "/{gone} is truenot set, and 1 more", 3, 2},
		"unseen is unknown":         {over(well, dark), holdfast.Unknown, "/d could not be looked at: permission denied", 2, 0},
		"no column is unknown":      {over(well, bare), holdfast.Unknown, "open is not known", 2, 0},
		"bad beats unseen":          {over(dark, bad), holdfast.Fail, "/{gone} is true", 2, 1},
		"other kinds do not count":  {over(well, holdfast.Row{"kind": "b"}), holdfast.Pass, "all 1 rows", 1, 0},
		"nobody there":              {over(holdfast.Row{"kind": "b"}), holdfast.Unknown, "no row", 0, 0},
		"empty":                     {over(), holdfast.Unknown, "no row", 0, 0},
		"missing":                   {holdfast.Facts{}, holdfast.Unknown, "never collected", 0, 0},
		"partial":                   {with(over(well), func(t *holdfast.Table) { t.Partial = "too many" }), holdfast.Unknown, "not all were seen: too many", 1, 0},
		"partial and bad":           {with(over(bad), func(t *holdfast.Table) { t.Partial = "too many" }), holdfast.Fail, "is true", 1, 1},
		"error":                     {with(over(well), func(t *holdfast.Table) { t.Error = "no right" }), holdfast.Unknown, "no right", 0, 0},
		"old":                       {with(over(well), func(t *holdfast.Table) { t.Collected = now.Add(-25 * time.Hour) }), holdfast.Unknown, "25h0m0s old", 0, 0},
		"odd types are unknown":     {over(holdfast.Row{"kind": int64(3), "open": "x"}), holdfast.Unknown, "no row", 0, 0},
		"no truth is unknown":       {over(holdfast.Row{"kind": "a", "open": "x"}), holdfast.Unknown, "could not be judged", 1, 0},
	} {
		v := one(t, each).Judge(x.facts, now)
		if v.Status != x.status || !strings.Contains(v.Why, x.why) || v.Population != x.population || v.Failing != x.failing {
			t.Errorf("%s: %s %q, %d of %d", name, v.Status, v.Why, v.Failing, v.Population)
		}
		if v.Status == holdfast.Fail && v.Decided["path"] != "/{gone}" {
			t.Errorf("%s: decided by %v", name, v.Decided)
		}
	}
}

func TestOnceOverPartial(t *testing.T) {
	c := one(t, head+"tables: [files]\nexpect: size(facts.files) > 0\nsay: S\n")
	f := with(over(holdfast.Row{"a": "b"}), func(t *holdfast.Table) { t.Partial = "too many" })
	if v := c.Judge(f, now); v.Status != holdfast.Unknown || !strings.Contains(v.Why, "too many") {
		t.Errorf("%s %s", v.Status, v.Why)
	}
}

func TestAppliesAndEmpty(t *testing.T) {
	c := one(t, head+"over: files\napplies: \"facts.files.exists(f, f.kind == 'a')\"\nwhere: \"row.kind == 'b'\"\nexpect: \"false\"\nempty: none are there\nsay: S\n")
	if v := c.Judge(over(holdfast.Row{"kind": "c"}), now); v.Status != holdfast.NotApplicable {
		t.Errorf("%s %s", v.Status, v.Why)
	}
	if v := c.Judge(over(holdfast.Row{"kind": "a"}), now); v.Status != holdfast.Pass || v.Why != "none are there" {
		t.Errorf("%s %s", v.Status, v.Why)
	}
}

// TestHostileFactsEnd gives a quadratic check more rows than it may judge.
func TestHostileFactsEnd(t *testing.T) {
	c := one(t, head+"over: files\nexpect: \"facts.files.filter(f, f.n == row.n).size() == 1\"\nsay: S\n")
	rows := make([]holdfast.Row, 20_000)
	for i := range rows {
		rows[i] = holdfast.Row{"n": int64(i)}
	}
	start := time.Now()
	v := c.Judge(over(rows...), now)
	if v.Status != holdfast.Unknown || !strings.Contains(v.Why, "too much to judge") {
		t.Errorf("%s %s", v.Status, v.Why)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestFaultsOfExpressionsPointIntoThem(t *testing.T) {
	for _, x := range []struct {
		expect    string
		line, col int
	}{
		{"expect: row.a == nix\n", 6, 18},
		{"expect: \"row.a == nix\"\n", 6, 19},
		{"expect: |\n  row.a == 'x' &&\n  row.b == nix\n", 8, 12},
		{"expect: |\n  facts.other.size() > 0\n", 6, 9},
	} {
		_, faults := Load("here", fstest.MapFS{"x.yaml": {Data: []byte(head + "over: files\n" + x.expect + "say: S\n")}})
		if len(faults) != 1 || faults[0].Line != x.line || faults[0].Column != x.col || faults[0].Do == "" {
			t.Errorf("%q: %v, want %d:%d", x.expect, faults, x.line, x.col)
		}
	}
}

func BenchmarkJudgeRows(b *testing.B) {
	c := one(b, each)
	rows := make([]holdfast.Row, 1000)
	for i := range rows {
		rows[i] = holdfast.Row{"kind": "a", "path": fmt.Sprint("/p", i), "open": false}
	}
	f := over(rows...)
	for b.Loop() {
		if v := c.Judge(f, now); v.Status != holdfast.Pass {
			b.Fatal(v.Why)
		}
	}
}

// FuzzCheck holds that no file panics the loader, and that what loads judges.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(each), "/a")
	f.Add([]byte(head+"tables: [files]\nexpect: |\n  facts.files.all(x, x.path.matches('a+'))\nsay: '{path}'\nempty: x\n"), "a")
	f.Fuzz(func(t *testing.T, b []byte, value string) {
		checks, faults := Load("here", fstest.MapFS{"x.yaml": {Data: b}})
		if len(checks)+len(faults) != 1 {
			t.Errorf("%d checks, %d faults", len(checks), len(faults))
		}
		for _, fault := range faults {
			if fault.Line < 0 || fault.Column < 0 || fault.What == "" {
				t.Errorf("%+v", fault)
			}
		}
		for _, c := range checks {
			if v := c.Judge(over(holdfast.Row{"path": value, "kind": "a", "open": false}), now); v.Status == "" || v.Why == "" {
				t.Errorf("%+v", v)
			}
		}
	})
}
