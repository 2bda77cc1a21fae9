package scan

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"holdfast"
	"holdfast/content"
	"holdfast/detect"
	"holdfast/ingest/parser/all"
)

func shipped(t testing.TB) detect.Source {
	t.Helper()
	sub, err := fs.Sub(content.FS, "rules")
	if err != nil {
		t.Fatal(err)
	}
	return detect.Source{Name: "content/rules", FS: sub}
}

// caseOptions are those of detect.RunCases with all parsers.
func caseOptions() detect.Options {
	o := detect.Options{Datasets: map[string]holdfast.Dataset{}}
	parsers := all.All()
	for _, p := range parsers {
		for _, d := range p.Datasets {
			o.Datasets[d.Name] = d
		}
	}
	o.Parse = func(raw []byte) ([]holdfast.Event, error) { return Events(parsers, raw) }
	return o
}

// TestEveryRuleOfOursKeepsItsCases: each has a case that fires and one that does
// not, and they come out as written, read by the parsers that Holdfast ships.
func TestEveryRuleOfOursKeepsItsCases(t *testing.T) {
	results, without, faults, err := detect.RunCases(context.Background(), caseOptions(), nil, shipped(t))
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	for _, r := range results {
		if !r.Passed() {
			t.Errorf("%s:%d: %s: fires is %v, want %v %s", r.File, r.Line, r.Say, r.Fired, r.Want, r.Error)
		}
	}
	for _, m := range without {
		t.Errorf("%s: the rule %s has no cases of both kinds", m.File, m.Key())
	}
	t.Logf("%d cases", len(results))
}

// TestCasesOfRecords has the records of a case read as their source wrote them.
func TestCasesOfRecords(t *testing.T) {
	rule := "title: T\nname: t\nlogsource: {product: windows, category: process_creation}\ndetection: {s: {Image|endswith: '\\x.exe'}, condition: s}\n" +
		"---\ntitle: C\nname: c\ncorrelation: {type: event_count, rules: [t], timespan: 1m, condition: {gte: 3}}\n"
	record := `{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","TimeCreated":{"#attributes":{"SystemTime":"2026-11-23T10:15:04Z"}}},"EventData":{"Image":"C:\\x.exe"}}}`
	fsys := fstest.MapFS{
		"t.yml":      {Data: []byte(rule)},
		"t.test.yml": {Data: []byte("rule: t\ncases:\n- say: one\n  fires: true\n  events: [{raw: '" + record + "'}]\n- say: unknown\n  fires: false\n  events: [{raw: \"\\x01\\x02\"}]\n")},
		"c.test.yml": {Data: []byte("rule: c\ncases:\n- say: three\n  fires: true\n  events: [{repeat: 3, every: 10s, raw: '" + record + "'}]\n" +
			"- say: far apart\n  fires: false\n  events: [{repeat: 3, every: 1m, raw: '" + record + "'}]\n")},
	}
	results, _, faults, err := detect.RunCases(context.Background(), caseOptions(), nil, detect.Source{Name: "x", FS: fsys})
	if err != nil || len(faults) > 0 || len(results) != 4 {
		t.Fatal(results, faults, err)
	}
	for _, r := range results {
		if r.Passed() == (r.Say == "unknown") {
			t.Errorf("%+v", r)
		}
	}
}
