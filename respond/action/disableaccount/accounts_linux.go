package disableaccount

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/internal/host"
)

// account is one line of passwd(5) with what shadow(5) says of it. The
// password hash itself is not kept.
type account struct {
	name, shell, home string
	uid               int
	locked, empty     bool
	password          bool // there is a password that could be given
	expire            int  // -1 for never
}

// accounts reads the host's own accounts.
func accounts(h *host.Host) (map[string]account, error) {
	passwd, err := h.ReadFile("/etc/passwd")
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	shadow, err := h.ReadFile("/etc/shadow")
	if err != nil {
		return nil, fmt.Errorf("read the accounts' locks: %w", err)
	}
	return parse(passwd, shadow)
}

func parse(passwd, shadow []byte) (map[string]account, error) {
	all := map[string]account{}
	for line := range bytes.Lines(passwd) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		if len(f) < 7 {
			continue
		}
		uid, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		if _, twice := all[f[0]]; !twice {
			all[f[0]] = account{name: f[0], uid: uid, home: f[5], shell: f[6], expire: -1, locked: true}
		}
	}
	seen := map[string]bool{}
	for line := range bytes.Lines(shadow) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		if len(f) < 8 || seen[f[0]] {
			continue
		}
		seen[f[0]] = true
		a, ok := all[f[0]]
		if !ok {
			continue
		}
		a.locked = strings.HasPrefix(f[1], "!")
		a.empty = f[1] == ""
		a.password = a.empty || strings.HasPrefix(f[1], "$") || len(f[1]) == 13
		if f[7] != "" {
			days, err := strconv.Atoi(f[7])
			if err != nil {
				return nil, fmt.Errorf("shadow file: the expiry of %.40q is %.40q: %w", f[0], f[7], holdfast.ErrInvalid)
			}
			a.expire = max(days, -1)
		}
		all[f[0]] = a
	}
	for n := range all {
		if !seen[n] {
			delete(all, n) // usermod could not lock it
		}
	}
	return all, nil
}

// uidMin reads UID_MIN of login.defs(5); 1000 if it is not there.
func uidMin(h *host.Host) int {
	b, err := h.ReadFile("/etc/login.defs")
	if err != nil {
		return 1000
	}
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) >= 2 && f[0] == "UID_MIN" {
			if n, err := strconv.Atoi(f[1]); err == nil && n > 0 {
				return n
			}
		}
	}
	return 1000
}

// refusals says why an account must not be disabled, as the host stands now.
func refusals(h *host.Host, all map[string]account, user string) []string {
	a, ok := all[user]
	switch {
	case !ok:
		return []string{fmt.Sprintf("%s is no account of this host's own passwd and shadow files", user)}
	case a.uid == 0:
		return []string{fmt.Sprintf("%s is root", user)}
	case a.uid == os.Geteuid():
		return []string{fmt.Sprintf("%s is the account Holdfast's agent runs as", user)}
	case a.uid < uidMin(h) || a.uid == 65534:
		return []string{fmt.Sprintf("%s is a system account (user id %d), which services run as", user, a.uid)}
	}
	admins := administrators(h, all)
	var others, otherAdmins int
	for n, b := range all {
		if n == user || b.uid == a.uid || !canLogIn(h, b) {
			continue
		}
		others++
		if b.uid == 0 || admins[n] {
			otherAdmins++
		}
	}
	var no []string
	if others == 0 {
		no = append(no, fmt.Sprintf("%s is the last account that can log in", user))
	}
	if admins[user] && otherAdmins == 0 {
		no = append(no, fmt.Sprintf("%s is the last account that can log in and become root", user))
	}
	return no
}

// canLogIn reports whether somebody could log in to an account with a password
// or a key.
func canLogIn(h *host.Host, a account) bool {
	shell := filepath.Base(a.shell)
	if shell == "nologin" || shell == "false" || shell == "sync" || a.expire >= 0 && int64(a.expire) <= h.Clock.Now().Unix()/86400 {
		return false
	}
	if a.password && !a.locked {
		return true
	}
	keys, err := h.ReadFile(filepath.Join(a.home, ".ssh", "authorized_keys"))
	return err == nil && len(bytes.TrimSpace(keys)) > 0
}

// administrators lists who may become root by sudo: the members of the usual
// groups, and the accounts that sudoers(5) names at the start of a line.
func administrators(h *host.Host, all map[string]account) map[string]bool {
	admins := map[string]bool{}
	if b, err := h.ReadFile("/etc/group"); err == nil {
		for line := range bytes.Lines(b) {
			f := strings.Split(strings.TrimSpace(string(line)), ":")
			if len(f) == 4 && slices.Contains([]string{"sudo", "wheel", "admin", "root"}, f[0]) {
				for m := range strings.SplitSeq(f[3], ",") {
					admins[m] = true
				}
			}
		}
	}
	files := []string{"/etc/sudoers"}
	if more, err := os.ReadDir(h.Path("/etc/sudoers.d")); err == nil {
		for _, e := range more {
			files = append(files, filepath.Join("/etc/sudoers.d", e.Name()))
		}
	}
	for _, file := range files {
		b, err := h.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			f := strings.Fields(string(line))
			if len(f) > 1 {
				for n := range strings.SplitSeq(f[0], ",") {
					if _, ok := all[n]; ok {
						admins[n] = true
					}
				}
			}
		}
	}
	return admins
}

// process is one that runs as the account.
type process struct {
	pid  int
	name string
}

// processesOf lists the processes whose real or effective user id is uid.
func processesOf(h *host.Host, uid int) ([]process, error) {
	files, err := filepath.Glob(h.Path("/proc/[0-9]*/status"))
	if err != nil {
		return nil, err
	}
	var out []process
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		p := process{}
		var mine, dead bool
		for line := range bytes.Lines(b) {
			key, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
			f := strings.Fields(value)
			switch {
			case len(f) == 0:
			case key == "Name":
				p.name = f[0]
			case key == "State":
				dead = f[0] == "Z" || f[0] == "X"
			case key == "Uid" && len(f) >= 2:
				mine = f[0] == strconv.Itoa(uid) || f[1] == strconv.Itoa(uid)
			}
		}
		if p.pid, err = strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && mine && !dead && p.pid != os.Getpid() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b process) int { return a.pid - b.pid })
	return out, nil
}
