// Package blockaddress is the action that keeps one address away from a host:
// new packets are dropped, established sessions are cut, and the kernel itself
// ends the block when the lease runs out, because the lease is the time-out of
// the set element that makes the block. When and whom to block is left to
// package respond.
package blockaddress

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"holdfast"
	"holdfast/respond/action"
)

const (
	name         = "block-address"
	part         = "action/" + name
	defaultLease = time.Hour
	minLease     = time.Second
	maxLease     = 24 * time.Hour
)

// Action describes block-address.
func Action() action.Action {
	return action.Action{
		Name:  name,
		Title: "Block an address",
		Description: "Drops what comes from one IP address, or goes to it, in Holdfast's own nftables table, " +
			"ahead of the host's ordinary filters; resets the sessions the address has now. " +
			"The block is an element with a time-out, so the kernel lifts it when the lease ends, whatever has become of the agent and the server.",
		References: []string{
			"MITRE D3FEND D3-ITF (inbound traffic filtering)",
			"NIST SP 800-61r3, RS.MI-01",
			"nft(8), sets with flag timeout",
		},
		Takes: holdfast.EntitySource,
		Never: []string{
			"loopback, unspecified, multicast and broadcast addresses",
			"an address of the host itself",
			"the host's default gateways and DNS servers",
			"the declared management addresses, which include Holdfast's server",
			"more than one address at a time: no prefixes",
			"any nftables table, chain or set but its own",
		},
		MaxReach:     25,
		DefaultLease: defaultLease,
		MaxLease:     maxLease,
		Params:       params,
		Plan:         plan,
		Apply:        apply,
		Verify:       verify,
		VerifyUndone: verifyUndone,
		Undo:         undo,
	}
}

// Params are what the action is asked for.
type Params struct {
	Address string            `json:"address"`
	Lease   holdfast.Duration `json:"lease,omitempty"` // 0 is the default lease
}

// arming is what undo goes by: the token tells this block from others of the
// same address.
type arming struct {
	Address string `json:"address"`
	Token   string `json:"token"`
	// Replaces is the token of the block that this one takes the place of.
	Replaces string `json:"replaces,omitempty"`
}

func params(e holdfast.Entity, lease time.Duration) (json.RawMessage, error) {
	if e.Kind != holdfast.EntitySource && e.Kind != holdfast.EntityDestination {
		return nil, fmt.Errorf("%s takes an address, not a %s: %w", name, e.Kind, holdfast.ErrInvalid)
	}
	addr, err := parseAddress(e.Value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Params{Address: addr.String(), Lease: holdfast.Duration(lease)})
}

// parseAddress reads one address; IPv4 inside IPv6 counts as IPv4.
func parseAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		if _, perr := netip.ParsePrefix(s); perr == nil {
			return addr, fmt.Errorf("%s is a prefix; %s takes one address at a time: %w", s, name, holdfast.ErrRefused)
		}
		return addr, fmt.Errorf("%q is not an IP address: %w", s, holdfast.ErrInvalid)
	}
	if addr.Zone() != "" {
		return addr, fmt.Errorf("%s has a zone; %s takes addresses that mean the same on every interface: %w", s, name, holdfast.ErrInvalid)
	}
	return addr.Unmap(), nil
}

// readParams reads and bounds the parameters.
func readParams(b json.RawMessage) (netip.Addr, time.Duration, error) {
	var p Params
	if err := json.Unmarshal(b, &p); err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%s parameters: %w: %w", name, err, holdfast.ErrInvalid)
	}
	addr, err := parseAddress(p.Address)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	lease := p.Lease.Std()
	if lease == 0 {
		lease = defaultLease
	}
	if lease < minLease || lease > maxLease {
		return netip.Addr{}, 0, fmt.Errorf("a block lasts from %s to %s, not %s: %w", minLease, maxLease, lease, holdfast.ErrRefused)
	}
	return addr, lease.Round(time.Second), nil
}
