package bus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

func open(t testing.TB, dir string, reserve uint64) *Bus {
	t.Helper()
	b, err := Open(context.Background(), Options{Dir: dir, Reserve: reserve, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func block(id string, n int) *holdfast.Block {
	b := &holdfast.Block{ID: id, Made: time.Unix(1, 2).UTC(), Counts: []holdfast.Count{{Source: "file", Received: uint64(n)}}}
	for i := range n {
		e := holdfast.Event{
			ID: holdfast.NewEventID("file", fmt.Sprint(id, i), nil, 0), Time: time.Unix(int64(i), 0).UTC(), Received: time.Unix(3, 0).UTC(), Source: "file",
			Dataset: "linux.sshd", Fields: []holdfast.Field{{Name: "user", Text: "root"}}, Raw: fmt.Appendf(nil, "Failed password for root from 192.0.2.7 port %d ssh2", i),
		}
		b.Events = append(b.Events, e)
	}
	return b
}

// collect reads until n blocks have come.
func collect(t testing.TB, b *Bus, after uint64, n int) map[uint64]*holdfast.Block {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	got := map[uint64]*holdfast.Block{}
	if n == 0 {
		return got
	}
	b.Consume(ctx, after, func(seq uint64, blk *holdfast.Block) error {
		got[seq] = blk
		if len(got) == n {
			cancel()
		}
		return nil
	})
	return got
}

func blocksInOrderAndOnce(t *testing.T, b *Bus) {
	ctx := context.Background()
	for i := range 5 {
		if seq, doubled, err := b.Publish(ctx, block(fmt.Sprint(i), 3)); seq != uint64(i+1) || doubled || err != nil {
			t.Fatal(seq, doubled, err)
		}
	}
	if seq, doubled, err := b.Publish(ctx, block("2", 3)); seq != 3 || !doubled || err != nil {
		t.Fatal(seq, doubled, err)
	}
	got := collect(t, b, 2, 3)
	if len(got) != 3 || got[3].ID != "2" {
		t.Fatal(got)
	}
	if diff := cmp.Diff(block("4", 3), got[5]); diff != "" {
		t.Error(diff)
	}
	if err := b.Release(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if last, _, err := b.Last(ctx); last != 5 || err != nil {
		t.Error(last, err)
	}
	if got := collect(t, b, 0, 2); got[4] == nil || got[5] == nil {
		t.Error(got)
	}
}

func consumerTriesAgain(t *testing.T, b *Bus) {
	if _, _, err := b.Publish(context.Background(), block("a", 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tries := 0
	b.Consume(ctx, 0, func(uint64, *holdfast.Block) error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		cancel()
		return nil
	})
	if tries != 3 {
		t.Errorf("%d tries", tries)
	}
}

func TestNoRoomIsRefusedAndHeals(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root to mount a small tmpfs")
		}
		t.Skip("needs root to mount a small tmpfs")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	b := open(t, filepath.Join(dir, "bus"), 8<<20)
	ctx := context.Background()
	if _, _, err := b.Publish(ctx, block("a", 10)); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 17<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Publish(ctx, block("b", 10)); !errors.Is(err, holdfast.ErrFull) {
		t.Fatalf("with a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Publish(ctx, block("c", 10)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if got := collect(t, b, 0, 2); got[1].ID != "a" || got[2].ID != "c" {
		t.Error(got)
	}
}

// TestKilled has a child publish and say what was acknowledged, kills it at
// random moments, and looks for every acknowledged block, each once.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("HOLDFAST_BUS_CHILD"); dir != "" {
		b := open(t, dir, 1)
		from := os.Getenv("HOLDFAST_BUS_FROM")
		for i := 0; ; i++ {
			id := from + "-" + fmt.Sprint(i)
			for {
				_, _, err := b.Publish(context.Background(), block(id, 20))
				if err == nil {
					break
				}
				if os.Getenv("HOLDFAST_BUS_AGAIN") == "" {
					t.Fatal(err)
				}
			}
			fmt.Println("acked", id)
		}
	}
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range 10 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		cmd.Env = append(os.Environ(), "HOLDFAST_BUS_CHILD="+dir, fmt.Sprintf("HOLDFAST_BUS_FROM=%d", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stopAt := 1 + rand.IntN(60)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				acked[id] = true
				if n++; n == stopAt {
					cmd.Process.Kill()
				}
			}
		}
		cmd.Wait()
	}
	b := open(t, dir, 1)
	last, _, err := b.Last(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, blk := range collect(t, b, 0, int(last)) {
		seen[blk.ID]++
	}
	for id := range acked {
		if seen[id] != 1 {
			t.Errorf("block %s was acknowledged and is there %d times", id, seen[id])
		}
	}
	if len(acked) < 10 {
		t.Errorf("only %d blocks were acknowledged", len(acked))
	}
}

func BenchmarkPublish(b *testing.B) {
	bus := open(b, b.TempDir(), 1)
	blk := block("x", 500)
	n := 0
	for b.Loop() {
		n++
		blk.ID = fmt.Sprint(n)
		if _, _, err := bus.Publish(context.Background(), blk); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*500)/b.Elapsed().Seconds(), "events/s")
}
