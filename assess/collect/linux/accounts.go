package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

func accounts() collect.Collector {
	return collect.Collector{
		Name: "linux.accounts", Description: "Local accounts and groups, with the state of their passwords and never the hash.", OS: linuxOnly,
		References: []string{"passwd(5)", "shadow(5)", "group(5)"}, Needs: "root: the state of passwords",
		Tables: []collect.Schema{
			{Name: "accounts", Columns: []collect.Column{
				{Name: "name", Type: "string"},
				{Name: "uid", Type: "int"},
				{Name: "gid", Type: "int"},
				{Name: "home", Type: "string"},
				{Name: "shell", Type: "string"},
				{Name: "login", Type: "bool", Description: "the shell lets somebody in"},
				{Name: "system", Type: "bool", Description: "uid below 1000, but not root"},
				{Name: "password", Type: "string", Description: "set, locked, empty or none; left out, with the three after it, without root"},
				{Name: "hash", Type: "string", Description: "the algorithm: yescrypt, sha512, md5, des …"},
				{Name: "changed", Type: "int", Description: "days since 1970"},
				{Name: "max_days", Type: "int", Description: "-1 for no limit"},
				{Name: "keys", Type: "int", Description: "lines in authorized_keys; left out when it cannot be read"},
			}},
			{Name: "groups", Columns: []collect.Column{{Name: "name", Type: "string"}, {Name: "gid", Type: "int"}, {Name: "members", Type: "list"}}},
		},
		Collect: func(_ context.Context, h *host.Host) ([]holdfast.Table, error) {
			return []holdfast.Table{accountTable(h), groupTable(h)}, nil
		},
	}
}

func accountTable(h *host.Host) holdfast.Table {
	b, err := h.ReadFile("/etc/passwd")
	if err != nil {
		return failed(h, "accounts", err)
	}
	t := table(h, "accounts")
	shadow := map[string][]string{}
	sb, serr := h.ReadFile("/etc/shadow")
	for _, l := range lines(sb) {
		if f := strings.Split(l, ":"); len(f) >= 5 {
			shadow[f[0]] = f
		}
	}
	for _, l := range lines(b) {
		f := strings.Split(l, ":")
		if len(f) < 7 {
			continue
		}
		uid, gid := number(f[2]), number(f[3])
		r := holdfast.Row{
			"name": f[0], "uid": uid, "gid": gid, "home": f[5], "shell": f[6], "login": logsIn(f[6]), "system": uid > 0 && uid < 1000,
		}
		if keys, err := keysOf(h, f[5]); err == nil {
			r["keys"] = keys
		}
		// shadow counts only where passwd points to it; what stands in passwd
		// itself is what PAM asks for, also when it is nothing
		switch s, ok := shadow[f[0]]; {
		case f[1] != "x" && !strings.HasPrefix(f[1], "##"):
			r["password"], r["hash"] = passwordState(f[1])
			r["changed"], r["max_days"] = int64(-1), int64(-1)
		case ok:
			r["password"], r["hash"] = passwordState(s[1])
			r["changed"], r["max_days"] = number(s[2]), number(s[4])
		case serr == nil || errors.Is(serr, fs.ErrNotExist):
			r["password"], r["hash"], r["changed"], r["max_days"] = "none", "", int64(-1), int64(-1)
		}
		add(&t, r)
	}
	return t
}

// keysOf counts the keys that let somebody in. The file is its user's, who may
// have put anything there.
func keysOf(h *host.Host, home string) (int64, error) {
	b, err := readPlain(h, home+"/.ssh/authorized_keys")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, nil
	}
	n := int64(0)
	for _, l := range lines(b) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			n++
		}
	}
	return n, err
}

// maxForeign bounds a file that belongs to a user: 1 MiB.
const maxForeign = 1 << 20

// readPlain reads a plain file and nothing else. A pipe put in its place would
// hold a collector for ever; it is opened without waiting, and refused.
func readPlain(h *host.Host, p string) ([]byte, error) {
	f, err := os.OpenFile(h.Path(p), os.O_RDONLY|dontWait, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxForeign {
		return nil, fmt.Errorf("%s is no plain file of at most %d bytes", p, maxForeign)
	}
	return io.ReadAll(io.LimitReader(f, maxForeign))
}

func logsIn(shell string) bool {
	switch shell[strings.LastIndexByte(shell, '/')+1:] {
	case "nologin", "false", "sync", "halt", "shutdown":
		return false
	}
	return true
}

// passwordState reads shadow's second field without keeping it.
func passwordState(s string) (state, hash string) {
	switch {
	case s == "":
		return "empty", ""
	case s == "x":
		return "none", ""
	case s[0] == '!':
		_, hash = passwordState(strings.TrimLeft(s, "!") + "*")
		return "locked", hash
	case s[0] == '*':
		return "none", ""
	}
	for prefix, name := range map[string]string{"$y$": "yescrypt", "$gy$": "gost-yescrypt", "$7$": "scrypt", "$6$": "sha512", "$5$": "sha256", "$2": "bcrypt", "$1$": "md5"} {
		if strings.HasPrefix(s, prefix) {
			return "set", name
		}
	}
	if len(strings.TrimRight(s, "*")) == 13 {
		return "set", "des"
	}
	return "set", "unknown"
}

func groupTable(h *host.Host) holdfast.Table {
	b, err := h.ReadFile("/etc/group")
	if err != nil {
		return failed(h, "groups", err)
	}
	t := table(h, "groups")
	for _, l := range lines(b) {
		f := strings.Split(l, ":")
		if len(f) < 4 {
			continue
		}
		members := []any{}
		for m := range strings.SplitSeq(f[3], ",") {
			if m != "" {
				members = append(members, m)
			}
		}
		add(&t, holdfast.Row{"name": f[0], "gid": number(f[2]), "members": members})
	}
	return t
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
