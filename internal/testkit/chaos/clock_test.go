package chaos_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testkit/chaos"
)

// TestClock has a child of Go tell the time after jumps.
func TestClock(t *testing.T) {
	if os.Getenv("HOLDFAST_CLOCK_CHILD") != "" {
		in := bufio.NewScanner(os.Stdin)
		for start := time.Now(); in.Scan(); {
			fmt.Println("now", time.Now().Unix(), time.Since(start).Milliseconds())
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestClock$")
	cmd.Env = append(os.Environ(), "HOLDFAST_CLOCK_CHILD=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c, err := chaos.Start(cmd, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait(); _ = c.Close() }()
	lines := bufio.NewScanner(out)
	for _, d := range []time.Duration{0, 90 * time.Minute, -48 * time.Hour, 0} {
		if err := c.Set(d); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("the clock of a process cannot be set here")
		} else if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(in, "?")
		if !lines.Scan() {
			t.Fatal("no answer")
		}
		f := strings.Fields(lines.Text())
		at, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Unix(at, 0).Sub(time.Now().Add(d)).Abs(); off > time.Minute {
			t.Errorf("after a jump by %s the time is %s off", d, off)
		}
		if ms, err := strconv.Atoi(f[2]); err != nil || ms < 0 || ms > 60_000 {
			t.Errorf("after a jump by %s the monotonic clock went on by %s ms", d, f[2])
		}
	}
}

// TestClockOfC has a program of C tell the time by all that C has for it.
func TestClockOfC(t *testing.T) {
	cmd := exec.Command("bash", "-c", `read; printf '%(%s)T\n' -1; echo "$EPOCHSECONDS"; echo "${EPOCHREALTIME%[.,]*}"`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	c, err := chaos.Start(cmd, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const d = -3 * time.Hour
	if err := c.Set(d); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the clock of a process cannot be set here")
	} else if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(out.String()) {
		at, err := strconv.ParseInt(f, 10, 64)
		if err != nil || time.Unix(at, 0).Sub(time.Now().Add(d)).Abs() > time.Minute {
			t.Errorf("the time is %s: %v", f, err)
		}
	}
}
