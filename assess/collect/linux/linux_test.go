package linux

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

func here() *host.Host {
	return host.New(slog.New(slog.NewTextHandler(io.Discard, nil)), clock.System{})
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
	tb := listenerTable(here())
	i := slices.IndexFunc(tb.Rows, func(r holdfast.Row) bool { return r["port"] == port })
	if i < 0 {
		t.Fatalf("port %d is not listed: %v", port, tb.Error)
	}
	r := tb.Rows[i]
	if r["pid"] != int64(os.Getpid()) || r["loopback"] != true || r["everywhere"] != false {
		t.Errorf("%v", r)
	}
}

func TestRealSSHD(t *testing.T) {
	if _, err := exec.LookPath("/usr/sbin/sshd"); err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root and /usr/sbin/sshd")
		}
		t.Skip("needs root and /usr/sbin/sshd")
	}
	tables, err := sshd().Collect(context.Background(), here())
	if err != nil || len(tables) != 1 {
		t.Fatal(err)
	}
	if tables[0].Error != "" {
		t.Logf("sshd -T on this machine: %s", tables[0].Error)
		return
	}
	r := tables[0].Rows[0]
	if p, ok := r["port"].([]any); !ok || len(p) == 0 || r["passwordauthentication"] == nil {
		t.Errorf("%v", r)
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

// FuzzParsers holds that no file's content panics a parser.
func FuzzParsers(f *testing.F) {
	for _, s := range []string{
		"root:x:0:0:root:/root:/bin/bash\n", "Package: a\nStatus: install ok installed\n\n", "%sudo ALL=(ALL) NOPASSWD: ALL\n",
		"port 22\nport 23\n", "User_Alias A=a,b\nCmnd_Alias X=ALL:Y=X\nA ALL=(r) NOPASSWD: X, PASSWD: \\,y\n", "Match User a\n Include=x\n", `{"nftables":[{"table":{"family":"inet","name":"x"}},{"rule":{"expr":[{"drop":null}]}}]}`, "sl\n 0: 0100007F:0016 00000000:0000 0A 0 0 0 0 0 1\n",
	} {
		f.Add([]byte(s))
	}
	h := here()
	f.Fuzz(func(t *testing.T, b []byte) {
		tb := table(h, "x")
		dpkg(h, b)
		book := sudoBook{aliases: map[string][]string{}}
		book.parse("/etc/sudoers", b)
		book.rows(&tb)
		parseSSHD(b)
		(&matchBlocks{}).parse(b, "")
		apk(h, b)
		nftVerdict(b)
		parseSockets(b, "0A")
		if err := parseNft(&tb, b); err == nil && len(b) == 0 {
			t.Error("nothing was understood as a ruleset")
		}
		octal(string(b))
		passwordState(string(b))
	})
}
