// Package nfttable writes a requirement's reach into the host's own packet
// filter: one chain for each requirement, in Holdfast's own table. It touches
// no other table, and in its own no chain whose name does not start with
// "reach". Who may reach whom is left to package control.
//
// In table inet holdfast, the base chain reach_input lets what is established
// go on and asks each requirement's chain. That one passes over other ports,
// management and the allowed, and, if only they may, drops the rest. A packet
// that is let through here is still judged by the host's other filters.
package nfttable

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/control/artefact"
	"holdfast/internal/host"
)

const (
	name    = "nftables-table"
	table   = "inet holdfast"
	base    = "reach_input"
	confirm = 15 * time.Second
	// maxFrom bounds the addresses of one requirement.
	maxFrom = 10_000
)

// Artefact describes the part.
func Artefact() artefact.Artefact {
	return artefact.Artefact{
		Name: name, Title: "Host firewall", Description: "Lets only the named addresses and management reach ports of this host, in Holdfast's own nftables table.",
		References: []string{"nft(8)", "https://wiki.nftables.org/"},
		Never:      []string{"any other table", "chains and sets of blocked addresses", "connections that are established", "loopback", "declared management addresses"},
		Plan:       plan, Apply: apply, Verify: verify, Undo: undo,
	}
}

type params struct {
	Requirement string   `json:"requirement"`
	Ports       []string `json:"ports"`
	From        []string `json:"from"`
	Management  []string `json:"management"`
	Only        bool     `json:"only"`
}

var (
	idForm    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	chainForm = regexp.MustCompile(`^reach_[a-z0-9_]{1,80}$`)
	// lineForm is one rule and nothing after it.
	lineForm = regexp.MustCompile(`^[a-z0-9 !={},.:/"_-]+$`)
	portForm = regexp.MustCompile(`^([0-9]{1,5})/(tcp|udp)$`)
)

func read(raw json.RawMessage) (params, error) {
	var p params
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%s: %w: %w", name, err, holdfast.ErrInvalid)
	}
	if chain(p.Requirement) == base {
		return p, fmt.Errorf("%s: a requirement may not be called %q here: that is the name of the chain that asks all others; give it another id: %w", name, p.Requirement, holdfast.ErrInvalid)
	}
	if !idForm.MatchString(p.Requirement) || len(p.Ports) == 0 || len(p.From) > maxFrom {
		return p, fmt.Errorf("%s: a requirement, ports and at most %d addresses are needed: %w", name, maxFrom, holdfast.ErrInvalid)
	}
	for _, x := range p.Ports {
		m := portForm.FindStringSubmatch(x)
		if m == nil {
			return p, fmt.Errorf("%s: %q is no port: %w", name, x, holdfast.ErrInvalid)
		}
		if n, err := strconv.ParseUint(m[1], 10, 16); err != nil || n == 0 {
			return p, fmt.Errorf("%s: %q is no port: %w", name, x, holdfast.ErrInvalid)
		}
	}
	for _, list := range [][]string{p.From, p.Management} {
		for _, a := range list {
			if _, err := prefix(a); err != nil {
				return p, fmt.Errorf("%s: %q is no address: %w", name, a, holdfast.ErrInvalid)
			}
		}
	}
	return p, nil
}

func prefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func chain(requirement string) string { return "reach_" + strings.ReplaceAll(requirement, "-", "_") }

// rules are the lines of the requirement's chain.
func (p params) rules(management []string) []string {
	ports := map[string][]string{}
	for _, x := range p.Ports {
		n, proto, _ := strings.Cut(x, "/")
		ports[proto] = append(ports[proto], n)
	}
	var out []string
	for _, proto := range []string{"tcp", "udp"} {
		if len(ports[proto]) > 0 {
			out = append(out, fmt.Sprintf("%s dport != { %s } return", proto, strings.Join(ports[proto], ", ")))
		} else {
			out = append(out, "meta l4proto "+proto+" return")
		}
	}
	out = append(out, "meta l4proto != { tcp, udp } return", `iif "lo" return`)
	out = append(out, allow(slices.Concat(management, p.Management), "management")...)
	out = append(out, allow(p.From, p.Requirement)...)
	if p.Only {
		out = append(out, "counter drop")
	}
	return out
}

