package all_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/all"
	"holdfast/ingest/input/all/hosts"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

type nothing struct{}

func (nothing) Put(context.Context, []holdfast.Record) error { return nil }
func (nothing) Load(string) (string, bool)                   { return "", false }
func (nothing) Save(string, string) error                    { return nil }

// TestHosts: what an agent may open is on the list of all, under the same name.
func TestHosts(t *testing.T) {
	for _, in := range hosts.All() {
		if !slices.ContainsFunc(all.All(), func(x input.Input) bool { return x.Name == in.Name }) {
			t.Errorf("%s is not on the list of all", in.Name)
		}
	}
}

// TestEveryInput holds each input to its contract: described, its own example
// accepted, an option it does not name refused, and gone when told to.
func TestEveryInput(t *testing.T) {
	var names []string
	for _, in := range all.All() {
		names = append(names, in.Name)
		t.Run(in.Name, func(t *testing.T) {
			if in.Title == "" || in.Description == "" || len(in.References) == 0 || in.Options == nil || in.Check == nil || in.Run == nil {
				t.Fatal("the description has gaps")
			}
			if in.Example.Kind != in.Name {
				t.Errorf("the example is of kind %q", in.Example.Kind)
			}
			if err := in.Check(in.Example); err != nil {
				t.Errorf("its own example: %v", err)
			}
			odd := in.Example
			odd.Options = map[string]string{"no such option": "x"}
			if err := in.Check(odd); err == nil {
				t.Error("an unknown option was accepted")
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			cfg := in.Example
			switch in.Name {
			case "file":
				cfg.Where = filepath.Join(t.TempDir(), "x.log")
			case "syslog":
				cfg.Where = "127.0.0.1:0"
			case "s3":
				cfg.Where = "http://127.0.0.1:1/1/queue"
				cfg.Options = map[string]string{"region": "eu-central-1", "endpoint": "http://127.0.0.1:1"}
			case "journald":
				cfg.Options = map[string]string{"dir": t.TempDir()}
			}
			go func() {
				done <- in.Run(ctx, cfg, input.Env{Sink: nothing{}, Positions: nothing{}, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}})
			}()
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("told to end, it said: %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("it did not end")
			}
		})
	}
	if !slices.IsSorted(names) {
		t.Errorf("not by name: %v", names)
	}
}

// TestEveryLeafIsListed finds folders that nobody lists.
func TestEveryLeafIsListed(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		listed := slices.ContainsFunc(all.All(), func(in input.Input) bool { return in.Name == e.Name() })
		if e.IsDir() && e.Name() != "all" && e.Name() != "testdata" && !listed {
			t.Errorf("%s is not listed", e.Name())
		}
	}
}

func TestDefaults(t *testing.T) {
	journal := "file /var/log/auth.log"
	if _, err := exec.LookPath("journalctl"); err == nil {
		journal = "journald "
	}
	for name, c := range map[string]struct {
		files []string
		want  []string
	}{
		"Debian":      {[]string{"var/log/auth.log", "var/log/syslog"}, []string{"file /var/log/auth.log", "file /var/log/syslog"}},
		"Red Hat":     {[]string{"var/log/secure", "var/log/messages"}, []string{"file /var/log/secure", "file /var/log/messages"}},
		"new":         {[]string{"var/log/dpkg.log"}, []string{"file /var/log/auth.log", "file /var/log/syslog"}},
		"systemd":     {[]string{"run/systemd/system/x", "var/log/journal/1/system.journal", "var/log/auth.log"}, []string{journal}},
		"no journal":  {[]string{"run/systemd/system/x", "var/log/auth.log"}, []string{"file /var/log/auth.log"}},
		"not running": {[]string{"var/log/journal/1/system.journal", "var/log/auth.log"}, []string{"file /var/log/auth.log"}},
		"no logs":     {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host.Host{Root: t.TempDir()}
			for _, f := range c.files {
				if err := os.MkdirAll(filepath.Dir(h.Path(f)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(h.Path(f), nil, fs.FileMode(0o644)); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, cfg := range all.Defaults(h) {
				got = append(got, cfg.Kind+" "+strings.TrimPrefix(cfg.Where, h.Root))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
