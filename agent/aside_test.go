package agent

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// note waits for a heartbeat with a note on the source.
func (l *lab) note(source string) {
	l.t.Helper()
	until(l.t, "a note on "+source, func() bool {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		return len(l.m.beats) > 0 && l.m.beats[len(l.m.beats)-1].Notes[source] != ""
	})
}

func TestDamagedFilesStallNothing(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut": `{"result":{"task":"tsk`, "of nothing": "{}", "noise": "\x00\xff"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			o := l.options(t.TempDir())
			asset, stop := l.start(o)
			path := filepath.Join(t.TempDir(), "made")
			plan, r := l.apply(asset, "act-1", fileParams{Path: path, Lease: late})
			if r.Error != "" {
				t.Fatalf("apply: %+v", r)
			}
			l.m.refuse(true) // so that a good result waits behind the damaged one
			waiting := l.task(asset, holdfast.VerbVerify, "act-1", &plan, nil)
			l.m.give(waiting)
			until(t, "a kept result", func() bool {
				return exists(filepath.Join(o.Dir, "results", holdfast.StableID("result", waiting.ID)+".json"))
			})
			stop()
			damaged := []string{"results/result-0.json", "tasks/task-0.json", "tasks/counter"}
			for _, d := range damaged {
				write(t, filepath.Join(o.Dir, d), text)
			}
			l.m.refuse(false)
			l.start(o)
			if r := l.resultOf(waiting.ID); r.Proof == nil || !r.Proof.Holds {
				t.Errorf("what waited behind it: %+v", r)
			}
			if r := l.do(l.task(asset, holdfast.VerbUndo, "act-1", &plan, nil)); r.Error != "" || exists(path) {
				t.Errorf("a new task: %+v", r)
			}
			for _, d := range damaged {
				l.note(d + ".corrupt")
				if b, err := os.ReadFile(filepath.Join(o.Dir, d+".corrupt")); err != nil || string(b) != text {
					t.Errorf("%s was kept as %q, %v", d, b, err)
				}
			}
		})
	}
}

// TestDamagedResultIsFoundOutAgain has the server ask again for a task whose
// result was damaged: it is neither refused as a replay nor applied twice.
func TestDamagedResultIsFoundOutAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := l.options(t.TempDir())
	asset, stop := l.start(o)
	path := filepath.Join(t.TempDir(), "made")
	plan, r := l.apply(asset, "act-1", fileParams{Path: path, Lease: late})
	if r.Error != "" {
		t.Fatalf("apply: %+v", r)
	}
	stop()
	write(t, filepath.Join(o.Dir, "results", holdfast.StableID("result", r.Task)+".json"), "{")
	l.m.lose(r.Task)
	l.start(o)
	if again := l.resultOf(r.Task); again.Error != "" || again.Refused {
		t.Errorf("%+v", again)
	}
	if n := counted(path, "applies"); n != 1 || !exists(path) {
		t.Errorf("applied %d times", n)
	}
	if r := l.do(l.task(asset, holdfast.VerbUndo, "act-1", &plan, nil)); r.Error != "" {
		t.Errorf("undo: %+v", r)
	}
}

// TestResultThatCannotBeKeptIsKeptLater stands for a disk that is full for a
// while.
func TestResultThatCannotBeKeptIsKeptLater(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := l.options(t.TempDir())
	asset, _ := l.start(o)
	path := filepath.Join(t.TempDir(), "made")
	plan, r := l.apply(asset, "act-1", fileParams{Path: path})
	if r.Error != "" {
		t.Fatalf("apply: %+v", r)
	}
	touch(t, path+".hold-before")
	task := l.task(asset, holdfast.VerbApply, "act-2", &plan, nil)
	l.m.give(task)
	until(t, "the apply", func() bool { return exists(path + ".at-before") })
	results := filepath.Join(o.Dir, "results")
	if err := os.Rename(results, results+".away"); err != nil {
		t.Fatal(err)
	}
	write(t, results, "")
	if err := os.Remove(path + ".hold-before"); err != nil {
		t.Fatal(err)
	}
	l.note("tasks")
	if err := os.Remove(results); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(results+".away", results); err != nil {
		t.Fatal(err)
	}
	if r := l.resultOf(task.ID); r.Error != "" || counted(path, "applies") != 2 {
		t.Errorf("%+v, applied %d times", r, counted(path, "applies"))
	}
	until(t, "the note to go", func() bool {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		return l.m.beats[len(l.m.beats)-1].Notes["tasks"] == ""
	})
}
