package bus

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testkit/chaos"
	"holdfast/internal/testkit/netlab"
)

// TestFailedWriteHeals has writes of the bus fail in a child that publishes, and
// expects that it publishes again when they no longer do, with every acknowledged
// block there once.
func TestFailedWriteHeals(t *testing.T) {
	netlab.Require(t, "strace")
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
	cmd.Env = append(os.Environ(), "HOLDFAST_BUS_CHILD="+dir, "HOLDFAST_BUS_FROM=a", "HOLDFAST_BUS_AGAIN=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := make(chan string, 1<<16)
	go func() {
		defer close(acked)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
				acked <- id
			}
		}
	}()
	all := map[string]bool{}
	await := func(n int) {
		t.Helper()
		for range n {
			select {
			case id := <-acked:
				all[id] = true
			case <-time.After(time.Minute):
				t.Fatal("nothing is published any more")
			}
		}
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	await(5)
	for _, calls := range []string{"pwrite64", "fsync"} {
		i, err := chaos.Inject(cmd.Process.Pid, calls, "error=EIO:when=1", chaos.Newest(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk")))
		if err != nil {
			t.Fatal(err)
		}
		await(len(acked) + 20)
		i.Stop()
		await(len(acked) + 20)
	}
	_ = cmd.Process.Kill()
	for id := range acked {
		all[id] = true
	}
	b := open(t, dir, 1)
	last, _, err := b.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, blk := range collect(t, b, 0, int(last)) {
		seen[blk.ID]++
	}
	for id := range all {
		if seen[id] != 1 {
			t.Errorf("block %s was acknowledged and is there %d times", id, seen[id])
		}
	}
}
