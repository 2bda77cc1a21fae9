//go:build unix

package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast"
	"holdfast/agent/undo"
	"holdfast/internal/clock"
)

// process is an agent in a process of its own, and of its own process group.
type process struct {
	l   *lab
	dir string
	cmd *exec.Cmd
}

func (l *lab) process(dir string) *process {
	l.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	p := &process{l: l, dir: dir, cmd: exec.Command(exe, "agent", "--dir", dir, "--server", l.server, "--token", l.token)}
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(p.kill)
	until(l.t, "an agent that runs", func() bool {
		s, err := ReadStatus(dir, clock.System{})
		return err == nil && s.Running
	})
	return p
}

// kill ends the agent and all of its process group without any warning.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

func (p *process) asset() string {
	p.l.t.Helper()
	s, err := ReadStatus(p.dir, clock.System{})
	if err != nil {
		p.l.t.Fatal(err)
	}
	return s.Asset
}

func (p *process) armed(subject string) (undo.Entry, bool) {
	e, err := undo.Store{Dir: filepath.Join(p.dir, "undo"), Clock: clock.System{}}.Get(subject)
	return e, err == nil
}

// undoneOnTime waits for the armed undo, which is to come when it is due and not
// before.
func (p *process) undoneOnTime(subject string) {
	t := p.l.t
	t.Helper()
	e, ok := p.armed(subject)
	if !ok {
		t.Fatal("no undo is armed")
	}
	until(t, "the undo", func() bool { _, armed := p.armed(subject); return !armed })
	if late := time.Since(e.Deadline); late < 0 {
		t.Errorf("the undo ended %s before its deadline", -late)
	}
}

// open reports whether the agent keeps a file of a task under way.
func (p *process) open(id string) bool {
	return exists(filepath.Join(p.dir, "tasks", holdfast.StableID("task", id)+".json"))
}

func (p *process) planned(subject string, q fileParams) holdfast.Plan {
	p.l.t.Helper()
	r := p.l.do(p.l.task(p.asset(), holdfast.VerbPlan, subject, nil, q))
	if r.Error != "" || r.Plan == nil {
		p.l.t.Fatalf("plan: %+v", r)
	}
	return *r.Plan
}

// TestKilledAtWork kills the agent inside an apply: before anything has been
// changed, with the undo armed, and after, with nobody told.
func TestKilledAtWork(t *testing.T) {
	for where, made := range map[string]bool{"before": false, "after": true} {
		t.Run(where+" the change, and dead until the undo", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			path := filepath.Join(t.TempDir(), "made")
			p := l.process(t.TempDir())
			plan := p.planned("act-1", fileParams{Path: path, Confirm: soon})
			touch(t, path+".hold-"+where)
			task := l.task(p.asset(), holdfast.VerbApply, "act-1", &plan, nil)
			l.m.give(task)
			until(t, "the apply", func() bool { return exists(path + ".at-" + where) })
			if exists(path) != made {
				t.Fatalf("made: %v", !made)
			}
			p.kill()
			p.undoneOnTime("act-1")
			if exists(path) || counted(path, "undos") != 1 {
				t.Fatalf("the file is there: %v; undone %d times", exists(path), counted(path, "undos"))
			}
			if err := os.Remove(path + ".hold-" + where); err != nil {
				t.Fatal(err)
			}
			p = l.process(p.dir)
			if r := l.resultOf(task.ID); !strings.Contains(r.Error, "undid the change on time") {
				t.Errorf("the task's result: %+v", r)
			}
			u := l.result(func(r holdfast.Result) bool { return r.Cause == undo.Unconfirmed })
			if u.Subject != "act-1" || u.Proof == nil || !u.Proof.Holds {
				t.Errorf("the undo's result: %+v", u)
			}
			applies := counted(path, "applies")
			if _, armed := p.armed("act-1"); armed || exists(path) || applies > 1 || p.open(task.ID) {
				t.Errorf("armed %v, made %v, applied %d times, open %v", armed, exists(path), applies, p.open(task.ID))
			}
		})
		t.Run(where+" the change, and started again", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			path := filepath.Join(t.TempDir(), "made")
			p := l.process(t.TempDir())
			plan := p.planned("act-1", fileParams{Path: path, Confirm: late})
			touch(t, path+".hold-"+where)
			task := l.task(p.asset(), holdfast.VerbApply, "act-1", &plan, nil)
			l.m.give(task)
			until(t, "the apply", func() bool { return exists(path + ".at-" + where) })
			was, ok := p.armed("act-1")
			if !ok {
				t.Fatal("it applies unarmed")
			}
			p.kill()
			if err := os.Remove(path + ".hold-" + where); err != nil {
				t.Fatal(err)
			}
			p = l.process(p.dir)
			if r := l.resultOf(task.ID); r.Error != "" || r.Plan == nil {
				t.Errorf("the task's result: %+v", r)
			}
			now, armed := p.armed("act-1")
			if !exists(path) || counted(path, "applies") != 1 || counted(path, "undos") != 0 || !armed || !now.Deadline.Equal(was.Deadline) {
				t.Errorf("made %v, applied %d, undone %d, armed %v until %s, before %s", exists(path), counted(path, "applies"), counted(path, "undos"), armed, now.Deadline, was.Deadline)
			}
			if r := l.do(l.task(p.asset(), holdfast.VerbUndo, "act-1", &plan, nil)); r.Error != "" {
				t.Errorf("undo: %+v", r)
			}
		})
	}
}

