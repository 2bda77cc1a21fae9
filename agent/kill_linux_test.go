package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// killWatchdogs kills the watchdogs of an agent's folder and says how many.
func killWatchdogs(t *testing.T, dir string) (n int) {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		b, err := os.ReadFile(p)
		if err != nil || !bytes.Contains(b, []byte("\x00undo-watch\x00--dir\x00"+dir+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(p)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestKilledWithItsWatchdog stands for a host that lost its power: nothing is
// left to undo. The agent does so at its start, with no server to ask.
func TestKilledWithItsWatchdog(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "made")
	p := l.process(t.TempDir())
	plan, r := l.apply(p.asset(), "act-1", fileParams{Path: path, Confirm: soon})
	if r.Error != "" || plan.Confirm != soon {
		t.Fatalf("apply: %+v", r)
	}
	e, armed := p.armed("act-1")
	if !armed {
		t.Fatal("no undo is armed")
	}
	p.kill()
	if n := killWatchdogs(t, p.dir); n != 1 {
		t.Fatalf("%d watchdogs were there", n)
	}
	time.Sleep(time.Until(e.Deadline) + 500*time.Millisecond)
	if !exists(path) || counted(path, "undos") != 0 {
		t.Fatal("somebody undid it, though all were killed")
	}
	away := *l
	away.server = "https://127.0.0.1:1"
	away.process(p.dir)
	until(t, "the undo", func() bool { _, armed := p.armed("act-1"); return !armed })
	if exists(path) || counted(path, "undos") != 1 {
		t.Errorf("made %v, undone %d times", exists(path), counted(path, "undos"))
	}
}

// TestWatchdogIsStartedAgain kills a watchdog while its agent runs on, and
// starts the agent anew: the change is watched, and undone on time.
func TestWatchdogIsStartedAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "made")
	p := l.process(t.TempDir())
	if _, r := l.apply(p.asset(), "act-1", fileParams{Path: path, Confirm: 2 * soon}); r.Error != "" {
		t.Fatalf("apply: %+v", r)
	}
	if n := killWatchdogs(t, p.dir); n != 1 {
		t.Fatalf("%d watchdogs were there", n)
	}
	p.kill()
	p = l.process(p.dir)
	p.undoneOnTime("act-1")
	if exists(path) || counted(path, "undos") != 1 {
		t.Errorf("made %v, undone %d times", exists(path), counted(path, "undos"))
	}
}
