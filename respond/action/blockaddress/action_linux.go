package blockaddress

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

func plan(ctx context.Context, h *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
	addr, lease, err := readParams(raw)
	if err != nil {
		return holdfast.Plan{}, err
	}
	p := holdfast.Plan{
		Part: part, Params: raw, Made: h.Clock.Now(), Lease: holdfast.Duration(lease),
		Summary: fmt.Sprintf("Block %s for %s: drop what comes from it or goes to it, and cut its sessions", addr, lease),
	}
	if _, err := exec.LookPath("nft"); err != nil {
		p.Refused = append(p.Refused, "the program nft is not on this host; install nftables")
		return p, nil
	}
	if p.Refused, err = refusals(h, addr); err != nil {
		return p, err
	}
	now, err := elements(ctx, h, setOf(addr))
	if err != nil {
		return p, err
	}
	a := arming{Address: addr.String(), Token: holdfast.NewID("blk")}
	if e, ok := now[addr]; ok {
		if e.Left >= lease {
			p.Nothing = true
			p.Summary = fmt.Sprintf("%s is already blocked, for another %s", addr, e.Left.Round(time.Second))
		}
		a.Replaces = e.Token
	}
	p.Fingerprint = fingerprint(addr, a.Replaces)
	if p.Undo, err = json.Marshal(a); err != nil {
		return p, err
	}
	p.Diff = change(addr, lease, a)
	p.Steps = []holdfast.Step{
		{
			Do:   fmt.Sprintf("nft add element inet holdfast %s { %s timeout %ds }", setOf(addr), addr, int(lease/time.Second)),
			Undo: fmt.Sprintf("nft delete element inet holdfast %s { %s } (the kernel does it by itself after %s)", setOf(addr), addr, lease),
		},
	}
	socks, err := sessionsWith(addr)
	if err != nil {
		return p, err
	}
	owners := socketOwners(h, socks)
	for _, s := range socks {
		p.Hits = append(p.Hits, holdfast.Hit{Kind: "session", Value: s.say(owners), Why: "established now; it is reset and does not come back when the block ends"})
	}
	if len(socks) > 0 {
		p.Steps = append(p.Steps, holdfast.Step{Do: fmt.Sprintf("destroy the %d TCP sockets connected with %s (SOCK_DESTROY) and forget its tracked connections", len(socks), addr)})
	}
	return p, nil
}

func fingerprint(addr netip.Addr, token string) string {
	return holdfast.StableID("fp", addr.String(), token)
}

// ours reads back from a plan what it was made for.
func ours(p holdfast.Plan) (netip.Addr, time.Duration, arming, error) {
	var a arming
	addr, lease, err := readParams(p.Params)
	if err != nil {
		return addr, 0, a, err
	}
	if err := json.Unmarshal(p.Undo, &a); err != nil {
		return addr, 0, a, fmt.Errorf("the plan's undo: %w: %w", err, holdfast.ErrInvalid)
	}
	if a.Address != addr.String() || a.Token == "" || !plainToken(a.Token) {
		return addr, 0, a, fmt.Errorf("the plan's undo does not fit its parameters: %w", holdfast.ErrInvalid)
	}
	return addr, lease, a, nil
}

// plainToken keeps a token from being anything to nft but a word.
func plainToken(s string) bool {
	return len(s) <= 64 && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
}

func apply(ctx context.Context, h *host.Host, p holdfast.Plan) error {
	addr, lease, a, err := ours(p)
	if err != nil {
		return err
	}
	if len(p.Refused) > 0 || p.Nothing {
		return fmt.Errorf("this plan is not to be applied: %w", holdfast.ErrRefused)
	}
	text := change(addr, lease, a)
	if p.Diff != text || p.Fingerprint != fingerprint(addr, a.Replaces) {
		return fmt.Errorf("the plan shows another change than it would make: %w", holdfast.ErrRefused)
	}
	refused, err := refusals(h, addr)
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		return fmt.Errorf("%s: %w", refused[0], holdfast.ErrRefused)
	}
	err = locked(h, func() error {
		now, err := elements(ctx, h, setOf(addr))
		if err != nil {
			return err
		}
		e, blocked := now[addr]
		if blocked && e.Token == a.Token {
			return nil // applied before; its time runs on as it was
		}
		if e.Token != a.Replaces {
			return fmt.Errorf("the block of %s is not what it was when this was planned: %w", addr, holdfast.ErrConflict)
		}
		_, err = h.Run(ctx, []byte(text), "nft", "-f", "-")
		return err
	})
	if err != nil {
		return err
	}
	return cut(ctx, h, addr)
}

func undo(ctx context.Context, h *host.Host, p holdfast.Plan) error {
	var a arming
	if err := json.Unmarshal(p.Undo, &a); err != nil {
		return fmt.Errorf("the plan's undo: %w: %w", err, holdfast.ErrInvalid)
	}
	addr, err := parseAddress(a.Address)
	if err != nil {
		return err
	}
	return locked(h, func() error { return remove(ctx, h, addr, a.Token) })
}
