package control

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"holdfast/internal/nearest"
)

// setting is one thing that the verb state can ask for, and the parts that
// keep it.
type setting struct {
	name     string
	artefact string
	check    string
	keyword  string // in the artefact's own file
	rules    []string
	drills   []string
	broken   string // what was so when it did not hold
	// asked are the values that the shipped check is content with; none if it is
	// not known.
	asked []string
	value func(want string) (string, error)
}

// settings lists them; sysctl.* are made as they are asked for.
var settings = []setting{
	{
		name: "ssh.password_auth", artefact: "sshd-drop-in", check: "linux.sshd_password_auth", keyword: "PasswordAuthentication", value: yesNo, asked: []string{"no"},
		rules: []string{"ssh_bruteforce", "ssh_bruteforce_success"}, drills: []string{"ssh-password-login", "ssh-bruteforce"}, broken: "password login was allowed",
	},
	{
		name: "ssh.root_login", artefact: "sshd-drop-in", check: "linux.sshd_root_login", keyword: "PermitRootLogin", value: rootLogin, asked: []string{"no"},
		rules: []string{"ssh_bruteforce", "ssh_bruteforce_success", "ssh_root_login"}, drills: []string{"ssh-bruteforce"}, broken: "root could log in over SSH",
	},
	{name: "ssh.empty_passwords", artefact: "sshd-drop-in", check: "linux.sshd_empty_passwords", keyword: "PermitEmptyPasswords", value: yesNo, asked: []string{"no"}, broken: "accounts without a password could log in"},
	{name: "ssh.max_auth_tries", artefact: "sshd-drop-in", check: "linux.sshd_max_auth_tries", keyword: "MaxAuthTries", value: number, asked: []string{"4"}, rules: []string{"ssh_max_attempts"}, broken: "many logins could be tried in one connection"},
	{name: "ssh.x11_forwarding", artefact: "sshd-drop-in", check: "linux.sshd_x11_forwarding", keyword: "X11Forwarding", value: yesNo, asked: []string{"no"}, broken: "X11 was forwarded"},
	{name: "ssh.log_level", artefact: "sshd-drop-in", check: "linux.sshd_log_level", keyword: "LogLevel", value: word, broken: "logins left no trace"},
	{name: "ssh.login_grace", artefact: "sshd-drop-in", check: "linux.sshd_login_grace", keyword: "LoginGraceTime", value: number, asked: []string{"60"}, broken: "connections could wait long without logging in"},
}

// askedOfKernel are the values that the shipped check of a kernel setting is
// content with.
func askedOfKernel(key string) []string {
	switch key {
	case "fs.suid_dumpable", "net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.all.accept_source_route",
		"net.ipv4.conf.all.send_redirects", "net.ipv6.conf.all.accept_redirects":
		return []string{"0"}
	case "fs.protected_hardlinks", "fs.protected_symlinks", "kernel.dmesg_restrict", "net.ipv4.icmp_echo_ignore_broadcasts":
		return []string{"1"}
	case "kernel.randomize_va_space":
		return []string{"2"}
	case "kernel.kptr_restrict", "kernel.unprivileged_bpf_disabled", "net.ipv4.conf.all.rp_filter", "net.ipv4.tcp_syncookies":
		return []string{"1", "2"}
	case "kernel.yama.ptrace_scope":
		return []string{"1", "2", "3"}
	}
	return nil
}

func yesNo(want string) (string, error) {
	switch want {
	case "true", "yes":
		return "yes", nil
	case "false", "no":
		return "no", nil
	}
	return "", fmt.Errorf("%q is neither true nor false", want)
}

// rootLogin also takes keys: root may log in, but not with a password.
func rootLogin(want string) (string, error) {
	if want == "keys" {
		return "prohibit-password", nil
	}
	v, err := yesNo(want)
	if err != nil {
		return "", fmt.Errorf("%q is neither true, false nor keys", want)
	}
	return v, nil
}

func number(want string) (string, error) {
	if want == "" || len(want) > 9 || strings.Trim(want, "0123456789") != "" {
		return "", fmt.Errorf("%q is no number", want)
	}
	return want, nil
}

func word(want string) (string, error) {
	if want == "" || strings.ContainsAny(want, " \t\r\n\"'#\\") {
		return "", fmt.Errorf("%q is no single word", want)
	}
	return want, nil
}

// settingFor finds a setting by name.
func settingFor(name string) (setting, error) {
	for _, s := range settings {
		if s.name == name {
			return s, nil
		}
	}
	if key, ok := strings.CutPrefix(name, "sysctl."); ok && key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == "" && !strings.Contains(key, "..") {
		return setting{
			name: name, artefact: "sysctl-drop-in", check: "linux.sysctl_" + strings.ReplaceAll(key, ".", "_"), keyword: key, value: word, asked: askedOfKernel(key),
			broken: key + " was not as required",
		}, nil
	}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return setting{}, fmt.Errorf("there is no setting %q; %s", name, nearest.Say(name, names, 6, "there are "+strings.Join(names, ", ")+", and sysctl.KEY"))
}

// stateParams groups a state clause's settings by artefact, as its parameters.
func stateParams(want map[string]string) (map[string]json.RawMessage, error) {
	groups := map[string]map[string]string{}
	names := make([]string, 0, len(want))
	for n := range want {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		s, err := settingFor(n)
		if err != nil {
			return nil, err
		}
		v, err := s.value(want[n])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		if groups[s.artefact] == nil {
			groups[s.artefact] = map[string]string{}
		}
		groups[s.artefact][s.keyword] = v
	}
	out := map[string]json.RawMessage{}
	for a, g := range groups {
		b, err := json.Marshal(map[string]any{"settings": g})
		if err != nil {
			return nil, err
		}
		out[a] = b
	}
	return out, nil
}
