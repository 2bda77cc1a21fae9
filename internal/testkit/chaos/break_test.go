package chaos_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"holdfast/internal/testkit/chaos"
	"holdfast/internal/testkit/netlab"
)

// TestInject has the writes of a program fail, and go on when it is let go.
func TestInject(t *testing.T) {
	netlab.Require(t, "strace", "bash")
	file := filepath.Join(t.TempDir(), "file")
	cmd := exec.Command("bash", "-c", `while read -r x; do if rm "$0" 2>/dev/null || : > "$0"; then echo yes; else echo no; fi; done`, file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	ask := func(want string) {
		t.Helper()
		fmt.Fprintln(in, "?")
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, not %q", lines.Text(), want)
		}
	}
	ask("yes")
	i, err := chaos.Inject(cmd.Process.Pid, "openat,unlinkat", "error=ENOSPC")
	if err != nil {
		t.Fatal(err)
	}
	ask("no")
	i.Stop()
	ask("yes")
}

func TestTear(t *testing.T) {
	dir := t.TempDir()
	before := []byte("what was synced stays as it is")
	for n := range 30 {
		name := filepath.Join(dir, fmt.Sprint(n, ".seg"))
		if err := os.WriteFile(name, before, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := chaos.Newest(filepath.Join(dir, "*.seg")); got == "" {
			t.Fatal("no newest file")
		}
		if _, err := chaos.Tear(rand.New(rand.NewPCG(1, uint64(n))), name); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(name); err != nil || !bytes.HasPrefix(b, before) || len(b) == len(before) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}
