package sshddropin

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"holdfast"
	"holdfast/internal/host"
)

const maxHits = 50

// hits lists who the change would touch.
func hits(h *host.Host, wanted []setting, after map[string]string) []holdfast.Hit {
	var out []holdfast.Hit
	if value(wanted, "PasswordAuthentication") == "no" {
		out = append(out, passwordOnly(h, after)...)
	}
	if v := value(wanted, "PermitRootLogin"); v == "no" {
		out = append(out, holdfast.Hit{Kind: "account", Value: "root", Why: "can no longer log in over SSH in any way"})
	}
	for _, s := range sessions() {
		out = append(out, holdfast.Hit{Kind: "session", Value: s, Why: "open now and stays open; its next login follows the new settings"})
	}
	if len(out) > maxHits {
		rest := len(out) - maxHits
		out = append(out[:maxHits:maxHits], holdfast.Hit{Kind: "account", Value: fmt.Sprintf("%d more", rest), Why: "not listed one by one"})
	}
	return out
}

// passwordOnly lists the accounts that can log in with a password and have no
// key to log in with instead.
func passwordOnly(h *host.Host, after map[string]string) []holdfast.Hit {
	shadow, err := h.ReadFile("/etc/shadow")
	if err != nil {
		return []holdfast.Hit{{Kind: "account", Value: "unknown", Why: "/etc/shadow cannot be read, so it is not known who logs in with a password: " + err.Error()}}
	}
	passwd, err := h.ReadFile("/etc/passwd")
	if err != nil {
		return []holdfast.Hit{{Kind: "account", Value: "unknown", Why: "/etc/passwd cannot be read: " + err.Error()}}
	}
	withPassword := map[string]bool{}
	for line := range strings.Lines(string(shadow)) {
		f := strings.Split(line, ":")
		withPassword[f[0]] = len(f) > 1 && f[1] != "" && !strings.ContainsAny(f[1][:1], "!*")
	}
	var out []holdfast.Hit
	anyKey := false
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 7 || strings.HasSuffix(f[6], "/nologin") || strings.HasSuffix(f[6], "/false") {
			continue
		}
		switch {
		case hasKey(h, f[0], f[5], after["authorizedkeysfile"]):
			anyKey = true
		case withPassword[f[0]]:
			out = append(out, holdfast.Hit{Kind: "account", Value: f[0], Why: "has a password and no key: can no longer log in over SSH"})
		}
	}
	if !anyKey {
		out = slices.Insert(out, 0, holdfast.Hit{Kind: "account", Value: "everybody", Why: "nobody has a key: only console/management access remains"})
	}
	return out
}

// hasKey looks where sshd would (sshd_config(5), AuthorizedKeysFile).
func hasKey(h *host.Host, user, home, files string) bool {
	if files == "" {
		files = ".ssh/authorized_keys .ssh/authorized_keys2"
	}
	for _, f := range strings.Fields(files) {
		f = strings.NewReplacer("%%", "%", "%h", home, "%u", user).Replace(f)
		if !path.IsAbs(f) {
			f = path.Join(home, f)
		}
		b, err := h.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				return true
			}
		}
	}
	return false
}
