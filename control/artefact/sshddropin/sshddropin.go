// Package sshddropin is the artefact that hardens the SSH server: it keeps one
// file of its own beside the host's sshd_config, read before everything else,
// so that its settings win and the administrators' files stay as they are.
// Which settings are wanted is left to package control.
package sshddropin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/control/artefact"
)

const (
	name    = "sshd-drop-in"
	part    = "artefact/" + name
	fileOwn = "00-holdfast.conf" // sorts first: of two values, sshd takes the first
	sshd    = "/usr/sbin/sshd"
	confirm = 15 * time.Second
)

// Artefact describes sshd-drop-in.
func Artefact() artefact.Artefact {
	return artefact.Artefact{
		Name:  name,
		Title: "SSH server settings",
		Description: "Writes " + fileOwn + " into the folder that sshd_config includes, has sshd check the whole configuration, " +
			"and makes the listening sshd read it again. Sessions that are open stay open.",
		References: []string{
			"sshd_config(5): for each keyword, the first obtained value will be used",
			"NIST SP 800-53r5 IA-2, AC-17, CM-6",
			"MITRE D3FEND D3-ACH (application configuration hardening)",
		},
		Never: []string{
			"any file but its own " + fileOwn,
			"ports, addresses, host keys, commands, subsystems and match blocks",
			"a configuration that sshd itself refuses: it is taken back before sshd reads it",
			"open sessions",
			"an sshd of another container or network on the same machine",
		},
		Plan: plan, Apply: apply, Verify: verify, Undo: undo,
	}
}

// Params are what the artefact is asked for.
type Params struct {
	Settings map[string]string `json:"settings"`
	Config   string            `json:"config,omitempty"` // empty is /etc/ssh/sshd_config
}

// keywords are the settings that may be set at all, as sshd_config(5) writes
// them. None of them can run a program or move the server elsewhere.
func keywords() []string {
	return []string{
		"AllowAgentForwarding", "AllowTcpForwarding", "ClientAliveCountMax", "ClientAliveInterval",
		"HostbasedAuthentication", "IgnoreRhosts", "KbdInteractiveAuthentication", "LogLevel", "LoginGraceTime",
		"MaxAuthTries", "MaxSessions", "MaxStartups", "PasswordAuthentication", "PermitEmptyPasswords",
		"PermitRootLogin", "PermitTunnel", "PermitUserEnvironment", "StrictModes", "X11Forwarding",
	}
}

func keyword(s string) (string, bool) {
	ks := keywords()
	i := slices.IndexFunc(ks, func(k string) bool { return strings.EqualFold(k, s) })
	if i < 0 {
		return "", false
	}
	return ks[i], true
}

// setting is one line of the file.
type setting struct{ key, value string }

// readParams reads the parameters. The settings come back sorted and spelt as
// sshd spells them.
func readParams(raw json.RawMessage) (string, []setting, error) {
	var p Params
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return "", nil, fmt.Errorf("%s parameters: %w: %w", name, err, holdfast.ErrInvalid)
	}
	if p.Config == "" {
		p.Config = "/etc/ssh/sshd_config"
	}
	if !path.IsAbs(p.Config) || path.Clean(p.Config) != p.Config {
		return "", nil, fmt.Errorf("%q is no plain absolute path: %w", p.Config, holdfast.ErrInvalid)
	}
	if len(p.Settings) == 0 {
		return "", nil, fmt.Errorf("%s was asked for no setting: %w", name, holdfast.ErrInvalid)
	}
	var out []setting
	for k, v := range p.Settings {
		canonical, ok := keyword(k)
		if !ok {
			return "", nil, fmt.Errorf("%q is not a setting that %s may touch; it may set %s: %w", k, name, strings.Join(keywords(), ", "), holdfast.ErrRefused)
		}
		if !plainValue(v) {
			return "", nil, fmt.Errorf("%q is no value for %s: %w", v, canonical, holdfast.ErrInvalid)
		}
		out = put(out, setting{canonical, v})
	}
	if v := value(out, "PasswordAuthentication"); strings.EqualFold(v, "no") && value(out, "KbdInteractiveAuthentication") == "" {
		// Otherwise PAM asks for the same password by another name.
		out = put(out, setting{"KbdInteractiveAuthentication", "no"})
	}
	return p.Config, out, nil
}

// plainValue keeps a value from being more to sshd than one word.
func plainValue(v string) bool {
	return v != "" && len(v) <= 64 && !strings.ContainsFunc(v, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != ':'
	})
}

// put adds or replaces a setting and keeps the order.
func put(all []setting, s setting) []setting {
	i, found := slices.BinarySearchFunc(all, s, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	if found {
		all[i] = s
		return all
	}
	return slices.Insert(all, i, s)
}

func value(all []setting, key string) string {
	for _, s := range all {
		if s.key == key {
			return s.value
		}
	}
	return ""
}

// render is the file's text: what it held before, and over it what is wanted.
func render(before []byte, wanted []setting) []byte {
	var all []setting
	for line := range strings.Lines(string(before)) {
		k, v := directive(line)
		if canonical, ok := keyword(k); ok && plainValue(v) {
			all = put(all, setting{canonical, v})
		}
	}
	for _, s := range wanted {
		all = put(all, s)
	}
	var b bytes.Buffer
	b.WriteString("# Kept by Holdfast: read before the other files, so these values win.\n")
	b.WriteString("# Undo the change in Holdfast instead of editing this file.\n")
	for _, s := range all {
		fmt.Fprintf(&b, "%s %s\n", s.key, s.value)
	}
	return b.Bytes()
}

func supported() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%s works on Linux, not on %s: %w", name, runtime.GOOS, holdfast.ErrRefused)
	}
	return nil
}
