package linux

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

func listeners() collect.Collector {
	return collect.Collector{
		Name: "linux.listeners", Description: "Ports that are listened on, with the process that owns them.", OS: linuxOnly,
		References: []string{"proc_net(5)"}, Needs: "root: the processes behind other users' sockets",
		Tables: []collect.Schema{{Name: "listeners", Columns: []collect.Column{
			{Name: "protocol", Type: "string", Description: "tcp or udp"},
			{Name: "address", Type: "string"},
			{Name: "port", Type: "int"},
			{Name: "everywhere", Type: "bool", Description: "on all addresses"},
			{Name: "loopback", Type: "bool"},
			{Name: "process", Type: "string", Description: "left out, with pid and exe, when it cannot be seen without root"},
			{Name: "pid", Type: "int"},
			{Name: "exe", Type: "string"},
			{Name: "uid", Type: "int"},
		}}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) {
			return one(listenerTable(ctx, h)), nil
		},
	}
}

func listenerTable(ctx context.Context, h *host.Host) holdfast.Table {
	t := table(h, "listeners")
	if err := missing(h, "/proc/self/net"); err != nil {
		return failed(h, "listeners", err)
	}
	owners, known := socketOwners(ctx, h)
	for _, p := range []struct{ proto, file, state string }{
		{"tcp", "tcp", "0A"}, {"tcp", "tcp6", "0A"}, {"udp", "udp", "07"}, {"udp", "udp6", "07"},
	} {
		b, err := h.ReadFile("/proc/self/net/" + p.file)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue // no IPv6
			}
			return failed(h, "listeners", err)
		}
		for _, s := range parseSockets(b, p.state) {
			r := holdfast.Row{
				"protocol": p.proto, "address": s.addr.Addr().String(), "port": int64(s.addr.Port()), "everywhere": s.addr.Addr().IsUnspecified(),
				"loopback": s.addr.Addr().IsLoopback(), "uid": s.uid,
			}
			pid, ok := owners[s.inode]
			if ok || known { // what may be there, unseen, has no columns
				r["process"], r["pid"], r["exe"] = "", pid, ""
			}
			if ok {
				dir := "/proc/" + strconv.FormatInt(pid, 10)
				if c, err := h.ReadFile(dir + "/comm"); err == nil {
					r["process"] = strings.TrimSpace(string(c))
				}
				if exe, err := os.Readlink(h.Path(dir + "/exe")); err == nil {
					r["exe"] = exe
				}
			}
			add(&t, r)
		}
	}
	return t
}

type socket struct {
	addr  netip.AddrPort
	uid   int64
	inode string
}

// parseSockets reads /proc/net/{tcp,udp}[6]: the sockets in one state that have
// no peer.
func parseSockets(b []byte, state string) []socket {
	var out []socket
	for i, l := range lines(b) {
		f := strings.Fields(l)
		if i == 0 || len(f) < 10 || f[3] != state || strings.Trim(f[2], "0:") != "" {
			continue
		}
		addr, err := hexAddr(f[1])
		if err != nil {
			continue
		}
		out = append(out, socket{addr, number(f[7]), f[9]})
	}
	return out
}

// hexAddr reads 0100007F:0016: words of four bytes in the machine's order,
// little endian on every Linux that is supported here.
func hexAddr(s string) (netip.AddrPort, error) {
	a, p, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(a)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	port, err := strconv.ParseUint(p, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q has no port", s)
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}

// socketOwners maps socket inodes to the first process that holds them; all
// says that every process could be looked at.
func socketOwners(ctx context.Context, h *host.Host) (owners map[string]int64, all bool) {
	owners = map[string]int64{}
	procs, err := os.ReadDir(h.Path("/proc"))
	if err != nil {
		return owners, false
	}
	all = true
	for _, p := range procs {
		if ctx.Err() != nil {
			return owners, false
		}
		pid, err := strconv.ParseInt(p.Name(), 10, 64)
		if err != nil {
			continue
		}
		dir := h.Path("/proc/" + p.Name() + "/fd")
		fds, err := os.ReadDir(dir)
		if err != nil {
			all = all && !errors.Is(err, fs.ErrPermission)
			continue
		}
		for _, fd := range fds {
			to, err := os.Readlink(filepath.Join(dir, fd.Name()))
			if err != nil {
				continue
			}
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				inode = strings.TrimSuffix(inode, "]")
				if have, ok := owners[inode]; !ok || pid < have {
					owners[inode] = pid
				}
			}
		}
	}
	return owners, all
}

