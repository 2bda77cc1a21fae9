package assess

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
	"holdfast/assess/collect/linux"
	"holdfast/content"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

var (
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
)

const good = `title: T
severity: high
description: D
over: sysctl
expect: row.value == '1'
say: "{key} is {value}"
fix: F
`

func TestFaultsArePlacedAndTheRestLoads(t *testing.T) {
	a := New(Options{Clock: clock.NewFixed(noon), Log: quiet})
	fsys := fstest.MapFS{"linux/good.yaml": {Data: []byte(good)}}
	for name, x := range map[string]struct{ text, at string }{
		"key":      {strings.Replace(good, "over:", "overr:", 1), "key.yaml:4:1: there is no key"},
		"severity": {strings.Replace(good, "high", "huge", 1), `severity.yaml:2:11: "huge" is no severity`},
		"cel":      {strings.Replace(good, "== '1'", "== ", 1), "cel.yaml:5:"},
		"type":     {strings.Replace(good, "row.value == '1'", "size(facts)", 1), "type.yaml:5:9: expect gives int"},
		"yaml":     {"title: [", "yaml.yaml:"},
		"nothing":  {strings.Replace(good, "over: sysctl\n", "", 1), "nothing.yaml:1:1: a check over no table"},
		"alias":    {good + "references: &a [x]\nmaps: *a\n", "alias.yaml:9:1: aliases"},
	} {
		fsys[name+".yaml"] = &fstest.MapFile{Data: []byte(x.text)}
	}
	faults := a.Load(Source{"here", fsys})
	if len(a.List()) != 1 || a.List()[0].ID != "linux.good" {
		t.Errorf("%d checks were loaded", len(a.List()))
	}
	all := faults.Error()
	for _, at := range []string{"key.yaml:4:1: there is no key", `severity.yaml:2:11: "huge" is no severity`, "cel.yaml:5:", "type.yaml:5:9: expect gives int", "yaml.yaml:", "nothing.yaml:1:1: a check over no table", "alias.yaml:9:1: aliases"} {
		if !strings.Contains(all, at) {
			t.Errorf("no fault %q in\n%s", at, all)
		}
	}
}

func facts(value string, at time.Time) holdfast.Facts {
	return holdfast.Facts{Asset: "ast-1", Tables: map[string]holdfast.Table{"sysctl": {Name: "sysctl", Collected: at, Rows: []holdfast.Row{{"key": "a", "value": value}}}}}
}

func TestSinceAndFindings(t *testing.T) {
	c := clock.NewFixed(noon)
	a := New(Options{Clock: c, Log: quiet})
	a.Load(Source{"here", fstest.MapFS{"good.yaml": {Data: []byte(good)}}})
	v1, f1 := a.Judge(facts("0", noon), nil, nil)
	if v1[0].Status != holdfast.Fail || v1[0].Why != "a is 0" || v1[0].Decided["value"] != "0" || len(f1) != 1 {
		t.Fatalf("%+v %v", v1[0], f1)
	}
	c.Advance(time.Hour)
	v2, f2 := a.Judge(facts("0", noon.Add(time.Hour)), v1, f1)
	if !v2[0].Since.Equal(noon) || len(f2) != 0 {
		t.Errorf("since %s, %v", v2[0].Since, f2)
	}
	v3, f3 := a.Judge(facts("1", noon.Add(time.Hour)), v2, f1)
	if v3[0].Status != holdfast.Pass || len(f3) != 1 || f3[0].Closed.IsZero() || f3[0].ID != f1[0].ID {
		t.Errorf("%+v %v", v3[0], f3)
	}
	c.Advance(48 * time.Hour)
	if v, _ := a.Judge(facts("1", noon), v3, nil); v[0].Status != holdfast.Unknown {
		t.Errorf("old facts give %s", v[0].Status)
	}
	broken := facts("1", c.Now())
	tb := broken.Tables["sysctl"]
	tb.Error = "no right"
	broken.Tables["sysctl"] = tb
	if v, _ := a.Judge(broken, v3, nil); v[0].Status != holdfast.Unknown || !strings.Contains(v[0].Why, "no right") {
		t.Errorf("%+v", v[0])
	}
	tb.Error, tb.Rows = "", nil
	broken.Tables["sysctl"] = tb
	if v, _ := a.Judge(broken, v3, nil); v[0].Status != holdfast.Unknown {
		t.Errorf("an empty table gives %s", v[0].Status)
	}
}

// BenchmarkHost collects all facts of this machine and judges all shipped
// checks.
func BenchmarkHost(b *testing.B) {
	a := New(Options{Clock: clock.System{}, Log: quiet})
	sub, err := fs.Sub(content.FS, "checks")
	if err != nil {
		b.Fatal(err)
	}
	a.Load(Source{"content/checks", sub})
	h := host.New(quiet, clock.System{})
	for b.Loop() {
		f := holdfast.Facts{Asset: "ast-1", Tables: map[string]holdfast.Table{}}
		for _, c := range linux.Collectors() {
			tables, err := c.Collect(context.Background(), h)
			if err != nil {
				b.Fatal(err)
			}
			for _, t := range tables {
				f.Tables[t.Name] = t
			}
		}
		if v, _ := a.Judge(f, nil, nil); len(v) < 30 {
			b.Fatal(len(v))
		}
	}
}
