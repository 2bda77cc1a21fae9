package netlab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dial makes a connection from the host; the test holds its end.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	type dialled struct {
		c   net.Conn
		err error
	}
	got := make(chan dialled, 1)
	go func() {
		// The thread is not unlocked, so it ends with its namespace.
		runtime.LockOSThread()
		if err := h.enter(); err != nil {
			got <- dialled{nil, err}
			return
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		got <- dialled{c, err}
	}()
	r := <-got
	return r.c, r.err
}

// Listen listens on the host; the test accepts.
func (h *Host) Listen(network, addr string) (net.Listener, error) {
	type listening struct {
		l   net.Listener
		err error
	}
	got := make(chan listening, 1)
	go func() {
		runtime.LockOSThread()
		if err := h.enter(); err != nil {
			got <- listening{nil, err}
			return
		}
		l, err := net.Listen(network, addr)
		got <- listening{l, err}
	}()
	r := <-got
	return r.l, r.err
}

// enter moves the calling thread into the host's network.
func (h *Host) enter() error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.pid))
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
}

// Signal sends a signal to the program itself of a running command, and not to
// what holds it in the namespaces.
func (h *Host) Signal(cmd *exec.Cmd, sig syscall.Signal) error {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		return err
	}
	children := strings.Fields(string(b))
	if len(children) != 1 {
		return fmt.Errorf("%s has %d children, not one", cmd.Args[0], len(children))
	}
	pid, err := strconv.Atoi(children[0])
	if err != nil {
		return err
	}
	return syscall.Kill(pid, sig)
}
