// Package linux reads facts from a Linux host: from its files, from /proc, and
// from the few programs that alone can tell (sshd -T, nft). Judging them is
// left to checks.
package linux

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

// Collectors lists all of them.
func Collectors() []collect.Collector {
	all := []collect.Collector{
		accounts(), files(), listeners(), mounts(), nftables(), osCollector(), packages(), services(), sshd(), sudoers(), sysctl(),
	}
	for i := range all {
		all[i].Collect = inTime(all[i].Collect)
	}
	return all
}

// inTime gives no tables once ctx is done: they would be of a part of the host.
func inTime(do func(context.Context, *host.Host) ([]holdfast.Table, error)) func(context.Context, *host.Host) ([]holdfast.Table, error) {
	return func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tables, err := do(ctx, h)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return tables, err
	}
}

// missing says why a path cannot be seen, nil if it can.
func missing(h *host.Host, p string) error {
	_, err := os.Lstat(h.Path(p))
	return err
}

var linuxOnly = []string{"linux"}

// table begins a table.
func table(h *host.Host, name string) holdfast.Table {
	return holdfast.Table{Name: name, Collected: h.Clock.Now().UTC(), Rows: []holdfast.Row{}}
}

// add puts a row into a table, and notes when there were too many.
func add(t *holdfast.Table, r holdfast.Row) {
	if len(t.Rows) >= collect.MaxRows {
		t.Partial = fmt.Sprintf("more than %d rows; the rest was left out", collect.MaxRows)
		return
	}
	t.Rows = append(t.Rows, r)
}

// failed makes a table that could not be read.
func failed(h *host.Host, name string, err error) holdfast.Table {
	t := table(h, name)
	t.Error = err.Error()
	if errors.Is(err, fs.ErrPermission) {
		t.Error += "; it needs root"
	}
	return t
}

func one(t holdfast.Table) []holdfast.Table { return []holdfast.Table{t} }

func lines(b []byte) []string {
	var out []string
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, host.MaxFile)
	for s.Scan() {
		out = append(out, s.Text())
	}
	return out
}

func osCollector() collect.Collector {
	return collect.Collector{
		Name: "linux.os", Description: "The distribution, its release and the running kernel.", OS: linuxOnly,
		References: []string{"os-release(5)", "proc_version(5)"},
		Tables: []collect.Schema{
			{Name: "os", Columns: []collect.Column{{Name: "id", Type: "string", Description: "debian, rhel, …"}, {Name: "version_id", Type: "string"}, {Name: "pretty_name", Type: "string"}, {Name: "hostname", Type: "string"}}},
			{Name: "kernel", Columns: []collect.Column{{Name: "release", Type: "string"}, {Name: "version", Type: "string"}, {Name: "cmdline", Type: "string"}}},
		},
		Collect: func(_ context.Context, h *host.Host) ([]holdfast.Table, error) {
			return []holdfast.Table{osTable(h), kernelTable(h)}, nil
		},
	}
}

func osTable(h *host.Host) holdfast.Table {
	b, err := h.ReadFile("/etc/os-release")
	if err != nil {
		return failed(h, "os", err)
	}
	t := table(h, "os")
	r := holdfast.Row{"id": "", "version_id": "", "pretty_name": ""}
	for _, l := range lines(b) {
		k, v, ok := strings.Cut(l, "=")
		if k = strings.ToLower(k); ok && r[k] != nil {
			r[k] = strings.Trim(v, `"'`)
		}
	}
	name, err := os.Hostname()
	if err == nil {
		r["hostname"] = name
	}
	add(&t, r)
	return t
}

func kernelTable(h *host.Host) holdfast.Table {
	t := table(h, "kernel")
	r := holdfast.Row{}
	for col, path := range map[string]string{"release": "/proc/sys/kernel/osrelease", "version": "/proc/sys/kernel/version", "cmdline": "/proc/cmdline"} {
		b, err := h.ReadFile(path)
		if err != nil {
			return failed(h, "kernel", err)
		}
		r[col] = strings.TrimSpace(string(b))
	}
	add(&t, r)
	return t
}

