package linux

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

// What the table files looks at: kinds by path or glob.
var watched = []struct{ kind, glob string }{
	{"passwd", "/etc/passwd"},
	{"passwd", "/etc/group"},
	{"shadow", "/etc/shadow"},
	{"shadow", "/etc/gshadow"},
	{"sudoers", "/etc/sudoers"},
	{"sudoers", "/etc/sudoers.d/*"},
	{"ssh_host_key", "/etc/ssh/ssh_host_*_key"},
	{"sshd_config", "/etc/ssh/sshd_config"},
	{"sshd_config", "/etc/ssh/sshd_config.d/*"},
	{"cron", "/etc/crontab"},
	{"cron", "/etc/cron.d"},
	{"cron", "/etc/cron.daily"},
	{"cron", "/etc/cron.hourly"},
	{"cron", "/etc/cron.weekly"},
	{"cron", "/etc/cron.monthly"},
	{"cron", "/etc/cron.d/*"},
	{"log", "/var/log"},
	{"log", "/var/log/auth.log"},
	{"log", "/var/log/secure"},
	{"log", "/var/log/syslog"},
	{"root_home", "/root"},
	{"authorized_keys", "/root/.ssh/authorized_keys"},
	{"authorized_keys", "/home/*/.ssh/authorized_keys"},
	{"tmp", "/tmp"},
	{"tmp", "/var/tmp"},
	{"preload", "/etc/ld.so.preload"},
	{"boot", "/boot/grub/grub.cfg"},
}

var programDirs = []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"}

const maxPrograms = 20_000

func files() collect.Collector {
	return collect.Collector{
		Name: "linux.files", Description: "Owners and modes of files that matter, programs that run as their owner, and system files anybody may write.", OS: linuxOnly,
		References: []string{"inode(7)"}, Needs: "root: files in folders of others",
		Tables: []collect.Schema{{Name: "files", Columns: []collect.Column{
			{Name: "path", Type: "string"},
			{Name: "kind", Type: "string", Description: "passwd, shadow, sudoers, ssh_host_key, cron, setuid, writable, …"},
			{Name: "mode", Type: "string", Description: "octal, four digits"},
			{Name: "uid", Type: "int"},
			{Name: "gid", Type: "int"},
			{Name: "group_write", Type: "bool"},
			{Name: "world_write", Type: "bool"},
			{Name: "group_read", Type: "bool"},
			{Name: "world_read", Type: "bool"},
			{Name: "setuid", Type: "bool"},
			{Name: "setgid", Type: "bool"},
			{Name: "sticky", Type: "bool"},
			{Name: "dir", Type: "bool"},
			{Name: "link", Type: "bool"},
			{Name: "modified", Type: "string"},
			{Name: "unseen", Type: "string", Description: "why nothing but the path is known"},
		}}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) { return one(fileTable(ctx, h)), nil },
	}
}

func fileTable(ctx context.Context, h *host.Host) holdfast.Table {
	t := table(h, "files")
	if err := missing(h, "/etc"); err != nil {
		return failed(h, "files", err)
	}
	seen := map[string]bool{}
	note := func(kind, p string) {
		if seen[p] {
			return
		}
		seen[p] = true
		r, err := stat(h, p)
		switch {
		case err == nil:
			r["kind"] = kind
			add(&t, r)
		case errors.Is(err, fs.ErrPermission):
			add(&t, unseen(kind, p))
		}
	}
	for _, w := range watched {
		paths, shut := expand(h, w.glob)
		for _, p := range paths {
			note(w.kind, p)
		}
		for _, p := range shut {
			add(&t, unseen(w.kind, p))
		}
	}
	writable(ctx, h, &t, note)
	looked := 0
	for _, dir := range programDirs {
		if info, err := os.Lstat(h.Path(dir)); err != nil || info.Mode()&fs.ModeSymlink != 0 {
			continue // /bin is a link to /usr/bin on most hosts
		}
		entries, err := os.ReadDir(h.Path(dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if looked++; looked > maxPrograms || ctx.Err() != nil {
				t.Partial = "not all programs were looked at"
				return t
			}
			info, err := e.Info()
			if err != nil || info.Mode()&fs.ModeSymlink != 0 {
				continue
			}
			switch {
			case info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
				note("setuid", dir+"/"+e.Name())
			case info.Mode().Perm()&0o002 != 0:
				note("writable", dir+"/"+e.Name())
			}
		}
	}
	return t
}

// unseen stands for what lies behind a folder that the agent may not enter: a
// row without the columns that a check would judge, so that it stays unknown.
func unseen(kind, p string) holdfast.Row {
	return holdfast.Row{"path": p, "kind": kind, "link": false, "unseen": "permission denied; it needs root"}
}

// expand lists the paths that a pattern stands for, where * is a whole or part
// of one name, and the folders that could not be read on the way.
func expand(h *host.Host, pattern string) (paths, shut []string) {
	paths = []string{""}
	for part := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		var next []string
		for _, dir := range paths {
			if !strings.Contains(part, "*") {
				next = append(next, dir+"/"+part)
				continue
			}
			entries, err := os.ReadDir(h.Path(dir))
			if errors.Is(err, fs.ErrPermission) {
				shut = append(shut, dir)
			}
			for _, e := range entries {
				if ok, err := path.Match(part, e.Name()); err == nil && ok && len(next) < maxPrograms {
					next = append(next, dir+"/"+e.Name())
				}
			}
		}
		paths = next
	}
	return paths, shut
}

// configDirs are searched to the bottom for files that anybody may write.
var configDirs = []string{"/etc", "/usr/local", "/usr/lib/systemd", "/opt"}

// writable notes files below configDirs that anybody may write, looking at
// maxPrograms at most.
func writable(ctx context.Context, h *host.Host, t *holdfast.Table, note func(kind, p string)) {
	looked := 0
	for _, top := range configDirs {
		_ = filepath.WalkDir(h.Path(top), func(full string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return fs.SkipAll
			}
			if err != nil {
				return nil //nolint:nilerr // a folder that only root enters holds nothing that anybody writes
			}
			if looked++; looked > maxPrograms {
				t.Partial = "not all of " + strings.Join(configDirs, ", ") + " was looked at"
				return fs.SkipAll
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSymlink == 0 && (info.Mode().IsRegular() || d.IsDir()) {
				note("writable", "/"+strings.TrimPrefix(filepath.ToSlash(strings.TrimPrefix(full, h.Root)), "/"))
			}
			return nil
		})
	}
}
