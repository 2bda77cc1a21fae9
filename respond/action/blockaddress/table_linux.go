package blockaddress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"holdfast"
	"holdfast/internal/host"
)

// lockFile keeps two processes of the agent (itself and the watchdog that
// undoes) from changing the table at once.
const lockFile = "/run/holdfast-block.lock"

// frame makes the table, sets and chains, whether or not they are there. Only
// chains and sets that begin with "block" are this action's; the chains are
// filled anew in the same transaction, so there is no moment without them.
// Resets still go out to a blocked address, so that its side lets go too.
const frame = `add table inet holdfast
add set inet holdfast blocked4 { type ipv4_addr; flags timeout; }
add set inet holdfast blocked6 { type ipv6_addr; flags timeout; }
add chain inet holdfast block_input { type filter hook input priority -150; policy accept; }
add chain inet holdfast block_forward { type filter hook forward priority -150; policy accept; }
add chain inet holdfast block_output { type filter hook output priority -150; policy accept; }
flush chain inet holdfast block_input
flush chain inet holdfast block_forward
flush chain inet holdfast block_output
add rule inet holdfast block_input ip saddr @blocked4 meta l4proto tcp ct state established reject with tcp reset
add rule inet holdfast block_input ip saddr @blocked4 drop
add rule inet holdfast block_input ip6 saddr @blocked6 meta l4proto tcp ct state established reject with tcp reset
add rule inet holdfast block_input ip6 saddr @blocked6 drop
add rule inet holdfast block_forward ip saddr @blocked4 drop
add rule inet holdfast block_forward ip daddr @blocked4 drop
add rule inet holdfast block_forward ip6 saddr @blocked6 drop
add rule inet holdfast block_forward ip6 daddr @blocked6 drop
add rule inet holdfast block_output ip daddr @blocked4 tcp flags & rst == rst accept
add rule inet holdfast block_output ip daddr @blocked4 drop
add rule inet holdfast block_output ip6 daddr @blocked6 tcp flags & rst == rst accept
add rule inet holdfast block_output ip6 daddr @blocked6 drop
`

func setOf(addr netip.Addr) string {
	if addr.Is4() {
		return "blocked4"
	}
	return "blocked6"
}

// change is the transaction that makes the block.
func change(addr netip.Addr, lease time.Duration, a arming) string {
	var b strings.Builder
	b.WriteString(frame)
	if a.Replaces != "" {
		b.WriteString(dropElement(addr))
	}
	fmt.Fprintf(&b, "add element inet holdfast %s { %s timeout %ds comment %q }\n", setOf(addr), addr, int(lease/time.Second), a.Token)
	return b.String()
}

// dropElement adds before it deletes: adding what is there changes nothing, and
// deleting must not fail if the time-out has struck meanwhile.
func dropElement(addr netip.Addr) string {
	return fmt.Sprintf("add element inet holdfast %[1]s { %[2]s }\ndelete element inet holdfast %[1]s { %[2]s }\n", setOf(addr), addr)
}

// element is one block as the kernel has it.
type element struct {
	Token string
	Left  time.Duration
}

// elements lists the blocks of one set; a set that is not there has none.
func elements(ctx context.Context, h *host.Host, set string) (map[netip.Addr]element, error) {
	out, err := h.Run(ctx, nil, "nft", "-j", "list", "set", "inet", "holdfast", set)
	var exit *host.ExitError
	if errors.As(err, &exit) && strings.Contains(string(exit.Stderr), "No such file or directory") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the blocks: %w", err)
	}
	return readElements(out.Stdout)
}

