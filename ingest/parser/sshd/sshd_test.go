package sshd_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/sshd"
)

func read(t interface{ Fatal(...any) }, message string) holdfast.Event {
	got, err := sshd.Parser().Parse([]byte("Nov 23 02:09:06 web1 sshd[812]: "+message), parser.Hint{Received: time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return holdfast.Event{Dataset: got.Dataset, Fields: got.Fields}
}

// TestNamesCannotForgeAddresses writes names that look like parts of messages
// into every message that carries a name, as sshd does: whatever the name, the
// address is the true one, or is left out and the event says so.
func TestNamesCannotForgeAddresses(t *testing.T) {
	const peer, port = "192.0.2.7", "50122"
	part := rapid.SampledFrom([]string{
		"root", " ", "from ", " from 198.51.100.9", " port 22", " ssh2", ": ", "ssh2: ", "RSA SHA256:aaaa", "[preauth]", " [preauth]",
		"invalid user ", "user ", " 198.51.100.9 port 22", " for ", "Failed password for ", "not allowed because ", "ED25519-CERT SHA256:b ID x (serial 0) CA RSA SHA256:c", " by ", "=", "\\",
	})
	forms := []string{
		"Failed password for %s from " + peer + " port " + port + " ssh2",
		"Failed password for invalid user %s from " + peer + " port " + port + " ssh2",
		"Failed publickey for %s from " + peer + " port " + port + " ssh2: ED25519 SHA256:true",
		"Failed publickey for %s from " + peer + " port " + port + " ssh2: RSA-CERT SHA256:true ID k (serial 1) CA RSA SHA256:true",
		"Accepted password for %s from " + peer + " port " + port + " ssh2",
		"Invalid user %s from " + peer + " port " + port,
		"Invalid user %s from " + peer,
		"Connection closed by authenticating user %s " + peer + " port " + port + " [preauth]",
		"Connection reset by invalid user %s " + peer + " port " + port + " [preauth]",
		"Disconnected from user %s " + peer + " port " + port,
		"Disconnecting invalid user %s " + peer + " port " + port + ": Too many authentication failures [preauth]",
		"error: maximum authentication attempts exceeded for invalid user %s from " + peer + " port " + port + " ssh2 [preauth]",
		"error: PAM: Authentication failure for illegal user %s from " + peer,
		"User %s from " + peer + " not allowed because not listed in AllowUsers",
		"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=" + peer + "  user=%s",
		"ssh_dispatch_run_fatal: Connection from authenticating user %s " + peer + " port " + port + ": message authentication code incorrect [preauth]",
	}
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(part, 1, 8).Draw(t, "name"), "")
		message := fmt.Sprintf(rapid.SampledFrom(forms).Draw(t, "form"), name)
		e := read(t, message)
		if e.Text("ambiguous") == "true" {
			if _, ok := e.Get("src_ip"); ok {
				t.Errorf("%q: an address in spite of doubt", message)
			}
			return
		}
		if got := e.Text("src_ip"); got != peer {
			t.Errorf("%q: address %q", message, got)
		}
		if got := e.Text("src_port"); got != port && got != "" {
			t.Errorf("%q: port %s", message, got)
		}
	})
}

// TestBlanksAtTheEnd: what a relay adds behind a message changes nothing of what it
// says.
func TestBlanksAtTheEnd(t *testing.T) {
	for _, message := range []string{
		"Failed password for root from 192.0.2.7 port 50122 ssh2",
		"Failed publickey for root from 192.0.2.7 port 50122 ssh2: ED25519 SHA256:true",
		"Invalid user x from 192.0.2.7 port 50122",
		"Connection closed by authenticating user root 192.0.2.7 port 50122 [preauth]",
	} {
		want := read(t, message)
		for _, blank := range []string{" ", "\t", " \r"} {
			got := read(t, message+blank)
			for _, name := range []string{"action", "user", "src_ip", "src_port", "method", "preauth", "key"} {
				w, _ := want.Get(name)
				if g, _ := got.Get(name); g != w {
					t.Errorf("%q: %s is %v, want %v", message+blank, name, g, w)
				}
			}
		}
	}
}

// TestRealServer reads what a real sshd on loopback says of real logins.
func TestRealServer(t *testing.T) {
	for _, program := range []string{"/usr/sbin/sshd", "ssh", "sshpass", "ssh-keygen", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing", program)
			}
			t.Skipf("needs %s", program)
		}
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root, for a mount namespace")
		}
		t.Skip("needs root, for a mount namespace")
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	// sshd wants /run/sshd, which only its service makes: it gets a /run of its
	// own, in a mount namespace.
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-ec",
		`mount -t tmpfs none /run; mkdir -m 755 /run/sshd; exec "$@"`, "sh", "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", port, "-h", key,
		"-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PasswordAuthentication=yes")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(said); s.Scan(); {
			lines <- strings.TrimRight(s.Text(), "\r")
		}
	}()
	var seen []string
	// wait returns once an event came that has all the fields.
	wait := func(want map[string]string) {
		t.Helper()
		late := time.After(20 * time.Second)
		for {
			select {
			case l, ok := <-lines:
				if !ok {
					t.Fatalf("sshd ended; it had said: %s", strings.Join(seen, "\n"))
				}
				seen = append(seen, l)
				e, all := read(t, l), true
				for name, v := range want {
					all = all && e.Text(name) == v
				}
				if all {
					return
				}
			case <-late:
				t.Fatalf("no message with %v among:\n%s", want, strings.Join(seen, "\n"))
			}
		}
	}
	wait(map[string]string{"message": "Server listening on 127.0.0.1 port " + port + "."})
	try := func(user string) {
		// It is meant to fail.
		_ = exec.CommandContext(ctx, "sshpass", "-p", "wrong", "ssh", "-F", "none", "-p", port, "-l", user,
			"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "PubkeyAuthentication=no",
			"-o", "NumberOfPasswordPrompts=1", "127.0.0.1", "true").Run()
	}
	for _, user := range []string{"nosuchuser", "x from 198.51.100.9 port 22 ssh2"} {
		try(user)
		wait(map[string]string{"action": "invalid_user", "user": user, "src_ip": "127.0.0.1", "invalid_user": "true"})
		wait(map[string]string{"action": "login_failed", "method": "password", "user": user, "src_ip": "127.0.0.1", "invalid_user": "true"})
		wait(map[string]string{"action": "preauth_close", "user": user, "src_ip": "127.0.0.1"})
	}
}

func BenchmarkParse(b *testing.B) {
	p, hint := sshd.Parser(), parser.Hint{Received: time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)}
	lines := make([][]byte, 1024)
	bytes := 0
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "Nov 23 02:09:%02d web%d sshd[%d]: Failed password for invalid user u%d from 192.0.2.%d port %d ssh2", i%60, i%7, 800+i, i, i%250, 40000+i)
		bytes += len(lines[i])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := p.Parse(lines[i%len(lines)], hint); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.SetBytes(int64(bytes / len(lines)))
	b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "events/s")
}
