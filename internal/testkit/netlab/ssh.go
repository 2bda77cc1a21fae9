package netlab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// sshdConfig is a usual distribution's, open to passwords: the lab's victim
// begins with the weakness that the story mends.
const sshdConfig = `Include /etc/ssh/sshd_config.d/*.conf
Port 22
AddressFamily any
HostKey /etc/ssh/ssh_host_ed25519_key
SyslogFacility AUTH
LogLevel INFO
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 200
MaxSessions 50
LoginGraceTime 60
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
`

// StartSSHD starts a real sshd on the victim, with its own host key, and waits
// until it serves. It logs through the victim's /dev/log.
func (l *Lab) StartSSHD() {
	l.tb.Helper()
	Require(l.tb, "/usr/sbin/sshd", "ssh-keygen")
	v := l.Victim
	v.Must("bash", "-c", "rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/*; mkdir -p /etc/ssh/sshd_config.d")
	v.Must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key")
	v.WriteFile("/etc/ssh/sshd_config", sshdConfig)
	v.Must("/usr/sbin/sshd")
	l.Wait(10*time.Second, "sshd of the victim serves", func() bool {
		c, err := l.Management.Dial(l.ctx, "tcp", v.Addr.String()+":22")
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && strings.HasPrefix(line, "SSH-2.0-")
	})
}

// StartRsyslog starts a real rsyslogd on the victim. It takes what is written
// to /dev/log, keeps auth messages in /var/log/auth.log and the others in
// /var/log/syslog, and sends all of them on to forwardTo, if that is not empty:
// "tcp://10.77.0.40:5514" or "udp://…".
func (l *Lab) StartRsyslog(forwardTo string) {
	l.tb.Helper()
	Require(l.tb, "rsyslogd")
	template := "RSYSLOG_FileFormat"
	if l.ClassicTime {
		template = "RSYSLOG_TraditionalFileFormat"
	}
	conf := fmt.Sprintf(`global(workDirectory="/var/spool/rsyslog")
module(load="imuxsock" SysSock.RateLimit.Interval="0")
module(load="builtin:omfile" Template=%q)
auth,authpriv.* /var/log/auth.log
*.*;auth,authpriv.none /var/log/syslog
`, template)
	if forwardTo != "" {
		proto, target, ok := strings.Cut(forwardTo, "://")
		colon := strings.LastIndexByte(target, ':')
		if !ok || colon < 0 {
			l.tb.Fatalf("forward to %q: want tcp://address:port or udp://address:port", forwardTo)
		}
		conf += fmt.Sprintf(`*.* action(type="omfwd" target=%q port=%q protocol=%q template="RSYSLOG_ForwardFormat" queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1")
`, strings.Trim(target[:colon], "[]"), target[colon+1:], proto)
	}
	v := l.Victim
	v.Must("bash", "-c", "mkdir -p /var/spool/rsyslog; : >/var/log/auth.log; : >/var/log/syslog")
	v.WriteFile("/etc/rsyslog-lab.conf", conf)
	v.Must("rsyslogd", "-f", "/etc/rsyslog-lab.conf", "-i", "/run/rsyslogd.pid")
	l.Wait(10*time.Second, "rsyslogd of the victim listens on /dev/log", func() bool {
		_, err := v.Run("test", "-S", "/dev/log")
		return err == nil
	})
}

// AddUser makes a real account on the victim, with a home and a password.
func (l *Lab) AddUser(name, password string) {
	l.tb.Helper()
	l.Victim.Must("useradd", "-m", "-s", "/bin/bash", name)
	if out, err := l.Victim.Feed(name+":"+password+"\n", "chpasswd"); err != nil {
		l.tb.Fatalf("chpasswd: %v\n%s", err, out)
	}
}

func (l *Lab) ssh(ctx context.Context, from *Host, user, pass string, command ...string) *exec.Cmd {
	args := append([]string{
		"-e", "ssh", "-F", "none",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
		"-o", "NumberOfPasswordPrompts=1", "-o", "PreferredAuthentications=password", "-o", "PubkeyAuthentication=no",
		"-o", "ConnectTimeout=3", user + "@" + l.Victim.Addr.String(),
	}, command...)
	cmd := from.Command(ctx, "sshpass", args...)
	cmd.Env = append(os.Environ(), "SSHPASS="+pass, "LC_ALL=C")
	return cmd
}

// SSHPassword tries one password login from a host to the victim, with a real
// ssh. It reports whether the login worked, and what was said.
func (l *Lab) SSHPassword(from *Host, user, pass string) (bool, string) {
	l.tb.Helper()
	Require(l.tb, "sshpass", "ssh")
	ctx, cancel := context.WithTimeout(l.ctx, 20*time.Second)
	defer cancel()
	out, err := l.ssh(ctx, from, user, pass, "echo", "logged-in").CombinedOutput()
	return err == nil && strings.Contains(string(out), "logged-in"), string(out)
}

// Session is an established ssh login.
type Session struct {
	ended chan struct{}
	mu    sync.Mutex
	err   error
	stdin io.Closer
}

// Ended is closed when the session has ended, for whatever reason.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Err is how it ended; nil while it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close logs out.
func (s *Session) Close() { s.stdin.Close(); <-s.ended }

// HoldSession logs in from a host and stays.
func (l *Lab) HoldSession(from *Host, user, pass string) *Session {
	l.tb.Helper()
	Require(l.tb, "sshpass", "ssh")
	cmd := l.ssh(l.ctx, from, user, pass, "echo held; cat")
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		l.tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		l.tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.tb.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "held\n" {
		_ = cmd.Wait()
		l.tb.Fatalf("no session from %s as %s: %q %v\n%s", from.Name, user, line, err, said.String())
	}
	s := &Session{ended: make(chan struct{}), stdin: stdin}
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		err := cmd.Wait()
		if err == nil {
			err = io.EOF
		}
		s.mu.Lock()
		s.err = fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
		s.mu.Unlock()
		close(s.ended)
	}()
	l.tb.Cleanup(func() { _ = cmd.Process.Kill(); <-s.ended })
	return s
}
