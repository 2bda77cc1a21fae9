package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/frame"
	"holdfast/ingest/input"
	"holdfast/ingest/input/file"
	"holdfast/internal/clock"
)

// host is the far side of an input: it takes records, keeps positions and hears
// notes, over several runs of the input.
type host struct {
	mu        sync.Mutex
	records   []holdfast.Record
	positions map[string]string
	notes     map[string]string
	refuse    error
}

func newHost() *host { return &host{positions: map[string]string{}, notes: map[string]string{}} }

func (h *host) Put(_ context.Context, r []holdfast.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return h.refuse
	}
	h.records = append(h.records, r...)
	return nil
}

func (h *host) Load(key string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.positions[key]
	return s, ok
}

func (h *host) Save(key, position string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.positions[key] = position
	return nil
}

func (h *host) note(source, trouble string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes[source] = trouble
}

func (h *host) trouble(source string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.notes[source]
}

func (h *host) lines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []string{}
	for _, r := range h.records {
		out = append(out, string(r.Raw))
	}
	return out
}

func (h *host) env() input.Env {
	return input.Env{Sink: h, Positions: h, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}, Asset: "a", Note: h.note}
}

// start runs the input until the returned function is called.
func (h *host) start(t *testing.T, where string, options map[string]string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cfg := input.Config{Kind: "file", Where: where, Options: options}
	go func() { done <- file.RunBriefly(ctx, cfg, h.env()) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func (h *host) expect(t *testing.T, want ...string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("the last of %d lines", len(want)), func() bool { return len(h.lines()) >= len(want) })
	if d := cmp.Diff(want, h.lines()); d != "" {
		t.Fatal(d)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[holdfast.EventID]string{}
	for _, r := range h.records {
		id := holdfast.NewEventID(r.Source, r.Position, r.Raw, 0)
		if at, ok := seen[id]; ok {
			t.Errorf("two records have one id: %s and %s", at, r.Position)
		}
		seen[id] = r.Position
	}
}

func add(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = io.WriteString(f, text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "one\n\ntwo\r\nthr")
	h := newHost()
	h.start(t, log, nil)
	h.expect(t, "one", "two")
	add(t, log, "ee\nfour\n")
	h.expect(t, "one", "two", "three", "four")
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.records[0]; r.Source != "file:"+log || r.Asset != "a" || r.Received.IsZero() || r.Truncated {
		t.Errorf("%+v", r)
	}
}

func TestRotationByRename(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "one\n")
	h := newHost()
	h.start(t, log, nil)
	h.expect(t, "one")
	move(t, log, log+".1")
	add(t, log+".1", "two, by a writer that has not heard\n")
	add(t, log, "three\n")
	waitFor(t, "three lines", func() bool { return len(h.lines()) == 3 })
	add(t, log+".1", "four\n")
	waitFor(t, "four lines", func() bool { return len(h.lines()) == 4 })
	add(t, log, "five\n")
	waitFor(t, "five lines", func() bool { return len(h.lines()) == 5 })
	got := h.lines()
	slices.Sort(got)
	if d := cmp.Diff([]string{"five", "four", "one", "three", "two, by a writer that has not heard"}, got); d != "" {
		t.Error(d)
	}
}

func TestCopyAndTruncate(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "same\n")
	h := newHost()
	h.start(t, log, nil)
	h.expect(t, "same")
	for i := range 3 {
		if err := os.Truncate(log, 0); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the truncation", func() bool {
			s, _ := h.Load("file:" + log)
			return strings.Contains(s, fmt.Sprintf(`"gen":%d,"off":0`, i+2))
		})
		add(t, log, "same\n") // at the same place: it must be another event
		h.expect(t, slices.Repeat([]string{"same"}, i+2)...)
	}
}

func TestTruncatedAndLongerAtOnce(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "one\n")
	h := newHost()
	h.start(t, log, nil)
	h.expect(t, "one")
	if err := os.WriteFile(log, []byte("another, longer\nsecond\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.expect(t, "one", "another, longer", "second")
}

func TestRestart(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "one\n")
	h := newHost()
	stop := h.start(t, log, nil)
	h.expect(t, "one")
	stop()
	add(t, log, "two\nthr")
	stop = h.start(t, log, nil)
	h.expect(t, "one", "two")
	stop()
	// Rotated while nobody watched, and another truncated copy under its name.
	add(t, log, "ee\n")
	move(t, log, log+".1")
	add(t, log, "four\n")
	stop = h.start(t, log, nil)
	waitFor(t, "four lines", func() bool { return len(h.lines()) == 4 })
	got := h.lines()[2:]
	slices.Sort(got)
	if d := cmp.Diff([]string{"four", "three"}, got); d != "" {
		t.Error(d)
	}
	stop()
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	add(t, log, "5\n")
	h.start(t, log, nil)
	waitFor(t, "five lines", func() bool { return len(h.lines()) == 5 })
}

