package assess

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/assess/collect/linux"
	"holdfast/content"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

var (
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	quiet = slog.New(slog.DiscardHandler)
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

// TestChecksAskForWhatIsCollected holds that every table and column that a
// shipped check reads is one that a collector promises.
func TestChecksAskForWhatIsCollected(t *testing.T) {
	promised := map[string][]string{}
	for _, c := range linux.Collectors() {
		for _, s := range c.Tables {
			for _, col := range s.Columns {
				promised[s.Name] = append(promised[s.Name], col.Name)
			}
		}
	}
	column := regexp.MustCompile(`row\.([a-z_0-9]+)|\{([a-z_0-9]+)\}`)
	for _, c := range shipped(t).List() {
		for _, name := range c.Tables() {
			if promised[name] == nil {
				t.Errorf("%s reads the table %s, which nothing collects", c.ID, name)
			}
		}
		table := c.Tables()[0]
		if over := c.Over(); over != "" {
			table = over
		}
		if slices.Contains(promised[table], "…") {
			continue // sshd -T has keywords of its own
		}
		for _, m := range column.FindAllStringSubmatch(c.Source, -1) {
			if name := m[1] + m[2]; !slices.Contains(promised[table], name) {
				t.Errorf("%s reads %s.%s, which nothing collects", c.ID, table, name)
			}
		}
	}
}

func shipped(t testing.TB) *Assessor {
	t.Helper()
	sub, err := fs.Sub(content.FS, "checks")
	if err != nil {
		t.Fatal(err)
	}
	a := New(Options{Clock: clock.System{}, Log: quiet})
	if faults := a.Load(Source{"content/checks", sub}); len(faults) > 0 {
		t.Fatal(faults)
	}
	return a
}

func TestABrokenFileLeavesTheRunningCheck(t *testing.T) {
	a := New(Options{Clock: clock.NewFixed(noon), Log: quiet})
	fsys := fstest.MapFS{"good.yaml": {Data: []byte(good)}, "other.yaml": {Data: []byte(good)}}
	a.Load(Source{"here", fsys})
	fsys["good.yaml"] = &fstest.MapFile{Data: []byte("title: [")}
	if faults := a.Load(Source{"here", fsys}); len(faults) != 1 || len(a.List()) != 2 {
		t.Fatalf("%v, %d checks", faults, len(a.List()))
	}
	v, found := a.Judge(facts("0", noon), nil, nil)
	if len(v) != 2 || len(found) != 2 {
		t.Fatalf("%v %v", v, found)
	}
	delete(fsys, "good.yaml") // taken away by a person: its finding ends
	a.Load(Source{"here", fsys})
	v, ended := a.Judge(facts("0", noon), v, found)
	if len(v) != 1 || len(ended) != 1 || ended[0].Check != "good" || ended[0].Closed.IsZero() {
		t.Errorf("%v %v", v, ended)
	}
}

// TestReload changes a file and waits for the Assessor to see it.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one.yaml", good)
	a := New(Options{Clock: clock.System{}, Log: quiet})
	a.Load(Source{dir, os.DirFS(dir)})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	seen := make(chan holdfast.Faults, 9)
	go a.Watch(ctx, 5*time.Millisecond, func(f holdfast.Faults) { seen <- f })
	write("two.yaml", good)
	write("three.yaml", "no: yes\n")
	for {
		select {
		case <-ctx.Done():
			t.Fatalf("%d checks, %v", len(a.List()), a.Faults())
		case f := <-seen:
			if len(a.List()) == 2 && len(f) == 1 && strings.HasSuffix(f[0].File, "three.yaml") && f[0].Line == 1 {
				return
			}
		}
	}
}

// BenchmarkHost collects all facts of this machine and judges all shipped
// checks.
func BenchmarkHost(b *testing.B) {
	a := shipped(b)
	h := host.New(quiet, clock.System{})
	for b.Loop() {
		f := collect.Run(context.Background(), h, "ast-1", linux.Collectors(), 0)
		if v, _ := a.Judge(f, nil, nil); len(v) < 30 {
			b.Fatal(len(v))
		}
	}
}