func allow(list []string, comment string) []string {
	v4, v6 := []string{}, []string{}
	for _, p := range widest(list) {
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		if p.Addr().Is4() {
			v4 = append(v4, text)
		} else {
			v6 = append(v6, text)
		}
	}
	var out []string
	for fam, l := range map[string][]string{"ip": v4, "ip6": v6} {
		slices.Sort(l)
		if l = slices.Compact(l); len(l) > 0 {
			out = append(out, fmt.Sprintf("%s saddr { %s } return comment %q", fam, strings.Join(l, ", "), comment))
		}
	}
	slices.Sort(out)
	return out
}

// widest are the prefixes that no other of the list contains: nft takes no
// overlaps.
func widest(list []string) []netip.Prefix {
	var all, out []netip.Prefix
	for _, a := range list {
		if p, err := prefix(a); err == nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare) // the wider of two that begin alike comes first
	for _, p := range all {
		if n := len(out); n > 0 && out[n-1].Bits() <= p.Bits() && out[n-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// same reports whether two rules say the same, however nft prints sets.
func same(a, b string) bool {
	words := func(s string) []string {
		w := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" {},", r) })
		slices.Sort(w)
		return w
	}
	return slices.Equal(words(a), words(b))
}

// seen is the state of Holdfast's table on the host.
type seen struct {
	chains []string            // all chains of the table
	others bool                // sets or chains that are not reach's
	lines  map[string][]string // of reach chains, as nft prints them
}

func look(ctx context.Context, h *host.Host) (seen, error) {
	s := seen{lines: map[string][]string{}}
	out, err := h.Run(ctx, nil, "nft", "-s", "list", "table", "inet", "holdfast")
	var exit *host.ExitError
	if errors.As(err, &exit) && bytes.Contains(exit.Stderr, []byte("No such file")) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading the packet filter: %w; install nftables and run as root", err)
	}
	current := ""
	for _, l := range strings.Split(string(out.Stdout), "\n") {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "chain "):
			current = strings.TrimSuffix(strings.TrimPrefix(l, "chain "), " {")
			s.chains = append(s.chains, current)
			if !strings.HasPrefix(current, "reach") {
				s.others = true
			} else {
				s.lines[current] = []string{}
			}
		case strings.HasPrefix(l, "set "), strings.HasPrefix(l, "map "):
			current, s.others = "", true
		case l == "}":
			current = ""
		case strings.HasPrefix(current, "reach") && l != "" && !strings.HasPrefix(l, "type filter hook"):
			s.lines[current] = append(s.lines[current], l)
		}
	}
	return s, nil
}

// holds reports whether the chain has these rules and is asked for them.
func (s seen) holds(c string, next []string) bool {
	return slices.Contains(s.lines[base], "jump "+c) && slices.EqualFunc(s.lines[c], next, same)
}

