package agent

import (
	"path/filepath"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

func TestChangeIsConfirmedAndItsLeaseEndsWithTheAgentDead(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	asset, stop := l.start(l.options(dir))
	path := filepath.Join(t.TempDir(), "made")
	plan, r := l.apply(asset, "act-1", fileParams{Path: path, Lease: holdfast.Duration(2 * time.Second), Confirm: holdfast.Duration(time.Second)})
	if r.Error != "" || !exists(path) {
		t.Fatalf("apply: %+v", r)
	}
	if r := l.do(l.task(asset, holdfast.VerbConfirm, "act-1", &plan, nil)); r.Error != "" {
		t.Fatalf("confirm: %+v", r)
	}
	if r := l.do(l.task(asset, holdfast.VerbVerify, "act-1", &plan, nil)); r.Proof == nil || !r.Proof.Holds {
		t.Fatalf("verify: %+v", r)
	}
	stop()
	until(t, "the lease's end", func() bool { return !exists(path) })
	if n := counted(path, "undos"); n != 1 {
		t.Fatalf("undone %d times", n)
	}
	until(t, "the watchdog's end", func() bool { // it writes in the folder until it has disarmed the undo
		s, err := ReadStatus(dir, clock.System{})
		return err == nil && len(s.Armed) == 0
	})
}

func TestUnconfirmedChangeIsUndoneAndTold(t *testing.T) {
	l := newLab(t)
	asset, _ := l.start(l.options(t.TempDir()))
	path := filepath.Join(t.TempDir(), "made")
	plan, r := l.apply(asset, "act-1", fileParams{Path: path, Confirm: holdfast.Duration(300 * time.Millisecond)})
	if r.Error != "" {
		t.Fatalf("apply: %+v", r)
	}
	got := l.result(func(r holdfast.Result) bool { return r.Cause == "unconfirmed" })
	if got.Subject != "act-1" || got.Proof == nil || !got.Proof.Holds || exists(path) {
		t.Fatalf("%+v", got)
	}
	if r := l.do(l.task(asset, holdfast.VerbConfirm, "act-1", &plan, nil)); r.Error == "" {
		t.Fatal("a late confirmation was taken")
	}
}

func TestUndoTaskDisarms(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	asset, _ := l.start(l.options(dir))
	path := filepath.Join(t.TempDir(), "made")
	plan, _ := l.apply(asset, "act-1", fileParams{Path: path, Lease: holdfast.Duration(time.Hour)})
	if r := l.do(l.task(asset, holdfast.VerbUndo, "act-1", &plan, nil)); r.Error != "" || r.Proof == nil || !r.Proof.Holds || exists(path) {
		t.Fatalf("undo: %+v", r)
	}
	s, err := ReadStatus(dir, clock.System{})
	if err != nil || len(s.Armed) != 0 || !s.Running || s.Asset != asset {
		t.Fatalf("%+v, %v", s, err)
	}
}
