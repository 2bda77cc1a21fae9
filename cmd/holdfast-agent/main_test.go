package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/agent"
	"holdfast/agent/port"
	"holdfast/agent/wire"
	"holdfast/internal/clock"
)

const selfEnv = "HOLDFAST_AGENT_AS_ITSELF"

// TestMain lets the test's own program be holdfast-agent.
func TestMain(m *testing.M) {
	if os.Getenv(selfEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

type ended struct {
	code        int
	out, errOut string
}

// holdfastAgent runs the program to its end, in an environment of its own.
func holdfastAgent(t *testing.T, env []string, args ...string) ended {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(slices.Concat([]string{selfEnv + "=1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// house is the server's end: a real port, with one token and no tasks.
type house struct{ hash string }

func (h house) Enrol(_ context.Context, secret string, _ wire.Host) (string, error) {
	if wire.HashSecret(secret) != h.hash {
		return "", holdfast.ErrForbidden
	}
	return "ast-1", nil
}
func (house) Allowed(context.Context, string, string) error { return nil }
func (house) Events(context.Context, string, string, []holdfast.Record) (wire.Accepted, error) {
	return wire.Accepted{}, nil
}
func (house) Facts(context.Context, string, holdfast.Facts) error     { return nil }
func (house) Heartbeat(context.Context, string, wire.Heartbeat) error { return nil }
func (house) Result(context.Context, string, holdfast.Result) error   { return nil }
func (house) Tasks(ctx context.Context, _ string) ([]holdfast.Task, error) {
	<-ctx.Done()
	return nil, nil
}

func serve(t *testing.T) (server, token string, ca *port.CA) {
	t.Helper()
	ca, err := port.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tok, err := ca.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := port.New(port.Options{CA: ca, Backend: house{tok.Hash()}, TaskKey: pub, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "https://" + ln.Addr().String(), tok.String(), ca
}

func TestEnrolment(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  []string
		code int
		say  string
	}{
		"no server":         {[]string{"enrol", "--token", "TOKEN"}, nil, exitUsage, "which server?"},
		"no https":          {[]string{"enrol", "--server", "http://127.0.0.1:1", "--token", "TOKEN"}, nil, exitUsage, "https://address:port"},
		"no token":          {[]string{"enrol", "--server", "SERVER"}, nil, exitForbidden, "has no token"},
		"cut token":         {[]string{"enrol", "--server", "SERVER", "--token", "CUT"}, nil, exitUsage, "copy it whole"},
		"mistyped token":    {[]string{"enrol", "--server", "SERVER", "--token", "MISTYPED"}, nil, exitUsage, "cut or mistyped"},
		"unknown token":     {[]string{"enrol", "--server", "SERVER", "--token", "UNKNOWN"}, nil, exitForbidden, "unknown, used or expired"},
		"wrong server key":  {[]string{"enrol", "--server", "SERVER", "--token", "WRONG"}, nil, exitForbidden, "not the one that the token names"},
		"by environment":    {[]string{"enrol"}, []string{"HOLDFAST_AGENT_SERVER=SERVER", "HOLDFAST_AGENT_TOKEN=UNKNOWN"}, exitForbidden, "unknown, used or expired"},
		"run, not enrolled": {[]string{"run", "--server", "SERVER"}, nil, exitForbidden, "has no token"},
		"too many words":    {[]string{"enrol", "now"}, nil, exitUsage, "now"},
		"unknown flag":      {[]string{"enrol", "--tokn", "x"}, nil, exitUsage, "--tokn"},
		"unknown command":   {[]string{"enroll"}, nil, exitUsage, "enroll"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, token, ca := serve(t)
			unknown, err := ca.NewToken()
			if err != nil {
				t.Fatal(err)
			}
			other, err := port.NewCA(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			wrong, err := other.NewToken()
			if err != nil {
				t.Fatal(err)
			}
			fill := strings.NewReplacer("SERVER=SERVER", "SERVER="+server, "TOKEN=UNKNOWN", "TOKEN="+unknown.String(), "SERVER", server, "UNKNOWN", unknown.String(),
				"WRONG", wrong.String(), "CUT", token[:30], "MISTYPED", strings.Replace(token, "hf1.", "hf1.!", 1), "TOKEN", token)
			for _, words := range [][]string{c.args, c.env} {
				for i := range words {
					words[i] = fill.Replace(words[i])
				}
			}
			dir := filepath.Join(t.TempDir(), "agent")
			got := holdfastAgent(t, append(c.env, "HOLDFAST_AGENT_DIR="+dir), c.args...)
			if got.code != c.code || !strings.Contains(got.errOut, c.say) || got.out != "" {
				t.Errorf("%+v, want %d and %q", got, c.code, c.say)
			}
			if secret := strings.Split(token, ".")[1]; strings.Contains(got.errOut, secret) {
				t.Error("it shows the token")
			}
			// A refused enrolment leaves no agent, and does not stand in the way of
			// the next.
			if s := holdfastAgent(t, nil, "status", "--dir", dir); s.code != exitNotFound {
				t.Errorf("status: %+v", s)
			}
			if got := holdfastAgent(t, nil, "enrol", "--dir", dir, "--server", server, "--token", token); got.code != exitOK || !strings.Contains(got.out, "ast-1") {
				t.Errorf("then well: %+v", got)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	server, token, _ := serve(t)
	dir := t.TempDir()
	if got := holdfastAgent(t, nil, "status", "--dir", dir); got.code != exitNotFound || !strings.Contains(got.errOut, "no enrolled agent") || got.out != "" {
		t.Errorf("an empty folder: %+v", got)
	}
	if got := holdfastAgent(t, []string{"HOLDFAST_AGENT_TOKEN=" + token}, "enrol", "--dir", dir, "--server", server); got.code != exitOK {
		t.Fatalf("enrol: %+v", got)
	}
	for _, name := range []string{"identity.json", "server"} {
		if i, err := os.Stat(filepath.Join(dir, name)); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, i, err)
		}
	}
	if got := holdfastAgent(t, nil, "status", "--dir", dir); got.code != exitOK || !strings.Contains(got.out, "ast-1") || !strings.Contains(got.out, "running  false") {
		t.Errorf("%+v", got)
	}
	// The server was remembered, so the agent runs with nothing but its folder.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(exe, "run", "--dir", dir, "--input", "file:"+filepath.Join(dir, "none.log"), "--read-only")
	run.Env = append(os.Environ(), selfEnv+"=1")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	status := func() (s agent.Status) {
		got := holdfastAgent(t, nil, "status", "--json", "--dir", dir)
		if err := json.Unmarshal([]byte(got.out), &s); err != nil {
			t.Fatalf("%v: %+v", err, got)
		}
		return s
	}
	end := time.Now().Add(time.Minute)
	for !status().Running {
		if time.Now().After(end) {
			t.Fatal("it does not run")
		}
	}
	if s := status(); s.Asset != "ast-1" || s.Renew.Before(time.Now()) || len(s.Armed) != 0 {
		t.Errorf("%+v", s)
	}
	if got := holdfastAgent(t, nil, "run", "--dir", dir); got.code != exitFailed || !strings.Contains(got.errOut, "another agent") {
		t.Errorf("a second agent: %+v", got)
	}
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Errorf("told to end: %v", err)
	}
	if status().Running {
		t.Error("it still runs")
	}
}

func TestHelpAndVersion(t *testing.T) {
	got := holdfastAgent(t, []string{"HOLDFAST_AGENT_TOKEN=hf1.secret"}, "help")
	for _, w := range []string{"enrol", "run", "status", "version", "Exit codes", "HOLDFAST_AGENT_DIR"} {
		if !strings.Contains(got.out, w) {
			t.Errorf("help does not tell of %q", w)
		}
	}
	if got.code != exitOK || strings.Contains(got.out, "undo-watch") {
		t.Errorf("%+v", got)
	}
	if got := holdfastAgent(t, []string{"HOLDFAST_AGENT_TOKEN=hf1.secret"}, "enrol", "--help"); got.code != exitOK || strings.Contains(got.out, "hf1.secret") || !strings.Contains(got.out, "--server") {
		t.Errorf("%+v", got)
	}
	if got := holdfastAgent(t, nil, "version"); got.code != exitOK || !strings.HasPrefix(got.out, "holdfast-agent "+version+" ") {
		t.Errorf("%+v", got)
	}
}
