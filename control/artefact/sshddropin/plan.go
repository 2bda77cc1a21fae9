package sshddropin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"holdfast"
	"holdfast/internal/host"
)

// arming is what undo goes by: our file as it was.
type arming struct {
	Config string `json:"config"`
	File   string `json:"file"`
	Had    bool   `json:"had"`
	Mode   uint32 `json:"mode,omitempty"`
	Before []byte `json:"before,omitempty"`
}

func plan(ctx context.Context, h *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
	p := holdfast.Plan{Part: part, Params: raw, Confirm: holdfast.Duration(confirm)}
	config, wanted, err := readParams(raw)
	if err != nil {
		return p, err
	}
	if err := supported(); err != nil {
		return p, err
	}
	p.Made = h.Clock.Now()
	p.Summary = "Set " + say(wanted) + " for the SSH server"
	refuse := func(why string) (holdfast.Plan, error) {
		p.Refused = append(p.Refused, why)
		return p, nil
	}
	if !h.Exists(sshd) {
		return refuse("there is no SSH server on this host (" + sshd + " is missing)")
	}
	l, err := look(h, config, wanted)
	var bad errLayout
	if errors.As(err, &bad) {
		return refuse(bad.say)
	}
	if err != nil {
		return p, err
	}
	now, err := effective(ctx, h, config, nil)
	if err != nil {
		return refuse("sshd does not accept its configuration as it is: " + err.Error())
	}
	after, err := effective(ctx, h, config, wanted)
	if err != nil {
		return refuse("sshd does not know a wanted setting: " + err.Error())
	}
	p.Nothing = len(differ(now, after, wanted)) == 0
	a, err := previous(h, l.own)
	if errors.As(err, &bad) {
		return refuse(bad.say)
	}
	if err != nil {
		return p, err
	}
	a.Config = config
	if p.Undo, err = json.Marshal(a); err != nil {
		return p, err
	}
	if p.Fingerprint, err = l.fingerprint(h); err != nil {
		return p, err
	}
	p.Hits = append(p.Hits, hits(h, wanted, after)...)
	for _, m := range l.matches(h, wanted) {
		p.Hits = append(p.Hits, holdfast.Hit{Kind: "service", Value: m, Why: "this match block overrules the setting for whom it fits; take it out by hand"})
	}
	if p.Nothing {
		p.Summary = "The SSH server already has " + say(wanted)
		return p, nil
	}
	text := render(a.Before, wanted)
	p.Diff = unified(l.own, a, text)
	p.Steps = steps(l, a, now, after, wanted)
	return p, nil
}

func say(wanted []setting) string {
	words := make([]string, len(wanted))
	for i, s := range wanted {
		words[i] = s.key + " " + s.value
	}
	return strings.Join(words, ", ")
}

func steps(l layout, a arming, now, after map[string]string, wanted []setting) []holdfast.Step {
	back := "remove " + l.own
	if a.Had {
		back = "write " + l.own + " as it was"
	}
	var change []string
	for _, s := range wanted {
		if k := strings.ToLower(s.key); now[k] != after[k] {
			change = append(change, fmt.Sprintf("%s from %s to %s", s.key, now[k], after[k]))
		}
	}
	return []holdfast.Step{
		{Do: "write " + l.own + ", which changes " + strings.Join(change, ", "), Undo: back},
		{Do: sshd + " -t -f " + l.config + "; if it fails, " + back},
		{Do: "make the listening sshd read its files again", Undo: "make it read them again"},
	}
}

// unified is the change of our file in the unified format.
func unified(file string, a arming, text []byte) string {
	old, now := lines(a.Before), lines(text)
	head := 0
	for head < len(old) && head < len(now) && old[head] == now[head] {
		head++
	}
	tail := 0
	for tail < len(old)-head && tail < len(now)-head && old[len(old)-1-tail] == now[len(now)-1-tail] {
		tail++
	}
	var b strings.Builder
	from := file
	if !a.Had {
		from = "/dev/null"
	}
	start := 1
	if len(old) == 0 {
		start = 0
	}
	fmt.Fprintf(&b, "--- %s\n+++ %s\n@@ -%d,%d +1,%d @@\n", from, file, start, len(old), len(now))
	write := func(mark string, ls []string) {
		for _, l := range ls {
			b.WriteString(mark + strings.TrimSuffix(l, "\n") + "\n")
		}
	}
	write(" ", old[:head])
	write("-", old[head:len(old)-tail])
	write("+", now[head:len(now)-tail])
	write(" ", now[len(now)-tail:])
	return b.String()
}

func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
}

// ours reads back from a plan what it was made for.
func ours(p holdfast.Plan) (arming, []setting, error) {
	config, wanted, err := readParams(p.Params)
	if err != nil {
		return arming{}, nil, err
	}
	a, err := armed(p)
	if err == nil && a.Config != config {
		err = fmt.Errorf("the plan's undo does not fit its parameters: %w", holdfast.ErrInvalid)
	}
	return a, wanted, err
}

func armed(p holdfast.Plan) (arming, error) {
	var a arming
	if err := json.Unmarshal(p.Undo, &a); err != nil {
		return a, fmt.Errorf("the plan's undo: %w: %w", err, holdfast.ErrInvalid)
	}
	if !path.IsAbs(a.File) || path.Clean(a.File) != a.File || path.Base(a.File) != fileOwn || !path.IsAbs(a.Config) {
		return a, fmt.Errorf("the plan's undo names a file that is not %s's: %w", name, holdfast.ErrInvalid)
	}
	return a, nil
}
