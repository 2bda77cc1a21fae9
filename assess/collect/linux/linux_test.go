package linux

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

func here() *host.Host {
	return host.New(slog.New(slog.DiscardHandler), clock.System{})
}

// tree makes a fixture host of files.
func tree(t *testing.T, files map[string]string) *host.Host {
	t.Helper()
	h := here()
	h.Root = t.TempDir()
	for p, text := range files {
		full := filepath.Join(h.Root, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// TestThisHost collects from the machine the test runs on.
func TestThisHost(t *testing.T) {
	h := here()
	got := map[string]holdfast.Table{}
	for _, c := range Collectors() {
		tables, err := c.Collect(context.Background(), h)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		for _, tb := range tables {
			got[tb.Name] = tb
		}
		for _, s := range c.Tables {
			if _, ok := got[s.Name]; !ok {
				t.Errorf("%s promises the table %s", c.Name, s.Name)
			}
		}
	}
	for _, name := range []string{"os", "kernel", "packages", "accounts", "groups", "sysctl", "mounts", "files"} {
		if len(got[name].Rows) == 0 {
			t.Errorf("%s is empty: %s", name, got[name].Error)
		}
	}
	if !slices.ContainsFunc(got["accounts"].Rows, func(r holdfast.Row) bool { return r["name"] == "root" && r["uid"] == int64(0) }) {
		t.Error("root is not among the accounts")
	}
}

// TestListenerHasItsProcess opens a port and looks for itself.
func TestListenerHasItsProcess(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := int64(ln.Addr().(*net.TCPAddr).Port)
	tb := listenerTable(t.Context(), here())
	i := slices.IndexFunc(tb.Rows, func(r holdfast.Row) bool { return r["port"] == port })
	if i < 0 {
		t.Fatalf("port %d is not listed: %v", port, tb.Error)
	}
	r := tb.Rows[i]
	if r["pid"] != int64(os.Getpid()) || r["loopback"] != true || r["everywhere"] != false {
		t.Errorf("%v", r)
	}
}

// TestRealSSHD asks the real sshd about a configuration of the test.
func TestRealSSHD(t *testing.T) {
	if _, err := exec.LookPath("/usr/sbin/sshd"); err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root and /usr/sbin/sshd")
		}
		t.Skip("needs root and /usr/sbin/sshd")
	}
	h := tree(t, map[string]string{
		"etc/ssh/sshd_config":       "Port 2201\nPort 2202\nPermitRootLogin no\nPasswordAuthentication no\nInclude ROOT/etc/ssh/more/*.conf\n",
		"etc/ssh/more/10-bob.conf":  "MaxAuthTries 3\nMatch User bob,eve # why\n  PasswordAuthentication yes\n",
		"etc/ssh/more/20-next.conf": "X11Forwarding no\n",
	})
	b, err := h.ReadFile("/etc/ssh/sshd_config")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Path("/etc/ssh/sshd_config"), []byte(strings.ReplaceAll(string(b), "ROOT", h.Root)), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(h.Root, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	out, err := h.Run(context.Background(), nil, "/usr/sbin/sshd", "-T", "-h", key, "-f", h.Path("/etc/ssh/sshd_config"))
	if err != nil {
		if strings.Contains(err.Error(), "privilege separation directory") && os.Getenv("CI") == "" {
			t.Skip("needs /run/sshd, which the package's service makes")
		}
		t.Fatal(err)
	}
	r := parseSSHD(out.Stdout)
	for k, want := range map[string]any{"port": []any{"2201", "2202"}, "permitrootlogin": "no", "passwordauthentication": "no", "maxauthtries": "3", "x11forwarding": "no"} {
		if diff := cmp.Diff(want, r[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
}

func TestMatchBlocks(t *testing.T) {
	h := tree(t, map[string]string{
		"etc/ssh/sshd_config":           "Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication no\nMatch Group sftp\n\tForceCommand internal-sftp\n\tInclude inner\nMatch all\nX11Forwarding yes\n",
		"etc/ssh/sshd_config.d/10.conf": "# c\nPort 22\nmatch user=bob\n PasswordAuthentication=yes\n",
		"etc/ssh/sshd_config.d/20.conf": "PermitRootLogin no\n",
		"etc/ssh/inner":                 "AllowTcpForwarding no\n",
	})
	var m matchBlocks
	if err := m.read(h, "/etc/ssh/sshd_config", "", 0); err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.settings)
	want := []string{"all: x11forwarding yes", "group sftp: allowtcpforwarding no", "group sftp: forcecommand internal-sftp", "user bob: passwordauthentication yes"}
	if diff := cmp.Diff(want, m.settings); diff != "" {
		t.Error(diff)
	}
}

func TestSudoersTold(t *testing.T) {
	for name, x := range map[string]struct {
		text string
		want []holdfast.Row
	}{
		"comment": {"bob ALL=(ALL) NOPASSWD: ALL # for now", []holdfast.Row{{"who": "bob", "runas": "ALL", "nopasswd": true, "commands": "ALL"}}},
		"user id": {"#1000 ALL=(ALL) NOPASSWD: ALL\n# no rule ALL=ALL\n#", []holdfast.Row{{"who": "#1000", "runas": "ALL", "nopasswd": true, "commands": "ALL"}}},
		"tabs":    {"bob\tALL\t=\t(root)\tALL", []holdfast.Row{{"who": "bob", "runas": "root", "nopasswd": false, "commands": "ALL"}}},
		"tags change within a rule": {"bob ALL=(ALL) /bin/ls, NOPASSWD: /bin/a, /bin/b, PASSWD: /bin/c", []holdfast.Row{
			{"who": "bob", "runas": "ALL", "nopasswd": false, "commands": "/bin/ls"},
			{"who": "bob", "runas": "ALL", "nopasswd": true, "commands": "/bin/a, /bin/b"},
			{"who": "bob", "runas": "ALL", "nopasswd": false, "commands": "/bin/c"},
		}},
		"aliases, used before they are defined": {"ADMINS ALL=NOPASSWD: EVERYTHING\nUser_Alias ADMINS = bob, eve : X = y\nCmnd_Alias EVERYTHING = INNER\nCmnd_Alias INNER = ALL", []holdfast.Row{
			{"who": "bob, eve", "runas": "root", "nopasswd": true, "commands": "ALL"},
		}},
		"an alias of itself ends": {"bob ALL=A\nCmnd_Alias A = A", []holdfast.Row{{"who": "bob", "runas": "root", "nopasswd": false, "commands": "A"}}},
		"nobody is asked":         {"bob ALL=ALL\nDefaults env_reset, !authenticate", []holdfast.Row{{"who": "bob", "runas": "root", "nopasswd": true, "commands": "ALL"}}},
		"bob is not asked": {"bob ALL=ALL\neve ALL=ALL\nDefaults:bob !authenticate", []holdfast.Row{
			{"who": "bob", "runas": "root", "nopasswd": true, "commands": "ALL"}, {"who": "eve", "runas": "root", "nopasswd": false, "commands": "ALL"},
		}},
		"an escaped comma": {`bob ALL=/bin/a x\,y, /bin/b`, []holdfast.Row{{"who": "bob", "runas": "root", "nopasswd": false, "commands": `/bin/a x\,y, /bin/b`}}},
	} {
		h := tree(t, map[string]string{"etc/sudoers": x.text})
		tables, err := sudoers().Collect(context.Background(), h)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range tables[0].Rows {
			delete(r, "hosts")
			delete(r, "file")
			delete(r, "line")
		}
		if diff := cmp.Diff(x.want, tables[0].Rows); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestPasswordInPasswdCounts holds that an empty field of passwd is an empty
// password whatever shadow says, as PAM sees it.
func TestPasswordInPasswdCounts(t *testing.T) {
	h := tree(t, map[string]string{"etc/passwd": "bob::1000:1000::/:/bin/sh\neve:x:1001:1001::/:/bin/sh\n", "etc/shadow": "bob:$6$x$y:1:0:9:7:::\neve::1:0:9:7:::\n"})
	for _, r := range accountTable(h).Rows {
		if r["password"] != "empty" {
			t.Errorf("%v", r)
		}
	}
}

func TestServicesOfSystemd(t *testing.T) {
	h := tree(t, map[string]string{
		"run/systemd/system/x": "",
		"proc/1/comm":          "systemd\n",
		"proc/20/comm":         "cron\n",
		"etc/systemd/system/multi-user.target.wants/ssh.service":                "",
		"etc/systemd/system/multi-user.target.wants/cron.service":               "",
		"sys/fs/cgroup/system.slice/ssh.service/cgroup.events":                  "populated 1\nfrozen 0\n",
		"sys/fs/cgroup/system.slice/cron.service/cgroup.events":                 "populated 0\nfrozen 0\n",
		"sys/fs/cgroup/system.slice/system-g.slice/g@tty1.service/cgroup.procs": "77\n",
	})
	got := map[string][2]any{}
	for _, r := range serviceTable(t.Context(), h).Rows {
		got[r["name"].(string)] = [2]any{r["enabled"], r["running"]}
	}
	want := map[string][2]any{"ssh": {true, true}, "cron": {true, false}, "g@tty1": {false, true}, "systemd": {false, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFilesOfATree(t *testing.T) {
	h := tree(t, map[string]string{"etc/passwd": "", "etc/app/open.conf": "", "etc/cron.d/job": "", "usr/bin/tool": "", "home/bob/.ssh/authorized_keys": ""})
	for p, mode := range map[string]os.FileMode{"etc/app/open.conf": 0o666, "usr/bin/tool": 0o755 | os.ModeSetuid} {
		if err := os.Chmod(filepath.Join(h.Root, p), mode); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]any{}
	for _, r := range fileTable(context.Background(), h).Rows {
		if r["dir"] != true {
			got[r["path"].(string)] = r["kind"]
		}
	}
	want := map[string]any{"/etc/passwd": "passwd", "/etc/app/open.conf": "writable", "/etc/cron.d/job": "cron", "/usr/bin/tool": "setuid", "/home/bob/.ssh/authorized_keys": "authorized_keys"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPK(t *testing.T) {
	got := apk(here(), []byte("C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\nP:busybox\nV:1.36\n")).Rows
	want := []holdfast.Row{{"name": "musl", "version": "1.2.5-r0", "arch": "x86_64", "source": "musl", "manager": "apk"}, {"name": "busybox", "version": "1.36", "source": "", "manager": "apk"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParsers(t *testing.T) {
	h := tree(t, map[string]string{
		"etc/passwd":                      "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\nwww:x:33:33::/:/usr/sbin/nologin\nbroken line\n",
		"etc/shadow":                      "root:!:19000:0:99999:7:::\nalice:$y$j9T$abc:20000:0:90:7:::\nwww:*:19000::::::\n",
		"etc/group":                       "root:x:0:\nsudo:x:27:alice,bob\n",
		"home/alice/.ssh/authorized_keys": "# c\nssh-ed25519 AAAA alice\n\n",
		"etc/sudoers":                     "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) NOPASSWD: \\\n ALL\n@includedir /etc/sudoers.d\n",
		"etc/sudoers.d/web":               "www ALL=(root) NOPASSWD:SETENV: /usr/bin/systemctl restart web, /bin/ls\n",
		"etc/sudoers.d/README.txt":        "x ALL=ALL\n",
		"var/lib/dpkg/status":             "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nSource: bash (5.2)\nVersion: 5.2.15-2\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
	})
	acc := accountTable(h)
	want := []holdfast.Row{
		{"name": "root", "uid": int64(0), "gid": int64(0), "home": "/root", "shell": "/bin/bash", "login": true, "system": false, "password": "locked", "hash": "", "changed": int64(19000), "max_days": int64(99999), "keys": int64(0)},
		{"name": "alice", "uid": int64(1000), "gid": int64(1000), "home": "/home/alice", "shell": "/bin/bash", "login": true, "system": false, "password": "set", "hash": "yescrypt", "changed": int64(20000), "max_days": int64(90), "keys": int64(1)},
		{"name": "www", "uid": int64(33), "gid": int64(33), "home": "/", "shell": "/usr/sbin/nologin", "login": false, "system": true, "password": "none", "hash": "", "changed": int64(19000), "max_days": int64(-1), "keys": int64(0)},
	}
	if diff := cmp.Diff(want, acc.Rows); diff != "" {
		t.Error(diff)
	}
	tables, err := sudoers().Collect(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	want = []holdfast.Row{
		{"who": "root", "hosts": "ALL", "runas": "ALL:ALL", "nopasswd": false, "commands": "ALL", "file": "/etc/sudoers", "line": int64(2)},
		{"who": "%sudo", "hosts": "ALL", "runas": "ALL", "nopasswd": true, "commands": "ALL", "file": "/etc/sudoers", "line": int64(3)},
		{"who": "www", "hosts": "ALL", "runas": "root", "nopasswd": true, "commands": "/usr/bin/systemctl restart web, /bin/ls", "file": "/etc/sudoers.d/web", "line": int64(1)},
	}
	if diff := cmp.Diff(want, tables[0].Rows); diff != "" {
		t.Error(diff)
	}
	b, err := h.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		t.Fatal(err)
	}
	want = []holdfast.Row{{"name": "bash", "version": "5.2.15-2", "arch": "amd64", "source": "bash", "manager": "dpkg"}}
	if diff := cmp.Diff(want, dpkg(h, b).Rows); diff != "" {
		t.Error(diff)
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"0100007F:0016": "127.0.0.1:22", "00000000:1F90": "0.0.0.0:8080",
		"00000000000000000000000001000000:0016": "[::1]:22", "0000000000000000FFFF00000100007F:0050": "127.0.0.1:80",
	} {
		if got, err := hexAddr(in); err != nil || got.String() != want {
			t.Errorf("%s: %s, want %s (%v)", in, got, want, err)
		}
	}
}

// The fuzz targets hold that no file's content panics a parser, hangs it, or
// makes rows without their name.

func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n", "root:$6$a$b:1:0:9:7:::\n", "a:x:1:b,c\n")
	f.Fuzz(func(t *testing.T, passwd, shadow, group string) {
		h := tree(t, map[string]string{"etc/passwd": passwd, "etc/shadow": shadow, "etc/group": group})
		for _, r := range accountTable(h).Rows {
			for _, v := range r {
				if s, ok := v.(string); ok && strings.HasPrefix(s, "$6$") && !strings.Contains(passwd, s) {
					t.Errorf("a hash got out: %v", r)
				}
			}
		}
		groupTable(h)
	})
}

func FuzzDpkg(f *testing.F) {
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1\n\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { dpkg(here(), b); apk(here(), b) })
}

func FuzzSudoers(f *testing.F) {
	f.Add([]byte("User_Alias A=a,b\nCmnd_Alias X=ALL:Y=X\nA ALL=(r) NOPASSWD: X, PASSWD: \\,y\n#5 ALL=ALL # c\nDefaults:A !authenticate\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tb := table(here(), "sudoers")
		book := sudoBook{aliases: map[string][]string{}}
		book.parse("/etc/sudoers", b)
		book.rows(&tb)
		for _, r := range tb.Rows {
			if r["commands"] == "" {
				t.Errorf("%v", r)
			}
		}
	})
}

func FuzzSockets(f *testing.F) {
	f.Add([]byte("sl\n 0: 0100007F:0016 00000000:0000 0A 0 0 0 0 0 1\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { parseSockets(b, "0A") })
}

func FuzzSSHD(f *testing.F) {
	f.Add([]byte("port 22\nport 23\nmatch user a\ninclude=x\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { parseSSHD(b); (&matchBlocks{}).parse(b, "") })
}

func FuzzMounts(f *testing.F) {
	f.Add([]byte("tmpfs /a\\040b tmpfs rw 0 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range parseMounts(here(), b).Rows {
			if r["path"] == "" {
				t.Errorf("%v", r)
			}
		}
	})
}

func FuzzNft(f *testing.F) {
	f.Add([]byte(`{"nftables":[{"table":{"family":"inet","name":"x"}},{"rule":{"expr":[{"drop":null}]}}]}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		tb := table(here(), "nftables")
		_ = parseNft(&tb, b)
	})
}
