package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/netlab"
	"holdfast/spine"
)

// world is the lab with the real programs in it: the server on the management
// host, an agent on the victim, sshd and rsyslogd beside it.
type world struct {
	t      testing.TB
	lab    *netlab.Lab
	server string // programs
	agent  string
	data   string
	asset  string
	args   []string
	follow string // the file that the agent reads

	mu       sync.Mutex
	running  *process
	agentCmd *process
	log      *os.File
}

const (
	syslogPort = "5514"
	user       = "worker"
	password   = "correct-horse-battery"
)

// programs builds the real binaries once for all tests, or takes those that
// HOLDFAST_BIN names.
var programs = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("HOLDFAST_BIN"); bin != "" {
		return filepath.Dir(bin), nil
	}
	dir, err := os.MkdirTemp("", "holdfast-bin-")
	if err != nil {
		return "", err
	}
	for name, cgo := range map[string]string{"holdfast": "1", "holdfast-agent": "0"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "holdfast/cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
	}
	return dir, nil
})

// newWorld makes the world. Forward is where the victim's rsyslogd sends its lines,
// "" for nowhere: the agent reads its file then.
func newWorld(t testing.TB, forward string, args ...string) *world {
	t.Helper()
	netlab.Require(t, "nft", "ssh", "sshpass", "rsyslogd")
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, lab: netlab.New(t), server: filepath.Join(bin, "holdfast"), agent: filepath.Join(bin, "holdfast-agent"), args: args}
	w.data, w.follow = w.lab.Dir("data"), "/var/log/auth.log"
	if forward != "" {
		w.follow = "/var/log/nothing.log"
	}
	if w.log, err = os.Create(filepath.Join(w.lab.Dir("log"), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			b, _ := os.ReadFile(w.log.Name())
			t.Logf("what the programs logged:\n%s", b[max(0, len(b)-8000):])
		}
		w.log.Close()
	})
	w.lab.StartRsyslog(forward)
	w.lab.StartSSHD()
	w.lab.AddUser(user, password)
	w.startServer()
	w.enrol()
	return w
}

func (w *world) startServer() {
	w.t.Helper()
	m := w.lab.Management.Addr.String()
	args := append([]string{
		"up", "--data", w.data, "--no-agent", "--agents", m + ":8444", "--syslog", m + ":" + syslogPort, "--management", m,
	}, w.args...)
	w.mu.Lock()
	w.running = w.start(w.lab.Management, w.server, args...)
	w.mu.Unlock()
	w.wait(time.Minute, "the server answers", func() bool {
		_, code := w.try("status", "--json")
		return code == 0
	})
}

// process is a program that is started again while the one before it, killed a
// moment ago, still holds its lock.
type process struct {
	mu   sync.Mutex
	cmd  *exec.Cmd
	stop bool
	done chan struct{}
}

func (w *world) start(on *netlab.Host, program string, args ...string) *process {
	w.t.Helper()
	p := &process{done: make(chan struct{})}
	launch := func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.stop {
			return errors.New("stopped")
		}
		p.cmd = on.Command(context.Background(), program, args...)
		p.cmd.Stdout, p.cmd.Stderr = w.log, w.log
		return p.cmd.Start()
	}
	if err := launch(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for {
			_ = p.cmd.Wait()
			time.Sleep(50 * time.Millisecond) // the lock is free in a moment
			if launch() != nil {
				return
			}
		}
	}()
	return p
}

// kill ends a program with signal 9, for good.
func (p *process) kill() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stop = true
	_ = p.cmd.Process.Kill()
	p.mu.Unlock()
	<-p.done
}

func (w *world) startAgent(token string) {
	w.t.Helper()
	args := []string{
		"run", "--dir", "/var/lib/holdfast-agent", "--server", "https://" + w.lab.Management.Addr.String() + ":8444", "--input", "file:" + w.follow,
		"--management", w.lab.Management.Addr.String(),
	}
	if token != "" {
		args = append(args, "--token", token)
	}
	w.mu.Lock()
	w.agentCmd = w.start(w.lab.Victim, w.agent, args...)
	w.mu.Unlock()
}