// TestCrash forgets the last position: what is read again must be the same
// events.
func TestCrash(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "one\n")
	h := newHost()
	stop := h.start(t, log, nil)
	h.expect(t, "one")
	saved, _ := h.Load("file:" + log)
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the truncation", func() bool { s, _ := h.Load("file:" + log); return strings.Contains(s, `"off":0`) })
	add(t, log, "2\n")
	h.expect(t, "one", "2")
	stop()
	if err := h.Save("file:"+log, saved); err != nil {
		t.Fatal(err)
	}
	h.start(t, log, nil)
	waitFor(t, "the line again", func() bool { return len(h.lines()) == 3 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.records[1].Position != h.records[2].Position {
		t.Errorf("%s became %s", h.records[1].Position, h.records[2].Position)
	}
}

func TestLongAndBinaryLines(t *testing.T) {
	log := filepath.Join(t.TempDir(), "app.log")
	h := newHost()
	h.start(t, log, nil)
	waitFor(t, "the note that it is missing", func() bool { return h.trouble("file:"+log) != "" })
	long := strings.Repeat("x", 10<<20)
	add(t, log, "before\n"+long+"\n\x00\xff\xfe\nafter\n"+long[:input.MaxRecord]+"\n"+long[:input.MaxRecord+1]+"\nend\n")
	want := []string{"before"}
	pieces := []string{"0 false"}
	for i := range 10 {
		want = append(want, long[:input.MaxRecord])
		pieces = append(pieces, fmt.Sprint(i, " ", i < 9))
	}
	h.expect(t, append(want, "\x00\xff\xfe", "after", long[:input.MaxRecord], long[:input.MaxRecord], "x", "end")...)
	pieces = append(pieces, "0 false", "0 false", "0 false", "0 true", "1 false", "0 false")
	var got []string
	h.mu.Lock()
	for _, r := range h.records {
		got = append(got, fmt.Sprint(r.Part, " ", r.Truncated))
	}
	h.mu.Unlock()
	if d := cmp.Diff(pieces, got); d != "" {
		t.Error(d)
	}
	if s := h.trouble("file:" + log); s != "" {
		t.Errorf("still in trouble: %s", s)
	}
}

func TestWhereToBegin(t *testing.T) {
	for name, c := range map[string]struct {
		options map[string]string
		want    []string
	}{
		"default":  {nil, []string{"one", "two", "three", "new"}},
		"end":      {map[string]string{"backfill": "0"}, []string{"new"}},
		"backfill": {map[string]string{"backfill": "8"}, []string{"three", "new"}},
		"start":    {map[string]string{"from": "start", "backfill": "0"}, []string{"one", "two", "three", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "auth.log")
			add(t, log, "one\ntwo\nthree\n")
			h := newHost()
			h.start(t, log, c.options)
			waitFor(t, "the first position", func() bool { _, ok := h.Load("file:" + log); return ok })
			add(t, log, "new\n")
			h.expect(t, c.want...)
		})
	}
}

func TestPattern(t *testing.T) {
	dir := t.TempDir()
	add(t, filepath.Join(dir, "a.log"), "a\n")
	add(t, filepath.Join(dir, "a.log.2.gz"), "packed\n")
	h := newHost()
	h.start(t, filepath.Join(dir, "*.log*"), map[string]string{"backfill": "0"})
	waitFor(t, "the first position", func() bool { _, ok := h.Load("file:" + filepath.Join(dir, "a.log")); return ok })
	add(t, filepath.Join(dir, "b.log"), "b, whole: it is new\n")
	h.expect(t, "b, whole: it is new")
}

func TestRefusedIsOfferedAgain(t *testing.T) {
	log := filepath.Join(t.TempDir(), "auth.log")
	add(t, log, "one\n")
	h := newHost()
	h.refuse = fmt.Errorf("the disk: %w", holdfast.ErrFull)
	h.start(t, log, nil)
	waitFor(t, "the note", func() bool { return strings.Contains(h.trouble("file:"+log), "no room") })
	h.mu.Lock()
	h.refuse = nil
	h.mu.Unlock()
	h.expect(t, "one")
	waitFor(t, "health", func() bool { return h.trouble("file:"+log) == "" })
}

func TestCheck(t *testing.T) {
	for _, cfg := range []input.Config{
		{Where: "auth.log"},
		{Where: "/var/log/[", Options: nil},
		{Where: "/x", Options: map[string]string{"from": "middle"}},
		{Where: "/x", Options: map[string]string{"backfill": "-1"}},
		{Where: "/x", Options: map[string]string{"colour": "red"}},
	} {
		if err := file.Input().Check(cfg); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if err := file.Input().Check(file.Input().Example); err != nil {
		t.Error(err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nthr"))
	f.Add([]byte("\n\n\x00\xff"))
	for _, lines := range tables() {
		f.Add([]byte(strings.Join(lines, "\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		log := filepath.Join(t.TempDir(), "x.log")
		if err := os.WriteFile(log, append(data, "\nthe end\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		h := newHost()
		stop := h.start(t, log, map[string]string{"from": "start"})
		// By the bytes that were written: a table's records carry its header.
		waitFor(t, "the end", func() bool {
			s, _ := h.Load("file:" + log)
			return strings.Contains(s, fmt.Sprintf(`"off":%d,`, size(t, log)))
		})
		waitFor(t, "what is held back", func() bool { s, _ := h.Load("file:" + log); return !strings.Contains(s, `"back"`) })
		stop()
		var want []string
		if frame.For(data) != nil {
			want = framedBy(strings.Split(string(data)+"\nthe end", "\n"))
		} else {
			for line := range bytes.SplitSeq(append(data, "\nthe end"...), []byte("\n")) {
				if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 {
					want = append(want, string(line))
				}
			}
		}
		if want == nil {
			want = []string{}
		}
		if d := cmp.Diff(want, h.lines()); d != "" {
			t.Error(d)
		}
	})
}
