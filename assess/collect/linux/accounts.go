package linux

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"

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
				{Name: "name", Type: "string"}, {Name: "uid", Type: "int"}, {Name: "gid", Type: "int"}, {Name: "home", Type: "string"}, {Name: "shell", Type: "string"},
				{Name: "login", Type: "bool", Description: "the shell lets somebody in"}, {Name: "system", Type: "bool", Description: "uid below 1000, but not root"},
				{Name: "password", Type: "string", Description: "set, locked, empty, none, or unknown without root"}, {Name: "hash", Type: "string", Description: "the algorithm: yescrypt, sha512, md5, des …"},
				{Name: "changed", Type: "int", Description: "days since 1970"}, {Name: "max_days", Type: "int", Description: "-1 for no limit"}, {Name: "keys", Type: "int", Description: "lines in authorized_keys"},
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
	if errors.Is(serr, fs.ErrPermission) {
		t.Partial = "the state of passwords cannot be read; it needs root"
	}
	for _, l := range lines(b) {
		f := strings.Split(l, ":")
		if len(f) < 7 {
			continue
		}
		uid, gid := number(f[2]), number(f[3])
		r := holdfast.Row{
			"name": f[0], "uid": uid, "gid": gid, "home": f[5], "shell": f[6], "login": logsIn(f[6]), "system": uid > 0 && uid < 1000,
			"password": "unknown", "hash": "", "changed": int64(-1), "max_days": int64(-1), "keys": keysOf(h, f[5]),
		}
		if s, ok := shadow[f[0]]; ok {
			r["password"], r["hash"] = passwordState(s[1])
			r["changed"], r["max_days"] = number(s[2]), number(s[4])
		} else if serr == nil {
			r["password"], r["hash"] = passwordState(f[1])
		}
		add(&t, r)
	}
	return t
}

func keysOf(h *host.Host, home string) int64 {
	b, err := h.ReadFile(home + "/.ssh/authorized_keys")
	if err != nil {
		return 0
	}
	n := int64(0)
	for _, l := range lines(b) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			n++
		}
	}
	return n
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