// TestKilledBeforeTheResultIsPosted has the server take no result until the
// agent is dead.
func TestKilledBeforeTheResultIsPosted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "made")
	p := l.process(t.TempDir())
	plan := p.planned("act-1", fileParams{Path: path, Confirm: soon})
	l.m.refuse(true)
	task := l.task(p.asset(), holdfast.VerbApply, "act-1", &plan, nil)
	l.m.give(task)
	until(t, "a kept result", func() bool {
		return exists(filepath.Join(p.dir, "results", holdfast.StableID("result", task.ID)+".json"))
	})
	p.kill()
	if !exists(path) {
		t.Fatal("nothing was made")
	}
	p.undoneOnTime("act-1")
	if exists(path) {
		t.Fatal("the file is still there")
	}
	l.m.refuse(false)
	l.process(p.dir)
	if r := l.resultOf(task.ID); r.Error != "" {
		t.Errorf("the change was made, its result says: %+v", r)
	}
	if u := l.result(func(r holdfast.Result) bool { return r.Cause == undo.Unconfirmed }); u.Subject != "act-1" {
		t.Errorf("the undo's result: %+v", u)
	}
	if n := counted(path, "applies"); n != 1 {
		t.Errorf("applied %d times", n)
	}
}

// TestKilledInAConfirmation kills the agent after it took the confirmation and
// before it dropped the undo, and after it dropped it and before it could say.
func TestKilledInAConfirmation(t *testing.T) {
	// begin confirms with the undo held, so that the confirmation stands still.
	begin := func(t *testing.T, q fileParams) (p *process, task holdfast.Task, letGo func()) {
		l := newLab(t)
		p = l.process(t.TempDir())
		plan := p.planned("act-1", q)
		if r := l.do(l.task(p.asset(), holdfast.VerbApply, "act-1", &plan, nil)); r.Error != "" {
			t.Fatalf("apply: %+v", r)
		}
		held, err := undo.Store{Dir: filepath.Join(p.dir, "undo"), Clock: clock.System{}}.Lock(t.Context(), "act-1")
		if err != nil {
			t.Fatal(err)
		}
		task = l.task(p.asset(), holdfast.VerbConfirm, "act-1", &plan, nil)
		l.m.give(task)
		until(t, "a confirmation under way", func() bool { return p.open(task.ID) })
		return p, task, func() { _ = held.Unlock() }
	}
	t.Run("undo not dropped, dead until it is due", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "made")
		p, task, letGo := begin(t, fileParams{Path: path, Confirm: soon})
		p.kill()
		letGo()
		p.undoneOnTime("act-1")
		p = p.l.process(p.dir)
		if r := p.l.resultOf(task.ID); !strings.Contains(r.Error, "too late") {
			t.Errorf("the confirmation's result: %+v", r)
		}
		if exists(path) || counted(path, "undos") != 1 {
			t.Errorf("made %v, undone %d times", exists(path), counted(path, "undos"))
		}
	})
	t.Run("undo not dropped, started again", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "made")
		p, task, letGo := begin(t, fileParams{Path: path, Confirm: late})
		p.kill()
		letGo()
		p = p.l.process(p.dir)
		if r := p.l.resultOf(task.ID); r.Error != "" {
			t.Errorf("the confirmation's result: %+v", r)
		}
		if _, armed := p.armed("act-1"); armed || !exists(path) || counted(path, "undos") != 0 {
			t.Errorf("armed %v, made %v, undone %d times", armed, exists(path), counted(path, "undos"))
		}
	})
	for name, q := range map[string]fileParams{"dropped": {Confirm: late}, "left to the lease": {Confirm: late, Lease: holdfast.Duration(4 * time.Second)}} {
		t.Run("undo "+name+", nobody told", func(t *testing.T) {
			t.Parallel()
			q.Path = filepath.Join(t.TempDir(), "made")
			if q.Lease > 0 {
				q.Confirm = soon
			}
			p, task, letGo := begin(t, q)
			// No result can be kept, so that the confirmation ends and is not told.
			results := filepath.Join(p.dir, "results")
			if err := os.Rename(results, results+".away"); err != nil {
				t.Fatal(err)
			}
			touch(t, results)
			letGo()
			until(t, "the confirmation's effect", func() bool {
				e, armed := p.armed("act-1")
				return !armed || e.Cause == undo.Lease
			})
			p.kill()
			if !p.open(task.ID) {
				t.Fatal("it was told")
			}
			if err := os.Remove(results); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(results+".away", results); err != nil {
				t.Fatal(err)
			}
			if q.Lease > 0 {
				if !exists(q.Path) {
					t.Error("undone before the lease's end")
				}
				p.undoneOnTime("act-1")
				p = p.l.process(p.dir)
				if u := p.l.result(func(r holdfast.Result) bool { return r.Cause == undo.Lease }); u.Subject != "act-1" || exists(q.Path) {
					t.Errorf("made %v, %+v", exists(q.Path), u)
				}
				return
			}
			p = p.l.process(p.dir)
			if r := p.l.resultOf(task.ID); r.Error != "" {
				t.Errorf("the confirmation's result: %+v", r)
			}
			if !exists(q.Path) || counted(q.Path, "undos") != 0 {
				t.Errorf("made %v, undone %d times", exists(q.Path), counted(q.Path, "undos"))
			}
		})
	}
}

// TestSlowChangeIsUndoneOnceMore has the undo come while apply is still at work.
func TestSlowChangeIsUndoneOnceMore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "made")
	p := l.process(t.TempDir())
	plan := p.planned("act-1", fileParams{Path: path, Confirm: holdfast.Duration(500 * time.Millisecond)})
	touch(t, path+".hold-before")
	task := l.task(p.asset(), holdfast.VerbApply, "act-1", &plan, nil)
	l.m.give(task)
	until(t, "the undo", func() bool { return counted(path, "undos") == 1 })
	until(t, "its end", func() bool { _, armed := p.armed("act-1"); return !armed })
	if err := os.Remove(path + ".hold-before"); err != nil {
		t.Fatal(err)
	}
	if r := l.resultOf(task.ID); !strings.Contains(r.Error, "took longer") {
		t.Errorf("%+v", r)
	}
	if exists(path) || counted(path, "applies") != 1 {
		t.Errorf("made %v, applied %d times", exists(path), counted(path, "applies"))
	}
}