func (w *world) enrol() {
	w.t.Helper()
	var out struct{ Token string }
	w.cli(&out, "assets", "enrol", "--name", "victim")
	w.startAgent(out.Token)
	w.wait(time.Minute, "the victim is an asset with facts", func() bool {
		var assets []holdfast.Asset
		w.cli(&assets, "assets")
		for _, a := range assets {
			if a.Name == "victim" {
				w.asset = a.ID
			}
		}
		if w.asset == "" {
			return false
		}
		_, code := w.try("facts", "sshd", "--asset", "victim", "--json")
		return code == 0
	})
}

// killServer kills the server with signal 9 and starts it again.
func (w *world) killServer() {
	w.t.Helper()
	w.running.kill()
	w.startServer()
}

func (w *world) killAgent() {
	w.t.Helper()
	w.agentCmd.kill()
	w.startAgent("")
}

func (w *world) stop() {
	w.agentCmd.kill()
	w.running.kill()
}

// try runs the command line on the management host and returns what it printed
// and its exit code.
func (w *world) try(args ...string) (string, int) {
	return w.tryAs("", args...)
}

func (w *world) tryAs(token string, args ...string) (string, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := w.lab.Management.Command(ctx, w.server, append([]string{"--data", w.data}, args...)...)
	if token != "" {
		cmd.Env = append(os.Environ(), "HOLDFAST_TOKEN="+token)
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return err.Error(), -1
	}
	if code != 0 && out.Len() == 0 {
		return errOut.String(), code
	}
	return out.String(), code
}

// cli runs the command line with --json and reads its answer. Exit codes 0 and
// 3 (it does not hold) are both answers; while a kill is under way it tries
// again.
func (w *world) cli(into any, args ...string) {
	w.t.Helper()
	var out string
	var code int
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if out, code = w.try(append(args, "--json")...); code != exitUnreachable {
			break
		}
	}
	if code != 0 && code != exitBroken {
		w.t.Fatalf("holdfast %s ended with %d: %s", strings.Join(args, " "), code, out)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (w *world) wait(limit time.Duration, what string, done func() bool) {
	w.t.Helper()
	w.lab.Wait(limit, what, done)
}

// guess makes n real failing logins from the attacker.
func (w *world) guess(n int) {
	w.t.Helper()
	for i := range n {
		if ok, out := w.lab.SSHPassword(w.lab.Attacker, user, fmt.Sprintf("wrong-%d", i)); ok {
			w.t.Fatalf("a wrong password logged in: %s", out)
		}
	}
}

func (w *world) incidents() []holdfast.Incident {
	w.t.Helper()
	var all, out []holdfast.Incident
	w.cli(&all, "incidents")
	for _, in := range all {
		if in.Drill == "" {
			out = append(out, in)
		}
	}
	return out
}

func (w *world) alerts(rule string) []holdfast.Alert {
	w.t.Helper()
	var all, out []holdfast.Alert
	w.cli(&all, "alerts")
	for _, a := range all {
		if a.Drill == "" && (rule == "" || a.Rule == rule) {
			out = append(out, a)
		}
	}
	return out
}

func (w *world) action(part string, statuses ...holdfast.ActionStatus) (holdfast.Action, bool) {
	w.t.Helper()
	var all []holdfast.Action
	w.cli(&all, "actions")
	for _, a := range all {
		if a.Part != part {
			continue
		}
		for _, s := range statuses {
			if a.Status == s {
				return a, true
			}
		}
	}
	return holdfast.Action{}, false
}

func (w *world) status() spine.Status {
	w.t.Helper()
	var st spine.Status
	w.cli(&st, "status")
	return st
}
