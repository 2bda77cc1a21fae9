package file_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"holdfast"
)

// distinct returns what came, doubles of one id once.
func (h *host) distinct() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[holdfast.EventID]bool{}
	out := []string{}
	for _, r := range h.records {
		if id := holdfast.NewEventID(r.Source, r.Position, r.Raw, 0); !seen[id] {
			seen[id] = true
			out = append(out, string(r.Raw))
		}
	}
	return out
}

func gz(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// text has lines enough that its beginning tells it from others.
func text(what string, n int) (all string, lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("%s line %d", what, i))
	}
	return strings.Join(lines, "\n") + "\n", lines
}

// expectAll waits for lines in any order.
func (h *host) expectAll(t *testing.T, want ...string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d lines", len(want)), func() bool { return len(h.lines()) >= len(want) })
	got := h.lines()
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func (h *host) finished(name string) bool {
	s, ok := h.Load("file:" + name)
	return ok && strings.Contains(s, `"done":true`)
}

// TestFoldersAndPacked follows a folder: what is there, what comes, deep below,
// packed and not, and not what is left out.
func TestFoldersAndPacked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), []byte("a\n"))
	write(t, filepath.Join(dir, "past.log.2.gz"), gz(t, "past\n"))
	write(t, filepath.Join(dir, "debug", "x.log"), []byte("left out\n"))
	write(t, filepath.Join(dir, ".hidden"), []byte("hidden\n"))
	h := newHost()
	options := map[string]string{"exclude": "*.tmp, " + dir + "/debug/**"}
	stop := h.start(t, dir, options)
	h.expectAll(t, "a")
	waitFor(t, "the past", func() bool { return h.finished(filepath.Join(dir, "past.log.2.gz")) })
	write(t, filepath.Join(dir, "new", "deep", "b.log"), []byte("b\n"))
	write(t, filepath.Join(dir, "new", "c.log.gz"), gz(t, "c1\nc2"))
	write(t, filepath.Join(dir, "new", "d.log.zst"), zst(t, zeekA+"\n1\td\n"))
	write(t, filepath.Join(dir, "new", "x.tmp"), []byte("left out\n"))
	want := []string{"a", "b", "c1", "c2", zeekA + "\n1\td"}
	h.expectAll(t, want...)
	waitFor(t, "the packed ones", func() bool {
		return h.finished(filepath.Join(dir, "new", "c.log.gz")) && h.finished(filepath.Join(dir, "new", "d.log.zst"))
	})
	stop()
	write(t, filepath.Join(dir, "new", "e.log.gz"), gz(t, "e\n")) // while nobody looked
	h.start(t, dir, options)
	h.expectAll(t, append(want, "e")...)
}

func TestDoubleStarPattern(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, n := range []string{"x.log", "a/x.log", "a/b/x.log", "a/b/x.txt", "c.d/e/x.log"} {
		write(t, filepath.Join(dir, n), []byte(n+"\n"))
	}
	h := newHost()
	h.start(t, filepath.Join(dir, "**", "*.log"), map[string]string{"exclude": "c.?"})
	// A pattern without a slash is held against the last part of each folder, too.
	h.expectAll(t, "x.log", "a/x.log", "a/b/x.log")
}

// TestRotatedInsideThePattern renames, then packs, files that the pattern
// matches under their new names too: each line comes once.
func TestRotatedInsideThePattern(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "app.log")
	all, lines := text("first", 50)
	add(t, log, all)
	h := newHost()
	stop := h.start(t, log+"*", nil)
	h.expect(t, lines...)
	move(t, log, log+".1")
	second, more := text("second", 40)
	add(t, log, second)
	want := append(slices.Clone(lines), more...)
	h.expectAll(t, want...)
	// Packed at once, as logrotate does without delaycompress.
	write(t, log+".1.gz", gz(t, all))
	if err := os.Remove(log + ".1"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the packed copy to be known", func() bool { return h.finished(log + ".1.gz") })
	h.expectAll(t, want...)
	stop()
	// While nobody looks: more lines, rotated and packed.
	third, late := text("third", 3)
	add(t, log, third)
	move(t, log+".1.gz", log+".2.gz")
	write(t, log+".1.gz", gz(t, second+third))
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	add(t, log, "now\n")
	h.start(t, log+"*", nil)
	want = append(append(want, late...), "now")
	h.expectAll(t, want...)
	waitFor(t, "both packed copies to be known", func() bool { return h.finished(log+".1.gz") && h.finished(log+".2.gz") })
	h.expectAll(t, want...)
}