func packages() collect.Collector {
	return collect.Collector{
		Name: "linux.packages", Description: "Installed packages, by dpkg, apk or rpm.", OS: linuxOnly, References: []string{"deb822(5)", "rpm(8)"},
		Tables: []collect.Schema{{Name: "packages", Columns: []collect.Column{
			{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "arch", Type: "string"}, {Name: "source", Type: "string"}, {Name: "manager", Type: "string", Description: "dpkg, apk or rpm"},
		}}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) {
			b, err := h.ReadFile("/var/lib/dpkg/status")
			if err == nil {
				return one(dpkg(h, b)), nil
			}
			if b, err := h.ReadFile("/lib/apk/db/installed"); err == nil {
				return one(apk(h, b)), nil
			}
			if !h.Exists("/var/lib/rpm") && !h.Exists("/usr/lib/sysimage/rpm") {
				return one(failed(h, "packages", fmt.Errorf("neither dpkg, apk nor rpm keeps packages here: %w", err))), nil
			}
			out, err := h.Run(ctx, nil, "rpm", "-qa", "--qf", `%{NAME}\t%{EVR}\t%{ARCH}\t%{SOURCERPM}\n`)
			if err != nil {
				return one(failed(h, "packages", err)), nil
			}
			t := table(h, "packages")
			for _, l := range lines(out.Stdout) {
				if f := strings.Split(l, "\t"); len(f) == 4 {
					add(&t, holdfast.Row{"name": f[0], "version": f[1], "arch": f[2], "source": f[3], "manager": "rpm"})
				}
			}
			return one(t), nil
		},
	}
}

// dpkg reads the status file: paragraphs of fields.
func dpkg(h *host.Host, b []byte) holdfast.Table {
	t := table(h, "packages")
	r, installed := holdfast.Row{"manager": "dpkg", "source": ""}, false
	end := func() {
		if installed {
			add(&t, r)
		}
		r, installed = holdfast.Row{"manager": "dpkg", "source": ""}, false
	}
	for _, l := range lines(b) {
		if l == "" {
			end()
			continue
		}
		k, v, ok := strings.Cut(l, ": ")
		if !ok || l[0] == ' ' {
			continue
		}
		switch k {
		case "Package":
			r["name"] = v
		case "Version":
			r["version"] = v
		case "Architecture":
			r["arch"] = v
		case "Source":
			r["source"], _, _ = strings.Cut(v, " ")
		case "Status":
			installed = strings.HasSuffix(v, " installed")
		}
	}
	end()
	return t
}

// apk reads Alpine's list: paragraphs of one letter and a value.
func apk(h *host.Host, b []byte) holdfast.Table {
	t := table(h, "packages")
	r := holdfast.Row{"manager": "apk", "source": ""}
	for _, l := range append(lines(b), "") {
		if l == "" {
			if r["name"] != nil {
				add(&t, r)
			}
			r = holdfast.Row{"manager": "apk", "source": ""}
			continue
		}
		k, v, _ := strings.Cut(l, ":")
		if col, ok := map[string]string{"P": "name", "V": "version", "A": "arch", "o": "source"}[k]; ok {
			r[col] = v
		}
	}
	return t
}

func sysctl() collect.Collector {
	return collect.Collector{
		Name: "linux.sysctl", Description: "Kernel settings that matter for security, as they are in force.", OS: linuxOnly,
		References: []string{"https://docs.kernel.org/admin-guide/sysctl/"},
		Tables:     []collect.Schema{{Name: "sysctl", Columns: []collect.Column{{Name: "key", Type: "string"}, {Name: "value", Type: "string"}}}},
		Collect: func(_ context.Context, h *host.Host) ([]holdfast.Table, error) {
			t := table(h, "sysctl")
			if err := missing(h, "/proc/sys"); err != nil {
				return one(failed(h, "sysctl", err)), nil
			}
			for _, key := range sysctls {
				b, err := h.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
				if errors.Is(err, fs.ErrNotExist) {
					continue // this kernel has no such setting
				}
				if err != nil {
					return one(failed(h, "sysctl", err)), nil
				}
				add(&t, holdfast.Row{"key": key, "value": strings.Join(strings.Fields(string(b)), " ")})
			}
			return one(t), nil
		},
	}
}

