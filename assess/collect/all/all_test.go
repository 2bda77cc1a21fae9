package all_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/assess/collect/all"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

func at(root string) *host.Host {
	h := host.New(slog.New(slog.DiscardHandler), clock.System{})
	h.Root = root
	return h
}

// ours are the collectors for the system that the test runs on.
func ours(t *testing.T) []collect.Collector {
	t.Helper()
	var out []collect.Collector
	for _, c := range all.All() {
		if len(c.OS) == 0 || slices.Contains(c.OS, runtime.GOOS) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		t.Skipf("no collector is for %s", runtime.GOOS)
	}
	return out
}

// TestEveryCollectorIsDescribed holds each to what its description promises.
func TestEveryCollectorIsDescribed(t *testing.T) {
	name, column := regexp.MustCompile(`^[a-z]+\.[a-z]+$`), regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	var names []string
	tables := map[string]string{}
	for _, c := range all.All() {
		names = append(names, c.Name)
		if !name.MatchString(c.Name) || len(c.Description) < 20 || !strings.HasSuffix(c.Description, ".") || len(c.References) == 0 || len(c.OS) == 0 || len(c.Tables) == 0 || c.Collect == nil {
			t.Errorf("%s: the description has gaps", c.Name)
		}
		if right, why, ok := strings.Cut(c.Needs, ": "); c.Needs != "" && (!ok || right == "" || why == "") {
			t.Errorf("%s needs %q, which says no right and what lacks without it", c.Name, c.Needs)
		}
		for _, s := range c.Tables {
			if other, ok := tables[s.Name]; ok {
				t.Errorf("the table %s is promised by %s and %s", s.Name, other, c.Name)
			}
			tables[s.Name] = c.Name
			seen := map[string]bool{}
			for _, col := range s.Columns {
				if seen[col.Name] || col.Name != collect.Rest && !column.MatchString(col.Name) {
					t.Errorf("%s.%s stands twice, or is no name", s.Name, col.Name)
				}
				seen[col.Name] = true
				if !slices.Contains([]string{"string", "int", "bool", "list"}, col.Type) {
					t.Errorf("%s.%s is of the type %q", s.Name, col.Name, col.Type)
				}
			}
			if len(seen) == 0 {
				t.Errorf("the table %s has no columns", s.Name)
			}
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != len(all.All()) {
		t.Errorf("not by name, or listed twice: %v", names)
	}
}

// run collects, and fails the test for a panic and for tables that are not as
// they were promised.
func run(ctx context.Context, t *testing.T, c collect.Collector, h *host.Host) (tables []holdfast.Table, err error) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s panics: %v", c.Name, p)
		}
	}()
	tables, err = c.Collect(ctx, h)
	if err != nil {
		return tables, err
	}
	for _, s := range c.Tables {
		if !slices.ContainsFunc(tables, func(tb holdfast.Table) bool { return tb.Name == s.Name }) {
			t.Errorf("%s does not give its table %s", c.Name, s.Name)
		}
	}
	for _, tb := range tables {
		i := slices.IndexFunc(c.Tables, func(s collect.Schema) bool { return s.Name == tb.Name })
		if i < 0 {
			t.Errorf("%s gives the table %s, which it does not promise", c.Name, tb.Name)
			continue
		}
		if tb.Collected.IsZero() || tb.Rows == nil || tb.Error != "" && len(tb.Rows) > 0 || len(tb.Rows) > collect.MaxRows {
			t.Errorf("%s: %d rows with the error %q, collected %s", tb.Name, len(tb.Rows), tb.Error, tb.Collected)
		}
		typed(t, c.Tables[i], tb)
	}
	return tables, nil
}

func typed(t *testing.T, s collect.Schema, tb holdfast.Table) {
	t.Helper()
	types := map[string]string{}
	for _, col := range s.Columns {
		types[col.Name] = col.Type
	}
	said := map[string]bool{}
	for _, r := range tb.Rows {
		if len(r) == 0 {
			t.Errorf("%s has an empty row", tb.Name)
		}
		for k, v := range r {
			want, ok := types[k]
			if !ok {
				want = types[collect.Rest]
			}
			if got := typeOf(v); got != want && !said[k] {
				said[k] = true
				t.Errorf("%s.%s is a %s (%#v), declared as %q", tb.Name, k, got, v, want)
			}
		}
	}
}

func typeOf(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case int64:
		return "int"
	case bool:
		return "bool"
	case []any:
		for _, x := range v {
			if _, ok := x.(string); !ok {
				return fmt.Sprintf("list of %T", x)
			}
		}
		return "list"
	}
	return fmt.Sprintf("%T", v)
}

// TestThisHost collects what the machine has that the test runs on.
func TestThisHost(t *testing.T) {
	rows := 0
	for _, c := range ours(t) {
		tables, err := run(t.Context(), t, c, at(""))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		for _, tb := range tables {
			rows += len(tb.Rows)
		}
	}
	if rows == 0 {
		t.Error("this host has nothing")
	}
}

const nobodyEnv = "HOLDFAST_COLLECT_AS_NOBODY"