func (s seen) print(c string) string {
	sum := sha256.New()
	for _, x := range []string{base, c} {
		fmt.Fprintf(sum, "%s\n%s\n", x, strings.Join(s.lines[x], "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// script makes the requirement's chain hold the lines; nil takes it away.
func (s seen) script(c string, lines []string) string {
	var b strings.Builder
	chains := []string{}
	for _, x := range s.chains {
		if strings.HasPrefix(x, "reach") && x != base && x != c {
			chains = append(chains, x)
		}
	}
	if lines != nil {
		chains = append(chains, c)
	}
	slices.Sort(chains)
	fmt.Fprintf(&b, "add table %s\nadd chain %s %s { type filter hook input priority -10; policy accept; }\nflush chain %s %s\n", table, table, base, table, base)
	if lines != nil {
		fmt.Fprintf(&b, "add chain %s %s\nflush chain %s %s\n", table, c, table, c)
		for _, l := range lines {
			fmt.Fprintf(&b, "add rule %s %s %s\n", table, c, l)
		}
	} else if slices.Contains(s.chains, c) {
		fmt.Fprintf(&b, "flush chain %s %s\ndelete chain %s %s\n", table, c, table, c)
	}
	if len(chains) == 0 {
		fmt.Fprintf(&b, "delete chain %s %s\n", table, base)
		if !s.others {
			fmt.Fprintf(&b, "delete table %s\n", table)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "add rule %s %s ct state established,related accept\n", table, base)
	for _, x := range chains {
		fmt.Fprintf(&b, "add rule %s %s jump %s\n", table, base, x)
	}
	return b.String()
}

// before is what undo brings back: the chain's lines, nil if it was not there.
type before struct {
	Chain string   `json:"chain"`
	Lines []string `json:"lines"`
}

func plan(ctx context.Context, h *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
	p, err := read(raw)
	if err != nil {
		return holdfast.Plan{}, err
	}
	out := holdfast.Plan{Part: "artefact/" + name, Params: raw, Made: h.Clock.Now().UTC(), Confirm: holdfast.Duration(confirm)}
	if p.Only && len(p.From) == 0 && len(p.Management)+len(h.Management) == 0 {
		out.Refused = append(out.Refused, "nobody could reach "+strings.Join(p.Ports, ", ")+" any more: no asset fits from, and no management address is declared")
	}
	s, err := look(ctx, h)
	if err != nil {
		return out, err
	}
	c := chain(p.Requirement)
	next := p.rules(h.Management)
	script := s.script(c, next)
	if _, err := h.Run(ctx, []byte(script), "nft", "-c", "-f", "-"); err != nil {
		return out, fmt.Errorf("nft does not take the rules: %w", err)
	}
	out.Fingerprint = s.print(c)
	out.Nothing = s.holds(c, next)
	out.Summary = fmt.Sprintf("%s reachable from %d addresses and management", strings.Join(p.Ports, ", "), len(p.From))
	if p.Only {
		out.Summary += ", and from nowhere else"
		out.Hits = append(out.Hits, holdfast.Hit{Kind: "address", Value: "everybody else", Why: "new connections to " + strings.Join(p.Ports, ", ") + " are dropped; established ones go on"})
	}
	var diff strings.Builder
	fmt.Fprintf(&diff, "--- chain %s\n+++ chain %s\n", c, c)
	for _, l := range s.lines[c] {
		if !slices.Contains(next, l) {
			fmt.Fprintf(&diff, "-%s\n", l)
		}
	}
	for _, l := range next {
		if !slices.Contains(s.lines[c], l) {
			fmt.Fprintf(&diff, "+%s\n", l)
		}
	}
	out.Diff = diff.String()
	out.Steps = []holdfast.Step{{Do: "replace chain " + c + " in table " + table + " in one transaction", Undo: "bring the chain back as it was"}}
	out.Undo, err = json.Marshal(before{c, s.lines[c]})
	return out, err
}

func apply(ctx context.Context, h *host.Host, pl holdfast.Plan) error {
	p, err := read(pl.Params)
	if err != nil {
		return err
	}
	if len(pl.Refused) > 0 {
		return fmt.Errorf("this plan is not to be applied: %w", holdfast.ErrRefused)
	}
	s, err := look(ctx, h)
	if err != nil {
		return err
	}
	c, next := chain(p.Requirement), p.rules(h.Management)
	if s.print(c) != pl.Fingerprint {
		if s.holds(c, next) {
			return nil // applied before
		}
		return fmt.Errorf("the chains have changed since the plan was made; plan again: %w", holdfast.ErrConflict)
	}
	_, err = h.Run(ctx, []byte(s.script(c, next)), "nft", "-f", "-")
	return err
}

func verify(ctx context.Context, h *host.Host, pl holdfast.Plan) (holdfast.Proof, error) {
	p, err := read(pl.Params)
	if err != nil {
		return holdfast.Proof{}, err
	}
	start := time.Now()
	s, err := look(ctx, h)
	if err != nil {
		return holdfast.Proof{}, err
	}
	c, next := chain(p.Requirement), p.rules(h.Management)
	t := holdfast.Test{Say: "chain " + c + " in the kernel", Want: fmt.Sprintf("the %d planned rules, asked for every packet that comes in", len(next))}
	t.OK, t.Took = s.holds(c, next), time.Since(start)
	switch {
	case t.OK:
		t.Got = t.Want
	case !slices.Contains(s.lines[base], "jump "+c):
		t.Got = "the chain is not asked"
	default:
		t.Got = "other rules: " + strings.Join(s.lines[c], "; ")
	}
	return holdfast.Proof{Holds: t.OK, At: h.Clock.Now().UTC(), Tests: []holdfast.Test{t}}, nil
}

func undo(ctx context.Context, h *host.Host, pl holdfast.Plan) error {
	var old before
	if err := json.Unmarshal(pl.Undo, &old); err != nil || !chainForm.MatchString(old.Chain) || old.Chain == base || slices.ContainsFunc(old.Lines, func(l string) bool { return !lineForm.MatchString(l) }) {
		return fmt.Errorf("%s: undo is damaged: %w", name, holdfast.ErrInvalid)
	}
	s, err := look(ctx, h)
	if err != nil {
		return err
	}
	if old.Lines == nil && !slices.Contains(s.chains, old.Chain) {
		return nil
	}
	_, err = h.Run(ctx, []byte(s.script(old.Chain, old.Lines)), "nft", "-f", "-")
	return err
}