var sysctls = []string{
	"kernel.randomize_va_space", "kernel.dmesg_restrict", "kernel.kptr_restrict", "kernel.yama.ptrace_scope", "kernel.unprivileged_bpf_disabled",
	"kernel.sysrq", "kernel.kexec_load_disabled", "kernel.perf_event_paranoid", "kernel.core_pattern", "kernel.modules_disabled",
	"net.core.bpf_jit_harden", "fs.protected_symlinks", "fs.protected_hardlinks", "fs.protected_fifos", "fs.protected_regular", "fs.suid_dumpable",
	"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.tcp_syncookies", "net.ipv4.icmp_echo_ignore_broadcasts",
	"net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.default.accept_redirects", "net.ipv6.conf.all.accept_redirects", "net.ipv4.conf.all.secure_redirects",
	"net.ipv4.conf.all.send_redirects", "net.ipv4.conf.all.accept_source_route", "net.ipv6.conf.all.accept_source_route", "net.ipv4.conf.all.rp_filter",
	"net.ipv4.conf.default.rp_filter", "net.ipv4.conf.all.log_martians", "vm.mmap_min_addr", "user.max_user_namespaces",
}

func mounts() collect.Collector {
	return collect.Collector{
		Name: "linux.mounts", Description: "What is mounted where, with which options.", OS: linuxOnly, References: []string{"proc_pid_mountinfo(5)"},
		Tables: []collect.Schema{{Name: "mounts", Columns: []collect.Column{{Name: "path", Type: "string"}, {Name: "fs", Type: "string"}, {Name: "device", Type: "string"}, {Name: "options", Type: "list"}}}},
		Collect: func(_ context.Context, h *host.Host) ([]holdfast.Table, error) {
			b, err := h.ReadFile("/proc/self/mounts")
			if err != nil {
				return one(failed(h, "mounts", err)), nil
			}
			return one(parseMounts(h, b)), nil
		},
	}
}

func parseMounts(h *host.Host, b []byte) holdfast.Table {
	t := table(h, "mounts")
	for _, l := range lines(b) {
		f := strings.Fields(l)
		if len(f) < 4 {
			continue
		}
		add(&t, holdfast.Row{"device": octal(f[0]), "path": octal(f[1]), "fs": f[2], "options": list(strings.Split(f[3], ","))})
	}
	return t
}

// octal undoes the escapes of /proc/self/mounts: \040 is a space.
func octal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func list(ss []string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

// stat describes a file for the table files.
func stat(h *host.Host, p string) (holdfast.Row, error) {
	info, err := os.Lstat(h.Path(p))
	if err != nil {
		return nil, err
	}
	r := holdfast.Row{
		"path": p, "mode": fmt.Sprintf("%04o", info.Mode().Perm()|special(info.Mode())), "dir": info.IsDir(), "link": info.Mode()&fs.ModeSymlink != 0,
		"setuid": info.Mode()&fs.ModeSetuid != 0, "setgid": info.Mode()&fs.ModeSetgid != 0, "sticky": info.Mode()&fs.ModeSticky != 0,
		"group_write": info.Mode().Perm()&0o020 != 0, "world_write": info.Mode().Perm()&0o002 != 0, "group_read": info.Mode().Perm()&0o040 != 0, "world_read": info.Mode().Perm()&0o004 != 0,
		"uid": int64(-1), "gid": int64(-1), "modified": info.ModTime().UTC().Format(time.RFC3339),
	}
	owner(info, r)
	return r, nil
}

func special(m fs.FileMode) fs.FileMode {
	var out fs.FileMode
	if m&fs.ModeSetuid != 0 {
		out |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		out |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		out |= 0o1000
	}
	return out
}
