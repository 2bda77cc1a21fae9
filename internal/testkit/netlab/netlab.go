// Package netlab makes a small network of real hosts for tests: a victim, an
// attacker, a bystander and a management host, each in its own network, host
// name and process namespaces, all on one bridge that is itself in a namespace.
// Nothing of it touches the machine's own network. The victim also has its own
// writable copies of /etc, /var, /home, /root, /run and /dev, so that a real
// sshd, a real rsyslogd and real accounts live there and nowhere else. What is
// tried in the lab is left to the tests.
package netlab

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed init.sh
var initScript string

// Lab is the network. Its methods fail the test when the lab itself is broken.
type Lab struct {
	Victim, Attacker, Bystander, Management *Host

	// ClassicTime makes rsyslog write "Jan _2 15:04:05" instead of ISO times.
	// Set it before StartRsyslog.
	ClassicTime bool

	tb   testing.TB
	ctx  context.Context
	dir  string
	wire *Host // holds the bridge
}

// Host is one machine of the lab.
type Host struct {
	Name  string
	Addr  netip.Addr // IPv4
	Addr6 netip.Addr

	lab *Lab
	pid int // the process that holds the namespaces, seen from outside
}

// gateway is the address of the bridge, the default route of the hosts.
var gateway = netip.MustParseAddr("10.77.0.1")

// New makes a lab and takes it down when the test ends. It skips the test when
// the machine lacks a right or a program for it, but fails it in CI.
func New(tb testing.TB) *Lab {
	tb.Helper()
	Require(tb, "ip", "nsenter", "unshare", "setpriv", "bash")
	dir, err := os.MkdirTemp("", "netlab-")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Lab{tb: tb, ctx: ctx, dir: dir}
	tb.Cleanup(func() { cancel(); os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "init.sh"), []byte(initScript), 0o600); err != nil {
		tb.Fatal(err)
	}
	l.wire = l.start("wire", 1, false)
	l.Victim = l.start("victim", 10, true)
	l.Attacker = l.start("attacker", 20, false)
	l.Bystander = l.start("bystander", 30, false)
	l.Management = l.start("management", 40, false)
	l.connect()
	return l
}

// Gateway is the hosts' default gateway.
func (l *Lab) Gateway() netip.Addr { return gateway }

// Dir is a folder outside the hosts' own copies that all of them, and the test,
// see alike. It goes with the lab.
func (l *Lab) Dir(name string) string {
	l.tb.Helper()
	p := filepath.Join(l.dir, "shared", name)
	if err := os.MkdirAll(p, 0o755); err != nil {
		l.tb.Fatal(err)
	}
	return p
}

// Require skips the test, or fails it in CI, unless it runs as root on Linux
// and the programs are there.
func Require(tb testing.TB, programs ...string) {
	tb.Helper()
	var lacks []string
	if os.Geteuid() != 0 {
		lacks = append(lacks, "root rights")
	}
	if _, err := os.Stat("/proc/self/ns/net"); err != nil {
		lacks = append(lacks, "Linux namespaces")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacks = append(lacks, "the program "+p)
		}
	}
	if len(lacks) == 0 {
		return
	}
	say := "this test needs " + strings.Join(lacks, ", ")
	if os.Getenv("CI") != "" {
		tb.Fatal(say)
	}
	tb.Skip(say)
}

// start makes the namespaces of one host and the process that holds them.
func (l *Lab) start(name string, last byte, private bool) *Host {
	l.tb.Helper()
	base := filepath.Join(l.dir, name)
	if err := os.Mkdir(base, 0o755); err != nil {
		l.tb.Fatal(err)
	}
	kind := "shared"
	if private {
		kind = "private"
	}
	cmd := exec.Command("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc",
		"bash", filepath.Join(l.dir, "init.sh"), name, base, kind)
	cmd.Dir = "/"
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
	l.tb.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill() // its child, the host's first process, dies with it
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		stdin.Close()
		_ = cmd.Wait()
		l.tb.Fatalf("lab host %s did not start: %q %v\n%s", name, line, err, said.String())
	}
	return &Host{
		Name: name, lab: l, pid: cmd.Process.Pid,
		Addr:  netip.AddrFrom4([4]byte{10, 77, 0, last}),
		Addr6: netip.MustParseAddr(fmt.Sprintf("fd77:686f:6c64::%d", last)),
	}
}