func nftables() collect.Collector {
	return collect.Collector{
		Name: "linux.nftables", Description: "Packet filter: tables, chains with hook and policy, and rules.", OS: linuxOnly, References: []string{"libnftables-json(5)"}, Needs: "root: reading the ruleset",
		Tables: []collect.Schema{{Name: "nftables", Columns: []collect.Column{
			{Name: "kind", Type: "string", Description: "table, chain, set or rule"},
			{Name: "family", Type: "string"},
			{Name: "table", Type: "string"},
			{Name: "chain", Type: "string"},
			{Name: "hook", Type: "string"},
			{Name: "priority", Type: "int"},
			{Name: "policy", Type: "string"},
			{Name: "handle", Type: "int"},
			{Name: "text", Type: "string", Description: "a rule's expressions as JSON"},
			{Name: "verdict", Type: "string", Description: "what a rule does with what it matches: accept, drop, reject, jump …"},
			{Name: "always", Type: "bool", Description: "a rule that matches everything"},
		}}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) {
			out, err := h.Run(ctx, nil, "nft", "-j", "list", "ruleset")
			if err != nil {
				return one(failed(h, "nftables", fmt.Errorf("nft: %w; install nftables and run as root", err))), nil
			}
			t := table(h, "nftables")
			if err := parseNft(&t, out.Stdout); err != nil {
				return one(failed(h, "nftables", err)), nil
			}
			return one(t), nil
		},
	}
}

type nftObject struct {
	Family string          `json:"family"`
	Table  string          `json:"table"`
	Chain  string          `json:"chain"`
	Name   string          `json:"name"`
	Hook   string          `json:"hook"`
	Prio   int64           `json:"prio"`
	Policy string          `json:"policy"`
	Handle int64           `json:"handle"`
	Expr   json.RawMessage `json:"expr"`
}

func parseNft(t *holdfast.Table, b []byte) error {
	var doc struct {
		Nftables []map[string]json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("nft's answer is not understood: %w", err)
	}
	for _, x := range doc.Nftables {
		for _, kind := range []string{"table", "chain", "set", "rule"} {
			raw, ok := x[kind]
			if !ok {
				continue
			}
			var o nftObject
			if err := json.Unmarshal(raw, &o); err != nil {
				return fmt.Errorf("nft's answer is not understood: %w", err)
			}
			r := holdfast.Row{"kind": kind, "family": o.Family, "table": o.Table, "chain": o.Chain, "hook": o.Hook, "priority": o.Prio, "policy": o.Policy, "handle": o.Handle, "text": string(o.Expr)}
			switch kind {
			case "table":
				r["table"] = o.Name
			case "chain":
				r["chain"] = o.Name
			case "set":
				r["text"] = o.Name
			case "rule":
				r["verdict"], r["always"] = nftVerdict(o.Expr)
			}
			add(t, r)
		}
	}
	return nil
}

// nftVerdict says what a rule's expressions lead to, and whether nothing among
// them is a condition.
func nftVerdict(raw json.RawMessage) (verdict string, always bool) {
	var exprs []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &exprs); err != nil {
		return "", false
	}
	always = true
	for _, e := range exprs {
		for name := range e {
			switch name {
			case "accept", "drop", "reject", "jump", "goto", "return", "queue":
				verdict = name
			case "counter", "log", "comment", "meta", "notrack":
			default:
				always = false
			}
		}
	}
	return verdict, always
}
