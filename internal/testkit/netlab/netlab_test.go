package netlab

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// outside hashes what the lab must not touch.
func outside(t *testing.T) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, pattern := range []string{"/etc/passwd*", "/etc/shadow*", "/etc/group*", "/etc/host*", "/etc/resolv.conf", "/etc/ssh/*", "/etc/ssh/sshd_config.d/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue
			}
			sum := sha256.Sum256(b)
			sums[f] = hex.EncodeToString(sum[:])
		}
	}
	links, err := exec.Command("ip", "-brief", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	sums["links"] = string(links)
	if _, err := os.Lstat("/dev/log"); err == nil {
		sums["/dev/log"] = "there"
	}
	return sums
}

func TestLab(t *testing.T) {
	Require(t, "ip")
	before := outside(t)
	t.Run("story", func(t *testing.T) {
		l := New(t)
		l.StartRsyslog("tcp://" + l.Management.Addr.String() + ":5514")
		l.StartSSHD()
		l.AddUser("anna", "right-horse")
		in, err := l.Management.Listen("tcp", l.Management.Addr.String()+":5514")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()

		if ok, said := l.SSHPassword(l.Attacker, "anna", "wrong"); ok {
			t.Errorf("a wrong password logged in: %s", said)
		}
		if ok, said := l.SSHPassword(l.Bystander, "anna", "right-horse"); !ok {
			t.Errorf("the right password did not log in: %s", said)
		}
		want := "Failed password for anna from " + l.Attacker.Addr.String()
		l.Wait(time.Minute, want, func() bool {
			b, _ := l.Victim.ReadFile("/var/log/auth.log")
			return strings.Contains(string(b), want) && strings.Contains(string(b), " victim sshd[")
		})
		c, err := in.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("the line did not come by syslog: %v", err)
			}
			if strings.Contains(line, want) {
				break
			}
		}

		s := l.HoldSession(l.Attacker, "anna", "right-horse")
		if s.Err() != nil {
			t.Errorf("session ended at once: %v", s.Err())
		}
		s.Close()
		if out, err := l.Attacker.Run("ping", "-c1", "-W2", l.Victim.Addr6.String()); err != nil && !strings.Contains(out, "not found") && !strings.Contains(err.Error(), "127") {
			t.Errorf("IPv6: %v %s", err, out)
		}
	})
	if diff := cmp.Diff(before, outside(t)); diff != "" {
		t.Errorf("the lab changed the machine (-before +after):\n%s", diff)
	}
}

func TestCommandDiesWhenKilledAndTakesSignals(t *testing.T) {
	l := New(t)
	cmd := l.Victim.Command(t.Context(), "bash", "-c", `trap 'echo asked; exit 3' TERM; echo up; while :; do read -t 1 <> <(:); done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, _ := r.ReadString('\n'); line != "up\n" {
		t.Fatalf("said %q", line)
	}
	if err := l.Victim.Signal(cmd, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(r)
	if err := cmd.Wait(); string(rest) != "asked\n" || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("said %q, %v", rest, err)
	}

	cmd = l.Victim.Command(t.Context(), "sleep", "4242")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running := func() bool {
		out, _ := l.Victim.Run("pgrep", "-xf", "sleep 4242") // itself, no longer what starts it
		return strings.TrimSpace(out) != ""
	}
	l.Wait(time.Minute, "sleep runs", running)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	l.Wait(time.Minute, "sleep is dead", func() bool { return !running() })
}
