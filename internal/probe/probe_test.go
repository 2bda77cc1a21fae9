package probe_test

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/internal/probe"
	"holdfast/internal/testkit/netlab"
)

const selfEnv = "HOLDFAST_PROBE_FROM"

// TestMain lets this program be started again on a lab host, where it proxies
// nothing but its own attempts.
func TestMain(m *testing.M) {
	addr := os.Getenv(selfEnv)
	if addr == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	switch os.Args[1] {
	case "tcp":
		t := probe.TCP(ctx, addr)
		say(t.OK, t.Got)
	case "ssh":
		t := probe.SSH(ctx, addr)
		say(t.OK, t.Got)
	case "password":
		l := probe.Password(ctx, addr, os.Args[2], os.Args[3])
		say(l.Accepted, strings.Join(l.Offered, ","))
	case "not-offered":
		t := probe.Password(ctx, addr, os.Args[2], os.Args[3]).NotOffered()
		say(t.OK, t.Got)
	case "bruteforce":
		all := probe.BruteForce(ctx, addr, os.Args[2], 6, time.Millisecond)
		say(len(all) == 6 && !all[5].Accepted, "")
	}
}

func say(ok bool, got string) {
	word := "no"
	if ok {
		word = "yes"
	}
	_, _ = io.WriteString(os.Stdout, word+" "+got)
}

func TestAgainstARealServer(t *testing.T) {
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.AddUser("anna", "right-horse")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(port string, args ...string) string {
		t.Helper()
		cmd := l.Management.Command(t.Context(), self, args...)
		cmd.Env = append(os.Environ(), selfEnv+"="+net.JoinHostPort(l.Victim.Addr.String(), port))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, c := range []struct{ port, args, want string }{
		{"22", "tcp", "yes served"},
		{"23", "tcp", "no dial tcp"},
		{"22", "ssh", "yes key exchange completed, host key ssh-ed25519 SHA256:"},
		{"23", "ssh", "no dial tcp"},
		{"22", "password anna right-horse", "yes password"},
		{"22", "password anna wrong", "no password"},
		{"22", "not-offered anna wrong", "no it asked for one by password"},
		{"23", "not-offered anna wrong", "no not reached"},
		{"22", "bruteforce hfdrill-x", "yes"},
	} {
		if got := run(c.port, strings.Fields(c.args)...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s at %s: %q, want %q", c.args, c.port, got, c.want)
		}
	}
	l.Wait(time.Minute, "six failures are logged", func() bool {
		b, _ := l.Victim.ReadFile("/var/log/auth.log")
		return strings.Count(string(b), "Failed password for invalid user hfdrill-x") == 6
	})
	l.Victim.WriteFile("/etc/ssh/sshd_config.d/10-hard.conf", "PasswordAuthentication no\nKbdInteractiveAuthentication no\n")
	l.Victim.Must("bash", "-c", "kill -HUP $(cat /run/sshd.pid)")
	l.Wait(time.Minute, "sshd takes no passwords", func() bool {
		return run("22", "not-offered", "anna", "right-horse") == "yes the server takes no passwords"
	})
}

// TestAServerThatSaysNothing is told to give up once the server has the connection.
func TestAServerThatSaysNothing(t *testing.T) {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if c, err := in.Accept(); err == nil {
			defer c.Close()
			cancel()
			_, _ = io.Copy(io.Discard, c) // until the probe goes
		}
	}()
	start := time.Now()
	if got := probe.SSH(ctx, in.Addr().String()); got.OK || ctx.Err() == nil {
		t.Errorf("%+v, told to give up: %v", got, ctx.Err())
	}
	if took := time.Since(start); took > 4*time.Second { // its own limit is 5
		t.Errorf("gave up after %s", took)
	}
}
