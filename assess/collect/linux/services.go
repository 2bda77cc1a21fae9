package linux

import (
	"context"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

func services() collect.Collector {
	return collect.Collector{
		Name: "linux.services", Description: "Services that start with the host, and the daemons that run now.", OS: linuxOnly, References: []string{"systemd.unit(5)"},
		Tables: []collect.Schema{{Name: "services", Columns: []collect.Column{
			{Name: "name", Type: "string"}, {Name: "enabled", Type: "bool", Description: "linked to a target, or a start link of init"}, {Name: "running", Type: "bool"}, {Name: "manager", Type: "string"},
		}}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) {
			return one(serviceTable(ctx, h)), nil
		},
	}
}

func serviceTable(ctx context.Context, h *host.Host) holdfast.Table {
	t := table(h, "services")
	running := map[string]bool{}
	procs, err := os.ReadDir(h.Path("/proc"))
	if err != nil {
		return failed(h, "services", err)
	}
	for _, p := range procs {
		if ctx.Err() != nil {
			return failed(h, "services", ctx.Err())
		}
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		if b, err := h.ReadFile("/proc/" + p.Name() + "/comm"); err == nil {
			running[strings.TrimSpace(string(b))] = true
		}
	}
	units, systemd := unitProcesses(h)
	seen := map[string]bool{}
	note := func(name, manager string, enabled bool) {
		if seen[name] {
			return
		}
		seen[name] = true
		add(&t, holdfast.Row{"name": name, "enabled": enabled, "running": units[name] || !systemd && isRunning(running, name), "manager": manager})
	}
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system"} {
		entries, err := os.ReadDir(h.Path(dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".wants") && !strings.HasSuffix(e.Name(), ".requires") {
				continue
			}
			wanted, err := os.ReadDir(h.Path(dir + "/" + e.Name()))
			if err != nil {
				continue
			}
			for _, u := range wanted {
				if name, ok := strings.CutSuffix(u.Name(), ".service"); ok {
					note(name, "systemd", true)
				}
			}
		}
	}
	for _, level := range []string{"/etc/rc3.d", "/etc/rc2.d", "/etc/rc.d/rc3.d"} {
		entries, err := os.ReadDir(h.Path(level))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if n := e.Name(); len(n) > 3 && n[0] == 'S' {
				note(n[3:], "init", true)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		note(name, "systemd", false)
	}
	for _, name := range slices.Sorted(maps.Keys(running)) {
		if strings.HasSuffix(name, "d") && !seen[name] && !strings.Contains(name, "/") && len(name) > 3 {
			add(&t, holdfast.Row{"name": name, "enabled": false, "running": true, "manager": "process"})
		}
	}
	return t
}

// unitProcesses lists the services that have processes now, as systemd sorts
// them into control groups; systemd is false where it does not run.
func unitProcesses(h *host.Host) (units map[string]bool, systemd bool) {
	units = map[string]bool{}
	if !h.Exists("/run/systemd/system") {
		return units, false
	}
	for _, base := range []string{"/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"} {
		for _, pattern := range []string{base + "/*.service", base + "/*.slice/*.service"} {
			groups, _ := expand(h, pattern)
			for _, g := range groups {
				systemd = true
				if events, err := h.ReadFile(g + "/cgroup.events"); err == nil && strings.Contains(string(events), "populated 1") {
					units[strings.TrimSuffix(path.Base(g), ".service")] = true
				} else if procs, err := h.ReadFile(g + "/cgroup.procs"); err == nil && len(procs) > 0 {
					units[strings.TrimSuffix(path.Base(g), ".service")] = true
				}
			}
		}
	}
	return units, systemd
}

// isRunning looks for a process named like the service; rsyslog's is rsyslogd,
// ssh's is sshd.
func isRunning(running map[string]bool, service string) bool {
	for _, n := range []string{service, service + "d", strings.TrimSuffix(service, ".service")} {
		if len(n) > 15 {
			n = n[:15] // the kernel keeps 15 bytes
		}
		if running[n] {
			return true
		}
	}
	return false
}
