package detect

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
)

// TestRunCases has every way in which a case can come out.
func TestRunCases(t *testing.T) {
	rule := "title: A\nname: a\nlogsource: {product: linux, service: sshd}\ndetection: {s: {user: root}, condition: s}\n---\ntitle: B\nname: b\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 2}}\n"
	event := func(user string) string {
		return "    events: [{dataset: linux.sshd, repeat: 2, every: 1s, fields: {user: " + user + "}}]\n"
	}
	fsys := fstest.MapFS{
		"a.yml": {Data: []byte(rule)},
		"a.test.yml": {Data: []byte("rule: a\ncases:\n  - say: fires\n    fires: true\n" + event("root") +
			"  - say: silent\n    fires: false\n" + event("bob") + "  - say: wrong\n    fires: false\n" + event("root") + "  - say: unsaid\n" + event("root"))},
		"b.test.yml":    {Data: []byte("rule: b\ncases:\n  - say: two\n    fires: true\n" + event("root"))},
		"gone.test.yml": {Data: []byte("rule: gone\ncases: []\n")},
		"bad.test.yml":  {Data: []byte("rule: [\n")},
	}
	got, without, faults, err := RunCases(context.Background(), Options{Datasets: datasets()}, nil, Source{"x", fsys})
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	want := []struct {
		at     string
		passed bool
		why    string
	}{{"a.test.yml fires", true, ""}, {"a.test.yml silent", true, ""}, {"a.test.yml wrong", false, ""}, {"a.test.yml unsaid", false, "does not say"}, {"b.test.yml two", true, ""}, {"bad.test.yml ", false, "cannot be read"}, {"gone.test.yml ", false, `no rule "gone"`}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		if g := got[i]; "x/"+w.at != g.File+" "+g.Say || g.Passed() != w.passed || !strings.Contains(g.Error, w.why) {
			t.Errorf("%+v, expected %+v", g, w)
		}
	}
	if len(without) != 1 || without[0].Name != "b" {
		t.Errorf("without both kinds: %+v", without)
	}
}
