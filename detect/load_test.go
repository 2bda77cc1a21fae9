package detect

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/detect/sigma"
)

// core is the public rule set, if it is there.
func core(tb testing.TB) []Source {
	tb.Helper()
	dir := os.Getenv("HOLDFAST_CORPUS")
	if dir == "" {
		dir = "../../shared/corpus"
	}
	var out []Source
	for _, sub := range []string{"rules", "rules-emerging-threats", "rules-threat-hunting"} {
		path := filepath.Join(dir, "sigma", sub)
		if _, err := os.Stat(path); err != nil {
			tb.Skipf("%s is not there; HOLDFAST_CORPUS names the corpus", path)
		}
		out = append(out, Dir(path))
	}
	return out
}

// BenchmarkLoad reads and parses the core set. With -cpu 1 it is one core's
// figure; "MB" is what the rules keep.
func BenchmarkLoad(b *testing.B) {
	sources := core(b)
	b.ReportAllocs()
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	before := heap()
	var set sigma.Set
	for b.Loop() {
		if set, _ = Read(sources, &sigma.Parser{}); len(set.Rules) < 3000 {
			b.Fatalf("%d rules", len(set.Rules))
		}
	}
	b.ReportMetric(heap()-before, "MB")
	runtime.KeepAlive(set)
}

const plainRule = "title: good\nlogsource: {product: linux}\ndetection:\n  s: {a: b}\n  condition: s\n"

// TestBadFolders reads a folder in which everything that can be wrong is, and
// still finds the one good rule.
func TestBadFolders(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("good.yml", plainRule)
	write("empty.yml", "")
	write("text.yml", "not a rule")
	write("latin.yml", "title: caf\xe9\n")
	write("binary.yml", string(make([]byte, 4096)))
	write("README.md", "not looked at")
	write("notes.txt", plainRule)
	write("closed.yml", plainRule)
	large, err := os.Create(filepath.Join(dir, "large.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := large.Truncate(4 << 30); err != nil {
		t.Fatal(err)
	}
	large.Close()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo.yml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"loop.yml": "loop.yml", "pipe.yml": "fifo.yml", "gone.yml": "nowhere", "up": "..", "zero.yml": "/dev/zero", "dir.yml": "."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	set, faults := Read([]Source{Dir(dir)}, &sigma.Parser{})
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	// closed.yml has the title of good.yml.
	if len(set.Rules) != 1 || set.Rules[0].Title != "good" {
		t.Errorf("%d rules", len(set.Rules))
	}
	told := map[string]bool{}
	for _, f := range faults {
		told[filepath.Base(f.File)] = true
		if f.Do == "" || f.What == "" {
			t.Errorf("%+v", f)
		}
	}
	for _, name := range []string{"empty.yml", "text.yml", "latin.yml", "binary.yml", "large.yml", "fifo.yml", "loop.yml", "pipe.yml", "gone.yml", "zero.yml", "dir.yml"} {
		if !told[name] {
			t.Errorf("nothing is said of %s", name)
		}
	}
	for _, name := range []string{"README.md", "notes.txt", "folder.yml", "up"} {
		if told[name] {
			t.Errorf("%s is a fault", name)
		}
	}
	if _, faults := Read([]Source{Dir(filepath.Join(dir, "none"))}, &sigma.Parser{}); len(faults) != 1 {
		t.Errorf("a folder that is not there: %v", faults)
	}
}

// TestManyFiles is a folder of more files than are read.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 50,000 files")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yml"), []byte(plainRule), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range maxFiles {
		if i%1000 == 0 {
			if err := os.Mkdir(filepath.Join(dir, fmt.Sprint("x", i/1000)), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("x", i/1000), fmt.Sprint(i, ".yml")), []byte("title: x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	set, faults := Read([]Source{Dir(dir)}, &sigma.Parser{})
	t.Log(time.Since(begin))
	if len(set.Rules) != 1 || len(faults) != maxFaults+1 || !strings.Contains(faults[0].What, "more than") {
		t.Errorf("%d rules, %d faults, the first %v", len(set.Rules), len(faults), faults[0])
	}
}

// TestPlaceholdersBesideRules are read with them, and looked at again when they
// change.
func TestPlaceholdersBesideRules(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("r.yml", strings.Replace(plainRule, "a: b", "'a|expand': '%admins%'", 1))
	d := New(Options{})
	if faults := d.Load(Dir(dir)); len(faults) != 1 || !strings.Contains(faults[0].What, "placeholders.yml") {
		t.Error(faults)
	}
	before := d.stamp()
	write("placeholders.yml", "admins: [root, 'adm_*']\n")
	if d.stamp() == before {
		t.Error("new placeholders go unseen")
	}
	if faults := d.Reload(); len(faults) > 0 || len(d.Rules()) != 1 {
		t.Error(faults)
	}
	if l, err := LintRules(t.Context(), Options{}, Dir(dir)); err != nil || l.Errors > 0 {
		t.Error(l, err)
	}
	write("placeholders.yml", "admins: []\n'a b': x\nok: [1]\n")
	if faults := d.Reload(); len(faults) != 3 || faults[0].Line != 1 || faults[1].Line != 2 || len(d.Rules()) != 1 {
		t.Error(faults)
	}
}

// TestLintShowsContradictions names the item that keeps a rule from firing.
func TestLintShowsContradictions(t *testing.T) {
	text := "title: t\nlogsource: {product: linux}\ndetection:\n  s:\n    a: x\n    b|contains: one\n    b|re: '^[0-9]+$'\n  condition: s\n"
	l, err := LintRules(t.Context(), Options{}, Source{Name: "r", FS: fstest.MapFS{"never.yml": {Data: []byte(text)}, "good.yml": {Data: []byte(plainRule)}}})
	if err != nil || l.Errors != 1 {
		t.Fatal(l, err)
	}
	for _, f := range l.Findings {
		if f.Severity == LintError && (f.Check != "never-fires" || f.Line != 6 || f.Column != 5 || !strings.Contains(f.What, "b must contain one, and b must match")) {
			t.Error(f)
		}
	}
}
