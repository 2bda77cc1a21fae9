// Package sysctldropin writes kernel settings: a file of their own in
// /etc/sysctl.d for the next start, and the live values at once. Which settings
// are wanted is left to package control.
package sysctldropin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"sort"
	"strings"
	"time"

	"holdfast"
	"holdfast/control/artefact"
	"holdfast/internal/host"
)

const (
	name   = "sysctl-drop-in"
	file   = "/etc/sysctl.d/60-holdfast.conf"
	header = "# Written by Holdfast for the requirements of this host. Changes here are undone.\n"
)

// Artefact describes the part.
func Artefact() artefact.Artefact {
	return artefact.Artefact{
		Name: name, Title: "Kernel settings", Description: "Sets kernel parameters now, and in " + file + " for every start.",
		References: []string{"sysctl.d(5)", "https://docs.kernel.org/admin-guide/sysctl/"},
		Never:      []string{"any other file in /etc/sysctl.d", "a parameter that this kernel does not have", "a parameter that cannot be set back before the next start", "a parameter that is no number: some of those name a program that the kernel runs as root"},
		Plan:       plan, Apply: apply, Verify: verify, Undo: undo,
	}
}

type params struct {
	Settings map[string]string `json:"settings"`
}

// before is what undo brings back.
type before struct {
	Existed bool              `json:"existed"`
	Content []byte            `json:"content,omitempty"`
	Values  map[string]string `json:"values"`
}

var (
	keyForm = regexp.MustCompile(`^[a-z0-9_]+(\.[a-zA-Z0-9_-]+)+$`)
	// valueForm takes numbers only. What the kernel takes as text includes
	// programs that it runs as root (core_pattern, modprobe).
	valueForm = regexp.MustCompile(`^-?[0-9]{1,19}( -?[0-9]{1,19}){0,7}$`)
)

// oneWay says why a setting could not be undone.
func oneWay(key, value string) string {
	switch key + "=" + value {
	case "kernel.modules_disabled=1", "kernel.kexec_load_disabled=1", "kernel.unprivileged_bpf_disabled=1", "kernel.yama.ptrace_scope=3":
		return fmt.Sprintf("the kernel does not let %s be set back from %s before the next start", key, value)
	}
	return ""
}

func proc(key string) string { return "/proc/sys/" + strings.ReplaceAll(key, ".", "/") }

func live(h *host.Host, key string) (string, error) {
	b, err := h.ReadFile(proc(key))
	return strings.Join(strings.Fields(string(b)), " "), err
}

func read(raw json.RawMessage) (params, []string, error) {
	var p params
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, nil, fmt.Errorf("%s: %w: %w", name, err, holdfast.ErrInvalid)
	}
	keys := make([]string, 0, len(p.Settings))
	for k, v := range p.Settings {
		if !keyForm.MatchString(k) || !valueForm.MatchString(v) {
			return p, nil, fmt.Errorf("%s: %q = %q is no kernel setting and number: %w", name, k, v, holdfast.ErrInvalid)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return p, nil, fmt.Errorf("%s: no settings: %w", name, holdfast.ErrInvalid)
	}
	sort.Strings(keys)
	return p, keys, nil
}

