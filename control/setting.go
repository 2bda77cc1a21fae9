package control

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// setting is one thing that the verb state can ask for, and the parts that
// keep it.
type setting struct {
	name string
	part string // the artefact
	key  string // what the artefact calls it
	// value turns what was written into the artefact's word.
	value func(string) (string, error)
	check string
	// checks reports whether the shipped check asks for this value.
	checks func(value string) bool
	rules  []string
	drills []string
	broken string // said of a host where the check fails
}

const (
	partSSHD   = "artefact/sshd-drop-in"
	partSysctl = "artefact/sysctl-drop-in"
)

func settings() []setting {
	guessing := []string{"ssh_bruteforce", "ssh_bruteforce_success"}
	no := func(v string) bool { return v == "no" }
	return []setting{
		{
			name: "ssh.empty_passwords", part: partSSHD, key: "PermitEmptyPasswords", value: yesNo,
			check: "linux.sshd_empty_passwords", checks: no, broken: "login with an empty password was allowed",
		},
		{
			name: "ssh.max_auth_tries", part: partSSHD, key: "MaxAuthTries", value: number(1, 100),
			check: "linux.sshd_max_auth_tries", checks: func(v string) bool { return v == "4" || v == "3" || v == "2" || v == "1" },
			broken: "one connection could try many passwords",
		},
		{
			name: "ssh.password_auth", part: partSSHD, key: "PasswordAuthentication", value: yesNo,
			check: "linux.sshd_password_auth", checks: no, rules: guessing,
			drills: []string{"ssh-password-login", "ssh-bruteforce"}, broken: "password login was allowed",
		},
		{
			name: "ssh.root_login", part: partSSHD, key: "PermitRootLogin", value: rootLogin,
			check: "linux.sshd_root_login", checks: no, rules: guessing, broken: "root login was allowed",
		},
		{
			name: "ssh.x11_forwarding", part: partSSHD, key: "X11Forwarding", value: yesNo,
			check: "linux.sshd_x11_forwarding", checks: no, broken: "X11 forwarding was allowed",
		},
	}
}

var sysctlKey = regexp.MustCompile(`^[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+$`)

// settingNamed finds a setting, or says what may have been meant.
func settingNamed(name string) (setting, error) {
	all := settings()
	if i := slices.IndexFunc(all, func(s setting) bool { return s.name == name }); i >= 0 {
		return all[i], nil
	}
	if key, ok := strings.CutPrefix(name, "sysctl."); ok && sysctlKey.MatchString(key) {
		return setting{
			name: name, part: partSysctl, key: key, value: number(-1<<31, 1<<31-1),
			check:  "linux.sysctl_" + strings.NewReplacer(".", "_", "-", "_").Replace(key),
			checks: func(string) bool { return true }, broken: "the kernel setting " + key + " was another",
		}, nil
	}
	best, least := "", len(name)/2+1
	for _, s := range all {
		if d := distance(name, s.name); d < least {
			best, least = s.name, d
		}
	}
	if best != "" {
		return setting{}, fmt.Errorf("%q is no setting; did you mean %q?", name, best)
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	return setting{}, fmt.Errorf("%q is no setting; known are %s and sysctl.<key>", name, strings.Join(names, ", "))
}

func yesNo(v string) (string, error) {
	switch v {
	case "true", "yes":
		return "yes", nil
	case "false", "no":
		return "no", nil
	}
	return "", fmt.Errorf("%q is neither true nor false; write one of them", v)
}

func rootLogin(v string) (string, error) {
	if v == "keys" {
		return "prohibit-password", nil
	}
	s, err := yesNo(v)
	if err != nil {
		return "", fmt.Errorf("%q is no value for it; write true, false or keys", v)
	}
	return s, nil
}

func number(least, most int) func(string) (string, error) {
	return func(v string) (string, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return "", fmt.Errorf("%q is no value for it; write a whole number from %d to %d", v, least, most)
		}
		return strconv.Itoa(n), nil
	}
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
