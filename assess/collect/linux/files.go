package linux

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

// What the table files looks at: kinds by path or glob.
var watched = []struct{ kind, glob string }{
	{"passwd", "/etc/passwd"}, {"passwd", "/etc/group"}, {"shadow", "/etc/shadow"}, {"shadow", "/etc/gshadow"},
	{"sudoers", "/etc/sudoers"}, {"sudoers", "/etc/sudoers.d/*"}, {"ssh_host_key", "/etc/ssh/ssh_host_*_key"},
	{"sshd_config", "/etc/ssh/sshd_config"}, {"sshd_config", "/etc/ssh/sshd_config.d/*"},
	{"cron", "/etc/crontab"}, {"cron", "/etc/cron.d"}, {"cron", "/etc/cron.daily"}, {"cron", "/etc/cron.hourly"}, {"cron", "/etc/cron.weekly"}, {"cron", "/etc/cron.monthly"},
	{"cron", "/etc/cron.d/*"}, {"log", "/var/log"}, {"log", "/var/log/auth.log"}, {"log", "/var/log/secure"}, {"log", "/var/log/syslog"},
	{"root_home", "/root"}, {"authorized_keys", "/root/.ssh/authorized_keys"}, {"authorized_keys", "/home/*/.ssh/authorized_keys"}, {"tmp", "/tmp"}, {"tmp", "/var/tmp"},
	{"preload", "/etc/ld.so.preload"}, {"boot", "/boot/grub/grub.cfg"},
}

var programDirs = []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"}

const maxPrograms = 20_000

func files() collect.Collector {
	return collect.Collector{
		Name: "linux.files", Description: "Owners and modes of files that matter, programs that run as their owner, and system files anybody may write.", OS: linuxOnly,
		References: []string{"inode(7)"}, Needs: "root: files in folders of others",
		Tables: []collect.Schema{{Name: "files", Columns: []collect.Column{
			{Name: "path", Type: "string"}, {Name: "kind", Type: "string", Description: "passwd, shadow, sudoers, ssh_host_key, cron, setuid, writable, …"}, {Name: "mode", Type: "string", Description: "octal, four digits"},
			{Name: "uid", Type: "int"}, {Name: "gid", Type: "int"}, {Name: "group_write", Type: "bool"}, {Name: "world_write", Type: "bool"}, {Name: "group_read", Type: "bool"}, {Name: "world_read", Type: "bool"},
			{Name: "setuid", Type: "bool"}, {Name: "setgid", Type: "bool"}, {Name: "sticky", Type: "bool"}, {Name: "dir", Type: "bool"}, {Name: "link", Type: "bool"}, {Name: "modified", Type: "string"},
		}}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) { return one(fileTable(ctx, h)), nil },
	}
}

func fileTable(ctx context.Context, h *host.Host) holdfast.Table {
	t := table(h, "files")
	seen := map[string]bool{}
	note := func(kind, p string) {
		if seen[p] {
			return
		}
		seen[p] = true
		r, err := stat(h, p)
		if err == nil {
			r["kind"] = kind
			add(&t, r)
		} else if errors.Is(err, fs.ErrPermission) {
			t.Partial = p + " and maybe others cannot be seen; it needs root"
		}
	}
	for _, w := range watched {
		matches, err := filepath.Glob(h.Path(w.glob))
		if err != nil {
			continue
		}
		for _, m := range matches {
			note(w.kind, "/"+strings.TrimPrefix(strings.TrimPrefix(m, h.Root), "/"))
		}
	}
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

func sudoers() collect.Collector {
	return collect.Collector{
		Name: "linux.sudoers", Description: "Who may become whom with sudo, rule by rule.", OS: linuxOnly, References: []string{"sudoers(5), section SUDOERS FILE FORMAT"}, Needs: "root: the sudoers files",
		Tables: []collect.Schema{{Name: "sudoers", Columns: []collect.Column{
			{Name: "who", Type: "string"}, {Name: "hosts", Type: "string"}, {Name: "runas", Type: "string"}, {Name: "nopasswd", Type: "bool"}, {Name: "commands", Type: "string"}, {Name: "file", Type: "string"}, {Name: "line", Type: "int"},
		}}},
		Collect: func(_ context.Context, h *host.Host) ([]holdfast.Table, error) {
			if !h.Exists("/etc/sudoers") {
				return one(table(h, "sudoers")), nil // sudo is not installed
			}
			t := table(h, "sudoers")
			if err := readSudoers(h, &t, "/etc/sudoers", 0); err != nil {
				return one(failed(h, "sudoers", err)), nil
			}
			return one(t), nil
		},
	}
}

const maxIncludes = 10

func readSudoers(h *host.Host, t *holdfast.Table, file string, depth int) error {
	b, err := h.ReadFile(file)
	if err != nil {
		return err
	}
	includes := parseSudoers(t, file, b)
	if depth >= maxIncludes {
		t.Partial = file + " includes more files than are followed"
		return nil
	}
	for _, inc := range includes {
		if !strings.HasPrefix(inc.path, "/") {
			inc.path = filepath.Join(filepath.Dir(file), inc.path)
		}
		if !inc.dir {
			if err := readSudoers(h, t, inc.path, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		entries, err := os.ReadDir(h.Path(inc.path))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if n := e.Name(); e.IsDir() || strings.HasSuffix(n, "~") || strings.Contains(n, ".") {
				continue // sudo passes them over as well
			}
			if err := readSudoers(h, t, inc.path+"/"+e.Name(), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

type include struct {
	path string
	dir  bool
}

// parseSudoers reads one file's rules into the table and returns what it
// includes.
func parseSudoers(t *holdfast.Table, file string, b []byte) []include {
	var incs []include
	joined, at := "", 0
	for i, l := range lines(b) {
		if joined == "" {
			at = i + 1
		}
		if rest, ok := strings.CutSuffix(l, `\`); ok {
			joined += rest + " "
			continue
		}
		l, joined = strings.TrimSpace(joined+l), ""
		for _, word := range []string{"@includedir", "#includedir", "@include", "#include"} {
			if rest, ok := strings.CutPrefix(l, word+" "); ok {
				incs = append(incs, include{strings.Trim(strings.TrimSpace(rest), `"`), strings.HasSuffix(word, "dir")})
				l = ""
				break
			}
		}
		if l == "" || l[0] == '#' || strings.HasPrefix(l, "Defaults") || slices.ContainsFunc([]string{"User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"}, func(p string) bool { return strings.HasPrefix(l, p) }) {
			continue
		}
		who, rest, ok := strings.Cut(l, "=")
		f := strings.Fields(who)
		if !ok || len(f) < 2 {
			continue
		}
		r := holdfast.Row{"who": strings.Join(f[:len(f)-1], " "), "hosts": f[len(f)-1], "runas": "root", "file": file, "line": int64(at), "nopasswd": false}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "(") {
			if as, after, ok := strings.Cut(rest[1:], ")"); ok {
				r["runas"], rest = as, strings.TrimSpace(after)
			}
		}
		r["nopasswd"] = strings.Contains(rest, "NOPASSWD:")
		for {
			tag, after, ok := strings.Cut(rest, ":")
			if !ok || tag == "" || strings.ToUpper(tag) != tag || strings.ContainsAny(tag, " /,") {
				break
			}
			rest = strings.TrimSpace(after)
		}
		r["commands"] = rest
		add(t, r)
	}
	return incs
}