// TestCopyTruncateInsideThePattern has the copy match the pattern.
func TestCopyTruncateInsideThePattern(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "app.log")
	all, lines := text("first", 50)
	add(t, log, all)
	h := newHost()
	h.start(t, log+"*", nil)
	h.expect(t, lines...)
	write(t, log+".1", []byte(all+"a line that came before the truncation\n"))
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	want := append(lines, "a line that came before the truncation")
	h.expectAll(t, want...)
	add(t, log, "next\n")
	h.expectAll(t, append(want, "next")...)
}

// TestPackedWrittenSlowly has a packed file that is whole only later.
func TestPackedWrittenSlowly(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "x.log.gz")
	all, lines := text("slow", 20_000)
	b := gz(t, all)
	write(t, name, b[:len(b)/2])
	h := newHost()
	h.start(t, filepath.Dir(name)+"/*.gz", nil)
	waitFor(t, "the note", func() bool { return strings.Contains(h.trouble("file:"+name), "damaged, or not written to its end") })
	if n := len(h.lines()); n == 0 || n >= len(lines) {
		t.Errorf("%d lines of the first half", n)
	}
	write(t, name, b)
	waitFor(t, "the rest", func() bool { return h.finished(name) })
	if d := cmp.Diff(lines, h.lines()); d != "" {
		t.Error(d)
	}
	if s := h.trouble("file:" + name); s != "" {
		t.Errorf("still in trouble: %s", s)
	}
}

// TestBombIsBounded has a packed file that is far larger than logs are.
func TestBombIsBounded(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "x.log.zst")
	line := strings.Repeat("x", 1<<20-1) + "\n"
	write(t, name, zst(t, strings.Repeat(line, 12)))
	h := newHost()
	h.start(t, name, nil)
	waitFor(t, "the note", func() bool { return strings.Contains(h.trouble("file:"+name), "unpacks to more than 8 MiB") })
	if n := len(h.lines()); n != 8 {
		t.Errorf("%d lines", n)
	}
}

// TestEventLogs drops Windows event logs into a folder, one of them damaged.
func TestEventLogs(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("HOLDFAST_CORPUS")
	if corpus == "" {
		t.Skip("needs HOLDFAST_CORPUS")
	}
	var raw []byte
	var err error
	found := ""
	_ = filepath.WalkDir(filepath.Join(corpus, "evtx"), func(p string, d os.DirEntry, _ error) error {
		if info, e := d.Info(); e == nil && strings.HasSuffix(p, ".evtx") && info.Size() > 100<<10 && info.Size() < 2<<20 {
			found = p
			return filepath.SkipAll
		}
		return nil
	})
	if raw, err = os.ReadFile(found); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	h := newHost()
	stop := h.start(t, dir, nil)
	name := filepath.Join(dir, "Security.evtx")
	write(t, name, raw)
	waitFor(t, "the log", func() bool { return h.finished(name) })
	whole := h.lines()
	if len(whole) == 0 || !strings.HasPrefix(whole[0], `{"Event":`) {
		t.Fatalf("%d records of %s", len(whole), found)
	}
	bad := bytes.Clone(raw)
	copy(bad[4096+512+16:], bytes.Repeat([]byte{0xff}, 40))
	damaged := filepath.Join(dir, "damaged.evtx")
	write(t, damaged, bad)
	waitFor(t, "the damaged log", func() bool { return h.finished(damaged) })
	if s := h.trouble("file:" + damaged); !strings.Contains(s, "damaged") {
		t.Errorf("what is damaged is not named: %q", s)
	}
	n := len(h.lines())
	if n <= len(whole) || n >= 2*len(whole) {
		t.Errorf("%d records, then %d", len(whole), n)
	}
	stop()
	h.start(t, dir, nil)
	again := filepath.Join(dir, "again.log")
	write(t, again, []byte("the end\n"))
	waitFor(t, "the end", func() bool { l := h.lines(); return l[len(l)-1] == "the end" })
	if got := len(h.lines()); got != n+1 {
		t.Errorf("%d records were read again", got-n-1)
	}
}