// connect lays the cables: a bridge in the wire's namespace, and one veth pair
// for each host.
func (l *Lab) connect() {
	l.tb.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "link set lo up\nlink add br0 type bridge\nlink set br0 up\naddr add %s/24 dev br0\naddr add %s/64 dev br0 nodad\n", l.wire.Addr, l.wire.Addr6)
	for _, h := range l.hosts() {
		fmt.Fprintf(&b, "link add %[1]s type veth peer name eth0 netns %[2]d\nlink set %[1]s master br0 up\n", h.Name, h.pid)
	}
	l.wire.ip(b.String())
	for _, h := range l.hosts() {
		h.ip(fmt.Sprintf("link set lo up\nlink set eth0 up\naddr add %s/24 dev eth0\naddr add %s/64 dev eth0 nodad\nroute add default via %s\nroute add default via %s\n",
			h.Addr, h.Addr6, l.wire.Addr, l.wire.Addr6))
	}
}

func (l *Lab) hosts() []*Host { return []*Host{l.Victim, l.Attacker, l.Bystander, l.Management} }

// ip runs lines of ip(8) in the host's network, from outside its other
// namespaces.
func (h *Host) ip(lines string) {
	h.lab.tb.Helper()
	cmd := exec.Command("nsenter", h.ns("net"), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.lab.tb.Fatalf("lab host %s: ip: %v\n%s", h.Name, err, out)
	}
}

func (h *Host) ns(kind string) string {
	file := map[string]string{"net": "net", "mount": "mnt", "pid": "pid_for_children", "uts": "uts", "ipc": "ipc"}[kind]
	return fmt.Sprintf("--%s=/proc/%d/ns/%s", kind, h.pid, file)
}

// Command prepares a program that will run on the host, with "/" as its
// working folder. Killing it kills the program; other signals go through
// Signal. When the lab ends, it is killed.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	all := append([]string{
		h.ns("net"), h.ns("mount"), h.ns("pid"), h.ns("uts"), h.ns("ipc"),
		"setpriv", "--pdeathsig", "KILL", name,
	}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", all...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Run runs a program on the host to its end and returns what it said, standard
// error included.
func (h *Host) Run(name string, args ...string) (string, error) {
	return h.Feed("", name, args...)
}

// Feed is Run with a text on standard input.
func (h *Host) Feed(stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(h.lab.ctx, 30*time.Second)
	defer cancel()
	cmd := h.Command(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Must is Run that fails the test if the program fails.
func (h *Host) Must(name string, args ...string) string {
	h.lab.tb.Helper()
	out, err := h.Run(name, args...)
	if err != nil {
		h.lab.tb.Fatalf("%s: %s %s: %v\n%s", h.Name, name, strings.Join(args, " "), err, out)
	}
	return out
}

// Path is where the test finds a file of the host.
func (h *Host) Path(path string) string {
	return filepath.Join("/proc", strconv.Itoa(h.pid), "root", path)
}

// ReadFile reads a file as the host sees it.
func (h *Host) ReadFile(path string) ([]byte, error) {
	out, err := h.Command(h.lab.ctx, "cat", path).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %s", h.Name, strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

// WriteFile writes a file as the host sees it, readable by all.
func (h *Host) WriteFile(path, text string) {
	h.lab.tb.Helper()
	cmd := h.Command(h.lab.ctx, "tee", path)
	cmd.Stdin, cmd.Stdout = strings.NewReader(text), io.Discard
	if err := cmd.Run(); err != nil {
		h.lab.tb.Fatalf("%s: write %s: %v", h.Name, path, err)
	}
}

// Wait tries until done is true, and fails the test if that takes too long.
func (l *Lab) Wait(limit time.Duration, what string, done func() bool) {
	l.tb.Helper()
	end := time.Now().Add(limit)
	for !done() {
		if time.Now().After(end) {
			l.tb.Fatalf("waited %s in vain: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
