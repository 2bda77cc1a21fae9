package journald

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/clock"
)

const remote = "/lib/systemd/systemd-journal-remote"

type far struct {
	mu        sync.Mutex
	records   []holdfast.Record
	positions map[string]string
	notes     []string
}

func (f *far) Put(_ context.Context, r []holdfast.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = append(f.records, r...)
	return nil
}

func (f *far) Load(key string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.positions[key]
	return s, ok
}

func (f *far) Save(key, position string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.positions[key] = position
	return nil
}

func (f *far) note(_, trouble string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, trouble)
}

func (f *far) messages() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, r := range f.records {
		out = append(out, fastjson.GetString(r.Raw, "MESSAGE"))
	}
	return out
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func (f *far) start(t *testing.T, dir string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	env := input.Env{Sink: f, Positions: f, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}, Asset: "a", Note: f.note}
	go func() {
		done <- Input().Run(ctx, input.Config{Kind: "journald", Options: map[string]string{"dir": dir}}, env)
	}()
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

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", program)
		}
		t.Skipf("needs %s", program)
	}
}

// write adds a journal file to dir by systemd's own program.
func write(t *testing.T, dir, name string, boot int, at int64, messages ...string) {
	t.Helper()
	var b bytes.Buffer
	for i, m := range messages {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\nMESSAGE=%s\nSYSLOG_IDENTIFIER=sshd\n_HOSTNAME=web1\n_PID=12\n\n", at+int64(i), at-1_795_399_740_000_000+int64(i), boot, m)
	}
	cmd := exec.Command(remote, "-o", filepath.Join(dir, name), "-")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestFollow(t *testing.T) {
	needs(t, "journalctl")
	needs(t, remote)
	dir := t.TempDir()
	long := strings.Repeat("long ", 2000) // journalctl leaves such out, unless told
	write(t, dir, "a.journal", 1, 1_795_399_746_000_000, "one", long)
	f := &far{positions: map[string]string{}}
	stop := f.start(t, dir)
	want := []string{"one", strings.TrimRight(long, "\n")}
	waitFor(t, "two records", func() bool { return len(f.messages()) >= 2 })
	if d := cmp.Diff(want, f.messages()); d != "" {
		t.Fatal(d)
	}
	write(t, dir, "b.journal", 1, 1_795_399_747_000_000, "three")
	waitFor(t, "the record of a new file", func() bool { return len(f.messages()) == 3 })
	stop()
	write(t, dir, "c.journal", 1, 1_795_399_748_000_000, "four")
	write(t, dir, "d.journal", 2, 1_795_399_749_000_000, "five, of the next boot")
	f.start(t, dir)
	waitFor(t, "what came while nobody followed", func() bool { return len(f.messages()) >= 5 })
	if d := cmp.Diff(append(want, "three", "four", "five, of the next boot"), f.messages()); d != "" {
		t.Error(d)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[string]bool{}
	for _, r := range f.records {
		if r.Source != "journald:"+dir || r.Asset != "a" || r.Position == "" || seen[r.Position] {
			t.Errorf("%s at %q", r.Source, r.Position)
		}
		seen[r.Position] = true
	}
}

func TestStartsAgain(t *testing.T) {
	needs(t, "journalctl")
	needs(t, remote)
	dir := filepath.Join(t.TempDir(), "later")
	f := &far{positions: map[string]string{}}
	f.start(t, dir)
	waitFor(t, "the note", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.notes) > 0 && strings.Contains(f.notes[len(f.notes)-1], "No such file or directory")
	})
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a.journal", 1, 1_795_399_746_000_000, "one")
	waitFor(t, "the record", func() bool { return len(f.messages()) == 1 })
	waitFor(t, "health", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.notes[len(f.notes)-1] == "" })
}

func TestCheck(t *testing.T) {
	for _, cfg := range []input.Config{
		{Where: "/var/log"}, {Options: map[string]string{"dir": "rel"}}, {Options: map[string]string{"backfill": "-1"}}, {Options: map[string]string{"x": "y"}},
	} {
		if err := Input().Check(cfg); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add([]byte("{\"__CURSOR\":\"a\"}\n{\"__CURSOR\":\"b\"}\nhalf"))
	f.Add([]byte("\n\n[]\n\x00\xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := make(chan line)
		go func() { defer close(lines); readLines(t.Context(), bytes.NewReader(data), lines) }()
		n := 0
		for l := range lines {
			if n += len(l.raw); n > len(data) || len(l.raw) == 0 {
				t.Errorf("%q: %q", data, l.raw)
			}
		}
	})
}
