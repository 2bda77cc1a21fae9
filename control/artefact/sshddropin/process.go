package sshddropin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"holdfast/internal/host"
)

// reloadLimit is how long a listening sshd may take to come back.
const reloadLimit = 2 * time.Second

// process is one sshd of this mount and network namespace.
type process struct {
	pid, parent int
	title       string
}

// sshds lists them. Those of containers, and of the machine around a
// container, are not ours to touch.
func sshds() []process {
	mnt, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil
	}
	network, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var out []process
	for _, d := range dirs {
		cmd, err := os.ReadFile(filepath.Join(d, "cmdline"))
		if err != nil || !isSSHD(string(cmd)) {
			continue
		}
		if m, err := os.Readlink(filepath.Join(d, "ns/mnt")); err != nil || m != mnt {
			continue
		}
		if n, err := os.Readlink(filepath.Join(d, "ns/net")); err != nil || n != network {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(d, "stat"))
		if err != nil {
			continue
		}
		// After the name in brackets: state, parent (proc_pid_stat(5)).
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(f) < 2 {
			continue
		}
		p := process{title: strings.TrimSpace(strings.ReplaceAll(string(cmd), "\x00", " "))}
		p.pid, _ = strconv.Atoi(filepath.Base(d))
		p.parent, _ = strconv.Atoi(f[1])
		out = append(out, p)
	}
	return out
}

func isSSHD(cmdline string) bool {
	return strings.HasPrefix(cmdline, "sshd: ") || strings.HasPrefix(cmdline, "sshd-session: ") || strings.HasPrefix(cmdline, sshd+"\x00")
}

// listeners lists the sshds that accept connections by this configuration.
func listeners(config string) []process {
	all := sshds()
	return slices.DeleteFunc(slices.Clone(all), func(p process) bool {
		if slices.ContainsFunc(all, func(q process) bool { return q.pid == p.parent }) || strings.HasPrefix(p.title, "sshd-session: ") {
			return true
		}
		f := strings.Fields(p.title)
		uses := "/etc/ssh/sshd_config"
		if i := slices.Index(f, "-f"); i >= 0 && i+1 < len(f) {
			uses = f[i+1]
		}
		return uses != config || len(p.sockets()) == 0
	})
}

// sockets lists the inodes of the sockets the process listens on.
func (p process) sockets() []string {
	dir := filepath.Join("/proc", strconv.Itoa(p.pid))
	listening := map[string]bool{}
	for _, file := range []string{"net/tcp", "net/tcp6"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
				listening["socket:["+f[9]+"]"] = true
			}
		}
	}
	var out []string
	fds, err := filepath.Glob(filepath.Join(dir, "fd/*"))
	if err != nil {
		return nil
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && listening[to] {
			out = append(out, to)
		}
	}
	return out
}

// sessions names the logins that are open.
func sessions() []string {
	var out []string
	for _, p := range sshds() {
		_, who, _ := strings.Cut(p.title, ": ")
		if strings.Contains(who, "@") && !strings.Contains(who, "[listener]") {
			out = append(out, who)
		}
	}
	return out
}

// reload makes the listening sshd read its files again, and waits until it
// listens on new sockets, which is how a re-executed sshd shows. Without a
// listener (socket activation, or sshd stopped) the next start reads them.
func reload(ctx context.Context, h *host.Host, config string) error {
	before, err := settled(ctx, config)
	if err != nil {
		return err
	}
	old := map[int][]string{}
	for _, p := range before {
		old[p.pid] = p.sockets()
	}
	if !systemd(ctx, h, config) {
		for _, p := range before {
			q, err := os.FindProcess(p.pid)
			if err == nil {
				err = q.Signal(syscall.SIGHUP)
			}
			if err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("tell sshd (process %d) to read its files again: %w", p.pid, err)
			}
		}
	}
	limit := time.NewTimer(reloadLimit)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, p := range before {
		for {
			now := p.sockets()
			if len(now) > 0 && !slices.ContainsFunc(now, func(s string) bool { return slices.Contains(old[p.pid], s) }) {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-limit.C:
				return fmt.Errorf("sshd (process %d) does not listen again %s after it was told to read its files", p.pid, reloadLimit)
			case <-tick.C:
			}
		}
	}
	return nil
}

// settled lists the listeners. One that was told to start again a moment ago,
// by an undo perhaps, has no socket until it is back, and must not be missed:
// it may have read its files before the last change.
func settled(ctx context.Context, config string) ([]process, error) {
	for range 100 {
		if ls := listeners(config); len(ls) > 0 || len(sshds()) == 0 {
			return ls, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil, nil // sessions are left of one that was stopped
}

// systemd reloads the unit, where systemd runs and has an active one.
func systemd(ctx context.Context, h *host.Host, config string) bool {
	if config != "/etc/ssh/sshd_config" || !h.Exists("/run/systemd/system") {
		return false
	}
	for _, unit := range []string{"ssh.service", "sshd.service"} {
		if _, err := h.Run(ctx, nil, "systemctl", "is-active", "--quiet", unit); err != nil {
			continue
		}
		_, err := h.Run(ctx, nil, "systemctl", "reload", unit)
		if err == nil {
			return true
		}
		h.Log.WarnContext(ctx, "systemd did not reload the SSH server; it is signalled instead", "unit", unit, "error", err)
	}
	return false
}
