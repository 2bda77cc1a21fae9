package detect

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/internal/clock"
)

// TestABrokenRuleKeepsItsLastGoodVersion breaks a rule in every way that a
// person would while it runs: what stood there before stays in force, the fault
// is told, and both end with the mending, or with the file.
func TestABrokenRuleKeepsItsLastGoodVersion(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "own.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = "title: Own\nid: 6c0d7f2e-59e2-4d7a-9d0b-0d7f3a3c1a11\nlogsource: {product: linux}\ndetection:\n  sel:\n    action: login_failed\n  condition: sel\n"
	d := New(Options{Datasets: datasets(), Clock: clock.NewFixed(begin)})
	write(good)
	if f := d.Load(Dir(dir)); len(f) > 0 {
		t.Fatal(f)
	}
	at := time.Duration(0)
	fires := func() bool {
		at += time.Hour
		return len(run(d, 0, failures(0, 1, at, "192.0.2.7", "")...)) > 0
	}
	if !fires() {
		t.Fatal("the rule does not fire")
	}
	for name, bad := range map[string]string{
		"no YAML":            "title: [",
		"unknown modifier":   "title: Own\nlogsource: {product: linux}\ndetection:\n  sel:\n    a|wrong: 1\n  condition: sel\n",
		"no such selection":  "title: Own\nlogsource: {product: linux}\ndetection:\n  sel:\n    a: 1\n  condition: other\n",
		"a regex that is no": "title: Own\nlogsource: {product: linux}\ndetection:\n  sel:\n    a|re: '('\n  condition: sel\n",
	} {
		write(bad)
		if f := d.Reload(); len(f) == 0 || f[0].File != file || f[0].Line == 0 {
			t.Errorf("%s: faults %v", name, f)
		}
		if !fires() {
			t.Errorf("%s: the rule that was running does not run any more", name)
		}
		if f := d.Reload(); len(f) == 0 || !fires() {
			t.Errorf("%s: a second look at it: %v", name, f)
		}
	}
	write(good)
	if f := d.Reload(); len(f) > 0 || len(d.Rules()) != 1 || !fires() {
		t.Errorf("mended: %v, %d rules", f, len(d.Rules()))
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if f := d.Reload(); len(f) > 0 || fires() {
		t.Errorf("a rule whose file is gone still runs: %v", f)
	}
}
