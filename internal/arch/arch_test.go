package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "holdfast"

// layers, from below: a package imports only packages of lower layers, its own
// children, and internal plumbing. The first matching prefix decides.
var layers = []struct {
	prefix string
	exact  bool
	layer  int
	name   string
}{
	{"internal", false, 1, "plumbing"},
	{"content", false, 1, "content"},
	{"detect/sigma", false, 2, "language"},
	{"query", true, 2, "language"},
	{"hunt/indicator", true, 2, "language"},
	{"control/requirement", false, 2, "language"},
	{"ingest/evtx", true, 2, "format"},
	{"ingest/frame", true, 2, "format"},
	{"ingest/input", true, 2, "contract"},
	{"ingest/parser", true, 2, "contract"},
	{"assess/collect", true, 2, "contract"},
	{"assess/check", true, 2, "contract"},
	{"control/artefact", true, 2, "contract"},
	{"respond/action", true, 2, "contract"},
	{"ingest", false, 3, "stage or leaf"},
	{"detect", false, 3, "stage or leaf"},
	{"assess", false, 3, "stage or leaf"},
	{"control", false, 3, "stage or leaf"},
	{"respond", false, 3, "stage or leaf"},
	{"drill", false, 3, "stage or leaf"},
	{"query", false, 3, "stage or leaf"},
	{"hunt", false, 3, "stage or leaf"},
	{"store", false, 3, "store"},
	{"agent", false, 4, "agent"},
	{"spine", false, 5, "spine"},
	{"scan", false, 5, "scan"},
	{"web", false, 5, "console"},
	{"api", false, 6, "api"},
	{"cmd", false, 7, "wiring"},
}

// topLevel are the only folders the root may have.
var topLevel = []string{
	".ci", "agent", "api", "assess", "cmd", "content", "control", "detect", "docs", "drill",
	"hunt", "ingest", "internal", "query", "respond", "scan", "spine", "store", "web",
}

func layerOf(pkg string) (int, string) {
	if pkg == "" {
		return 0, "nouns"
	}
	for _, l := range layers {
		if pkg == l.prefix || !l.exact && strings.HasPrefix(pkg, l.prefix+"/") {
			return l.layer, l.name
		}
	}
	return -1, ""
}

func child(parent, pkg string) bool { return strings.HasPrefix(pkg, parent+"/") }

// allowed reports why from must not import to, or "".
func allowed(from, to string) string {
	fl, _ := layerOf(from)
	tl, name := layerOf(to)
	switch {
	case tl < 0:
		return "is in no layer"
	case from == "":
		return "the nouns import nothing of ours"
	case child(from, to) && path.Base(to) != "all":
		return "" // a package may use its own children
	case strings.HasPrefix(from, "internal/"):
		if tl == 0 || strings.HasPrefix(to, "internal/") {
			return ""
		}
		return "plumbing knows only the nouns"
	case (from == "agent" || child("agent", from)) && (strings.HasPrefix(to, "store") || strings.HasPrefix(to, "api") || strings.HasPrefix(to, "web")):
		return "the agent reaches neither store, api nor web"
	case path.Base(from) == "all" && child(path.Dir(from), to):
		return "" // a catalogue's list names its leaves
	case path.Base(path.Dir(from)) == "all" && child(path.Dir(path.Dir(from)), to):
		return "" // a part of that list
	case (path.Base(to) == "all" || path.Base(path.Dir(to)) == "all") && fl < 4:
		return "only the joints and cmd are handed a catalogue's list"
	case tl < fl:
		return ""
	case path.Dir(from) == path.Dir(to) && fl == 4 && strings.Contains(from, "/"):
		return "" // the agent's own parts
	}
	return "imports " + name + " of its own layer or above"
}

func TestImportsGoOneWay(t *testing.T) {
	root := repoRoot(t)
	fset := token.NewFileSet()
	seen := 0
	docs := map[string]bool{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != root && (strings.HasPrefix(n, ".") || n == "testdata" || n == "node_modules" || n == "dist" || n == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		from := strings.TrimPrefix(filepath.ToSlash(rel), ".")
		test := strings.HasSuffix(p, "_test.go")
		if !test {
			docs[from] = docs[from] || f.Doc != nil
		}
		if l, _ := layerOf(from); l < 0 {
			t.Errorf("%s: folder %q is in no layer; give it one in internal/arch", p, from)
		}
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			if name == "encoding/gob" || name == "log" {
				t.Errorf("%s: %s is not used here: typed decoding and slog only", fset.Position(imp.Pos()), name)
			}
			if from == "" && strings.Contains(strings.SplitN(name, "/", 2)[0], ".") && !test {
				t.Errorf("%s: package holdfast imports only the standard library, not %s", fset.Position(imp.Pos()), name)
			}
			if name != module && !strings.HasPrefix(name, module+"/") {
				continue
			}
			seen++
			to := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
			if test && to != from && (from == "cmd" || strings.HasPrefix(to, "internal/") || child(from, to) || to == "content" || path.Base(to) == path.Base(path.Dir(to))+"test" || // what all leaves of a contract are asked
				strings.HasPrefix(from, "store/") && to == "store/state") { // a store is tried with the real state
				continue
			}
			if to == from && test { // package x_test
				continue
			}
			if why := allowed(from, to); why != "" {
				t.Errorf("%s: %s may not import %s: %s", fset.Position(imp.Pos()), from, to, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no import was looked at")
	}
	for pkg, ok := range docs {
		if !ok {
			t.Errorf("package %q has no package comment", pkg)
		}
	}
}

func TestTopLevelFolders(t *testing.T) {
	entries, err := os.ReadDir(repoRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") && e.Name() != ".ci" || e.Name() == "bin" || e.Name() == "holdfast-data" {
			continue
		}
		if !slices.Contains(topLevel, e.Name()) {
			t.Errorf("folder %q has no place in the house; see ARCHITECTURE.md", e.Name())
		}
	}
}

func TestWrongEdgesAreSeen(t *testing.T) {
	for _, c := range [][2]string{
		{"detect", "ingest"},
		{"ingest/input/file", "ingest/input/syslog"},
		{"agent", "store/state"},
		{"", "internal/host"},
		{"respond", "respond/action/all"},
		{"store/events", "store/bus"},
		{"internal/host", "ingest"},
		{"query", "store/events"},
	} {
		if allowed(c[0], c[1]) == "" {
			t.Errorf("%q importing %q went unseen", c[0], c[1])
		}
	}
	for _, c := range [][2]string{
		{"detect", "detect/engine"},
		{"ingest/input/file", "ingest/input"},
		{"ingest/parser/all", "ingest/parser/sshd"},
		{"agent", "ingest/input/all"},
		{"cmd/holdfast", "spine"},
	} {
		if why := allowed(c[0], c[1]); why != "" {
			t.Errorf("%q importing %q: %s", c[0], c[1], why)
		}
	}
}

func repoRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above")
		}
		dir = up
	}
}