// TestWithoutRightsAndPrograms runs this test's program as nobody with an empty
// PATH: what cannot be read is said, and for what it takes root, that is said.
func TestWithoutRightsAndPrograms(t *testing.T) {
	if os.Getenv(nobodyEnv) != "" || os.Geteuid() != 0 {
		withoutRightsAndPrograms(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "collect-") // one that nobody may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "all.test")
	copied(t, program, self)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestWithoutRightsAndPrograms$", "-test.v")
	cmd.Dir, cmd.Env = "/", []string{nobodyEnv + "=1", "PATH=", "TMPDIR=/tmp"}
	asNobody(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestWithoutRightsAndPrograms") {
		t.Errorf("%v\n%s", err, out)
	}
}

func copied(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func withoutRightsAndPrograms(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Fatal("it is still root")
	}
	t.Setenv("PATH", "")
	for _, c := range ours(t) {
		tables, err := run(t.Context(), t, c, at(""))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		for _, tb := range tables {
			if strings.Contains(tb.Error, "permission denied") && !strings.Contains(tb.Error, "root") {
				t.Errorf("%s does not say who may: %s", tb.Name, tb.Error)
			}
			if tb.Error != "" && !names(tb.Error) {
				t.Errorf("%s does not say what is missing: %s", tb.Name, tb.Error)
			}
		}
	}
}

// names reports whether an error names a path or a program.
func names(err string) bool {
	return strings.Contains(err, "/") || strings.Contains(err, "executable file not found")
}

// TestOnAnEmptyHost gives every collector a host that has no file and no
// program: an empty table would say that somebody looked.
func TestOnAnEmptyHost(t *testing.T) {
	t.Setenv("PATH", "")
	for _, c := range ours(t) {
		tables, err := run(t.Context(), t, c, at(t.TempDir()))
		if err != nil && !names(err.Error()) {
			t.Errorf("%s does not say what is missing: %v", c.Name, err)
		}
		for _, tb := range tables {
			if tb.Error == "" || !names(tb.Error) {
				t.Errorf("%s has %d rows and the error %q", tb.Name, len(tb.Rows), tb.Error)
			}
		}
	}
}

// TestToldToStop cancels before a collector begins, and while it is at work.
func TestToldToStop(t *testing.T) {
	for _, c := range ours(t) {
		before, cancel := context.WithCancel(t.Context())
		cancel()
		if tables, err := run(before, t, c, at("")); !errors.Is(err, context.Canceled) || len(tables) > 0 {
			t.Errorf("%s gives %d tables all the same: %v", c.Name, len(tables), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		h := at("")
		h.Clock = cancels{cancel} // each asks it when it begins a table
		began := time.Now()
		tables, err := run(ctx, t, c, h)
		cancel()
		if !errors.Is(err, context.Canceled) || len(tables) > 0 {
			t.Errorf("%s gives %d tables while it is stopped: %v", c.Name, len(tables), err)
		}
		if took := time.Since(began); took > collect.MaxTime {
			t.Errorf("%s took %s to stop", c.Name, took)
		}
	}
}

// cancels is a clock that stops who asks it.
type cancels struct{ cancel context.CancelFunc }

func (c cancels) Now() time.Time {
	c.cancel()
	return time.Now()
}

// TestBounded gives the collectors files with more lines than a table has rows,
// and then files larger than any is read.
func TestBounded(t *testing.T) {
	long := map[string]string{
		"etc/passwd":          "u:x:1:1::/h:/s\n",
		"etc/group":           "g:x:1:a\n",
		"etc/sudoers":         "u ALL=(ALL) ALL\n",
		"proc/self/mounts":    "d /p f o 0 0\n",
		"proc/self/net/tcp":   "0: 00000000:0016 00000000:0000 0A 0 0 0 0 0 1\n",
		"var/lib/dpkg/status": "Package: a\nVersion: 1\nStatus: install ok installed\n\n",
	}
	for name, c := range map[string]struct {
		fill func(path, line string) error
		ok   func(tb holdfast.Table) bool
	}{
		"lines": {
			func(path, line string) error {
				return os.WriteFile(path, []byte(strings.Repeat(line, collect.MaxRows+2)), 0o600)
			},
			func(tb holdfast.Table) bool {
				return tb.Error == "" && len(tb.Rows) == collect.MaxRows && tb.Partial != ""
			},
		},
		"bytes": {
			func(path, _ string) error {
				return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, host.MaxFile+1))
			},
			func(tb holdfast.Table) bool { return len(tb.Rows) == 0 && strings.Contains(tb.Error, "larger than") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := at(t.TempDir())
			for p, line := range long {
				if err := os.MkdirAll(filepath.Dir(h.Path(p)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := c.fill(h.Path(p), line); err != nil {
					t.Fatal(err)
				}
			}
			looked := 0
			for _, col := range ours(t) {
				began := time.Now()
				tables, err := run(t.Context(), t, col, h)
				if took := time.Since(began); took > collect.MaxTime || err != nil {
					t.Errorf("%s took %s: %v", col.Name, took, err)
				}
				for _, tb := range tables {
					if !slices.Contains([]string{"accounts", "groups", "sudoers", "mounts", "listeners", "packages"}, tb.Name) {
						continue
					}
					if looked++; !c.ok(tb) {
						t.Errorf("%s has %d rows, the error %q, partial %q", tb.Name, len(tb.Rows), tb.Error, tb.Partial)
					}
				}
			}
			if looked != len(long) {
				t.Errorf("%d tables were looked at, not %d", looked, len(long))
			}
		})
	}
}