// readElements reads what "nft -j list set" says (libnftables-json(5)).
func readElements(b []byte) (map[netip.Addr]element, error) {
	var said struct {
		Nftables []struct {
			Set *struct {
				Elem []json.RawMessage `json:"elem"`
			} `json:"set"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, fmt.Errorf("nft's list of blocks: %w: %w", err, holdfast.ErrInvalid)
	}
	all := map[netip.Addr]element{}
	for _, n := range said.Nftables {
		if n.Set == nil {
			continue
		}
		for _, raw := range n.Set.Elem {
			var full struct {
				Elem struct {
					Val     string  `json:"val"`
					Expires float64 `json:"expires"`
					Comment string  `json:"comment"`
				} `json:"elem"`
			}
			if raw[0] == '"' { // an element with neither time-out nor comment, made by hand
				if err := json.Unmarshal(raw, &full.Elem.Val); err != nil {
					return nil, fmt.Errorf("nft's list of blocks: %w: %w", err, holdfast.ErrInvalid)
				}
				full.Elem.Expires = maxLease.Seconds()
			} else if err := json.Unmarshal(raw, &full); err != nil {
				return nil, fmt.Errorf("nft's list of blocks: %w: %w", err, holdfast.ErrInvalid)
			}
			addr, err := netip.ParseAddr(full.Elem.Val)
			if err != nil {
				return nil, fmt.Errorf("nft's list of blocks: %w: %w", err, holdfast.ErrInvalid)
			}
			left := min(max(full.Elem.Expires, 0), maxLease.Seconds())
			all[addr] = element{Token: full.Elem.Comment, Left: time.Duration(left * float64(time.Second))}
		}
	}
	return all, nil
}

// remove takes the block away if it is this one, and with the last block what
// frame made; the table only if nothing else stands in it.
func remove(ctx context.Context, h *host.Host, addr netip.Addr, token string) error {
	all := map[string]map[netip.Addr]element{}
	left := 0
	for _, set := range []string{"blocked4", "blocked6"} {
		got, err := elements(ctx, h, set)
		if err != nil {
			return err
		}
		all[set] = got
		left += len(got)
	}
	var b strings.Builder
	if e, ok := all[setOf(addr)][addr]; ok && e.Token == token {
		left--
		b.WriteString(dropElement(addr))
	}
	if left == 0 {
		names, err := tableParts(ctx, h)
		if err != nil {
			return err
		}
		b.WriteString(removeFrame(names))
	}
	if b.Len() == 0 {
		return nil
	}
	_, err := h.Run(ctx, []byte(b.String()), "nft", "-f", "-")
	return err
}

// removeFrame deletes what frame made, of what is there.
func removeFrame(names map[string]string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	ours := 0
	for _, n := range []string{"block_input", "block_forward", "block_output", "blocked4", "blocked6"} {
		if kind, ok := names[n]; ok {
			ours++
			if kind == "chain" {
				fmt.Fprintf(&b, "flush chain inet holdfast %s\n", n)
			}
			fmt.Fprintf(&b, "delete %s inet holdfast %s\n", kind, n)
		}
	}
	if ours == len(names)-1 { // the rest is the table itself
		b.WriteString("delete table inet holdfast\n")
	}
	return b.String()
}

// tableParts lists the chains, sets and the like in Holdfast's table by name,
// and the table itself under ""; empty if there is no table.
func tableParts(ctx context.Context, h *host.Host) (map[string]string, error) {
	out, err := h.Run(ctx, nil, "nft", "-j", "-t", "list", "table", "inet", "holdfast")
	var exit *host.ExitError
	if errors.As(err, &exit) && strings.Contains(string(exit.Stderr), "No such file or directory") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var said struct {
		Nftables []map[string]json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(out.Stdout, &said); err != nil {
		return nil, fmt.Errorf("nft's list of the table: %w: %w", err, holdfast.ErrInvalid)
	}
	names := map[string]string{}
	for _, n := range said.Nftables {
		for kind, raw := range n {
			var part struct {
				Name string `json:"name"`
			}
			switch kind {
			case "metainfo", "rule":
				continue
			case "table":
			default:
				if err := json.Unmarshal(raw, &part); err != nil {
					return nil, fmt.Errorf("nft's list of the table: %w: %w", err, holdfast.ErrInvalid)
				}
			}
			names[part.Name] = kind
		}
	}
	return names, nil
}

// locked runs do while no other process of the agent changes the table.
func locked(h *host.Host, do func() error) error {
	f, err := os.OpenFile(h.Path(lockFile), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock the blocks: %w", err)
	}
	defer f.Close() // which lets go of the lock
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock the blocks: %w", err)
	}
	return do()
}
