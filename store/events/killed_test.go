package events

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/store/state"
)

const killedBlocks = 3 * perStep

// killedBlock is what the bus would hand on: two events of linux.sshd, of an
// hour that retention leaves or takes.
func killedBlock(seq int) *holdfast.Block {
	at := noon.Add(-time.Duration(seq%6) * time.Hour)
	b := block(seq*2, 2)
	b.Counts[0].Hour = at
	for i := range b.Events {
		b.Events[i].Received = at
	}
	return b
}

// work writes, puts together and drops until there is nothing to do, and kills
// its process at the given step.
func work(dir string, killAt int) error {
	ctx := context.Background()
	c := clock.NewFixed(noon)
	db, err := state.Open(ctx, filepath.Join(dir, "state.db"), c)
	if err != nil {
		return err
	}
	steps := 0
	s, err := Open(ctx, Options{Dir: filepath.Join(dir, "events"), Manifest: db, Clock: c, Log: slog.New(slog.DiscardHandler), Step: func(string) {
		if steps++; steps == killAt {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}})
	if err != nil {
		return err
	}
	w, err := s.NewWriter(ctx, func(*holdfast.Event) []holdfast.Entity { return nil })
	if err != nil {
		return err
	}
	for seq := w.Position() + 1; seq <= killedBlocks; seq++ {
		if err := w.Add(ctx, seq, killedBlock(int(seq))); err != nil {
			return err
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if seq%perStep == 0 {
			if err := tidy(ctx, s, db); err != nil {
				return err
			}
		}
	}
	return tidy(ctx, s, db)
}

func tidy(ctx context.Context, s *Store, db *state.DB) error {
	if _, err := s.CompactOnce(ctx); err != nil {
		return err
	}
	out, err := s.Retain(ctx, Retain{Rules: []holdfast.Retention{{Dataset: "*", Age: holdfast.Duration(2 * time.Hour)}}, Holds: db.LiveHolds})
	if err == nil && len(out.Troubles) > 0 {
		err = fmt.Errorf("%v", out.Troubles)
	}
	return err
}

// TestKilledBetweenSteps kills a process that writes, puts together and drops
// at each of its first steps, and at steps further on. In the end every event
// is there once or in the record of what was dropped.
func TestKilledBetweenSteps(t *testing.T) {
	if dir := os.Getenv("HOLDFAST_EVENTS_CHILD"); dir != "" {
		n, err := strconv.Atoi(os.Getenv("HOLDFAST_EVENTS_KILL"))
		if err == nil {
			err = work(dir, n)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := t.TempDir()
	killed := 0
	for _, at := range []int{1, 2, 3, 4, 23, 1, 1, 2, 1, 2, 7, 24, 1, 1, 1, 2, 3, 0} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledBetweenSteps$")
		cmd.Env = append(os.Environ(), "HOLDFAST_EVENTS_CHILD="+dir, fmt.Sprintf("HOLDFAST_EVENTS_KILL=%d", at))
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !state.Signaled() || state.Signal() != syscall.SIGKILL {
			t.Fatalf("%v\n%s", err, out)
		}
		killed++
	}
	if killed < 12 {
		t.Errorf("killed %d times only", killed)
	}
	l := open(t, dir)
	v := l.holds(t)
	if v.Litter != 0 || v.Blocks != killedBlocks || v.Events+v.Dropped != 2*killedBlocks || v.Dropped != killedBlocks {
		t.Errorf("%+v", v)
	}
	for seq := 1; seq <= killedBlocks; seq++ {
		for _, e := range killedBlock(seq).Events {
			_, err := l.store.Event(context.Background(), e.ID)
			if stays := seq%6 < 3; stays != (err == nil) {
				t.Errorf("block %d: %v", seq, err)
			}
		}
	}
}