// merged is our file with the settings of p in place of its own.
func merged(old []byte, p params) string {
	all := map[string]string{}
	for _, l := range strings.Split(string(old), "\n") {
		if k, v, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(strings.TrimSpace(l), "#") {
			all[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	for k, v := range p.Settings {
		all[k] = v
	}
	keys := make([]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	b.WriteString(header)
	for _, k := range keys {
		fmt.Fprintf(&b, "%s = %s\n", k, all[k])
	}
	return b.String()
}

func current(h *host.Host, keys []string) (before, string, error) {
	old := before{Values: map[string]string{}}
	sum := sha256.New()
	b, err := h.ReadFile(file)
	switch {
	case err == nil:
		old.Existed, old.Content = true, b
		sum.Write(b)
	case !errors.Is(err, fs.ErrNotExist):
		return old, "", err
	}
	for _, k := range keys {
		v, err := live(h, k)
		if err != nil {
			return old, "", fmt.Errorf("%s: %w", k, err)
		}
		old.Values[k] = v
		fmt.Fprintf(sum, "\x00%s=%s", k, v)
	}
	return old, hex.EncodeToString(sum.Sum(nil)), nil
}

func plan(_ context.Context, h *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
	p, keys, err := read(raw)
	if err != nil {
		return holdfast.Plan{}, err
	}
	out := holdfast.Plan{Part: "artefact/" + name, Params: raw, Made: h.Clock.Now().UTC()}
	for _, k := range keys {
		if !h.Exists(proc(k)) {
			out.Refused = append(out.Refused, "this kernel has no setting "+k)
			continue
		}
		now, err := live(h, k)
		if err != nil {
			return out, fmt.Errorf("%s: %w", k, err)
		}
		if why := oneWay(k, p.Settings[k]); why != "" && now != p.Settings[k] {
			out.Refused = append(out.Refused, why)
		}
		if !valueForm.MatchString(now) {
			out.Refused = append(out.Refused, fmt.Sprintf("%s is %q, which is no number; it is not touched", k, now))
		}
	}
	if len(out.Refused) > 0 {
		out.Summary = "some settings cannot be made here"
		return out, nil
	}
	old, print, err := current(h, keys)
	if err != nil {
		return out, err
	}
	out.Fingerprint = print
	next := merged(old.Content, p)
	changes := 0
	var diff strings.Builder
	fmt.Fprintf(&diff, "--- %s\n+++ %s\n", file, file)
	for _, k := range keys {
		if old.Values[k] != p.Settings[k] {
			changes++
			out.Steps = append(out.Steps, holdfast.Step{Do: fmt.Sprintf("set %s from %s to %s", k, old.Values[k], p.Settings[k]), Undo: fmt.Sprintf("set %s to %s", k, old.Values[k])})
		}
		fmt.Fprintf(&diff, "-%s = %s\n+%s = %s\n", k, old.Values[k], k, p.Settings[k])
	}
	if string(old.Content) != next {
		out.Steps = append(out.Steps, holdfast.Step{Do: "write " + file, Undo: "bring " + file + " back as it was"})
	}
	out.Diff = diff.String()
	out.Nothing = changes == 0 && string(old.Content) == next
	out.Summary = fmt.Sprintf("%d kernel settings change, now and at every start", changes)
	if out.Nothing {
		out.Summary = "all settings are so already, now and at every start"
	}
	if out.Undo, err = json.Marshal(old); err != nil {
		return out, err
	}
	return out, nil
}

func apply(_ context.Context, h *host.Host, pl holdfast.Plan) error {
	p, keys, err := read(pl.Params)
	if err != nil {
		return err
	}
	old, print, err := current(h, keys)
	if err != nil {
		return err
	}
	if len(pl.Refused) > 0 {
		return fmt.Errorf("this plan is not to be applied: %w", holdfast.ErrRefused)
	}
	if print != pl.Fingerprint {
		if string(old.Content) == merged(old.Content, p) && equal(old.Values, p.Settings) {
			return nil // applied before
		}
		return fmt.Errorf("the settings have changed since the plan was made; plan again: %w", holdfast.ErrConflict)
	}
	if err := h.WriteAtomic(file, []byte(merged(old.Content, p)), 0o644); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return set(h, keys, p.Settings)
}

func equal(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

func set(h *host.Host, keys []string, values map[string]string) error {
	for _, k := range keys {
		if err := os.WriteFile(h.Path(proc(k)), []byte(values[k]+"\n"), 0o644); err != nil {
			return fmt.Errorf("setting %s to %s: %w", k, values[k], err)
		}
	}
	return nil
}

func verify(_ context.Context, h *host.Host, pl holdfast.Plan) (holdfast.Proof, error) {
	p, keys, err := read(pl.Params)
	if err != nil {
		return holdfast.Proof{}, err
	}
	proof := holdfast.Proof{Holds: true, At: h.Clock.Now().UTC()}
	test := func(say, want, got string, start time.Time) {
		t := holdfast.Test{Say: say, Want: want, Got: got, OK: got == want, Took: time.Since(start)}
		proof.Holds = proof.Holds && t.OK
		proof.Tests = append(proof.Tests, t)
	}
	for _, k := range keys {
		start := time.Now()
		got, err := live(h, k)
		if err != nil {
			got = err.Error()
		}
		test("the kernel's "+k, p.Settings[k], got, start)
	}
	start := time.Now()
	b, err := h.ReadFile(file)
	got := "kept for the next start"
	if err != nil || string(b) != merged(b, p) {
		got = "not as written"
	}
	test(file, "kept for the next start", got, start)
	return proof, nil
}

func undo(_ context.Context, h *host.Host, pl holdfast.Plan) error {
	var old before
	if err := json.Unmarshal(pl.Undo, &old); err != nil {
		return fmt.Errorf("%s: undo: %w: %w", name, err, holdfast.ErrInvalid)
	}
	for k, v := range old.Values {
		if !keyForm.MatchString(k) || !valueForm.MatchString(v) {
			return fmt.Errorf("%s: undo: %q = %q is no kernel setting and number: %w", name, k, v, holdfast.ErrInvalid)
		}
	}
	if old.Existed {
		if err := h.WriteAtomic(file, old.Content, 0o644); err != nil {
			return err
		}
	} else if err := h.Remove(file); err != nil {
		return err
	}
	keys := make([]string, 0, len(old.Values))
	for k := range old.Values {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return set(h, keys, old.Values)
}
