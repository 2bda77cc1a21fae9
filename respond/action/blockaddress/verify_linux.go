package blockaddress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

// maxPorts bounds how many of the host's ports are tried for one that serves
// a neighbour.
const maxPorts = 6

// verify proves a block with new connections: one from the blocked address must
// get no answer while a neighbour gets one from the same port.
func verify(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error) {
	addr, _, a, err := ours(p)
	if err != nil {
		return holdfast.Proof{}, err
	}
	proof := holdfast.Proof{At: h.Clock.Now()}
	now, err := elements(ctx, h, setOf(addr))
	if err != nil {
		return proof, err
	}
	e, blocked := now[addr]
	got := "not in the set"
	if blocked {
		got = fmt.Sprintf("in the set for another %s, as %s", e.Left.Round(time.Second), e.Token)
	}
	proof.Tests = append(proof.Tests, holdfast.Test{
		Say: fmt.Sprintf("the kernel's set %s", setOf(addr)), Want: fmt.Sprintf("%s in the set", addr), Got: got, OK: blocked && e.Token == a.Token,
	})
	socks, err := sessionsWith(addr)
	if err != nil {
		return proof, err
	}
	proof.Tests = append(proof.Tests, holdfast.Test{
		Say: fmt.Sprintf("established connections with %s", addr), Want: "0", Got: fmt.Sprint(len(socks)), OK: len(socks) == 0,
	})
	proof.Tests = append(proof.Tests, attempts(ctx, h, addr, now, false)...)
	return judge(proof), nil
}

// verifyUndone proves that the address is served again like its neighbour.
func verifyUndone(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error) {
	addr, _, a, err := ours(p)
	if err != nil {
		return holdfast.Proof{}, err
	}
	proof := holdfast.Proof{At: h.Clock.Now()}
	now, err := elements(ctx, h, setOf(addr))
	if err != nil {
		return proof, err
	}
	e, blocked := now[addr]
	test := holdfast.Test{Say: fmt.Sprintf("the kernel's set %s", setOf(addr)), Want: fmt.Sprintf("%s not in the set", addr), Got: "not in the set", OK: !blocked}
	if blocked {
		test.Got = "in the set, as " + e.Token
		if e.Token != a.Token {
			// Another block has taken over; this one is undone.
			test.OK = true
			test.Got += ", which is another block"
			proof.Tests = append(proof.Tests, test)
			return judge(proof), nil
		}
	}
	proof.Tests = append(proof.Tests, test)
	proof.Tests = append(proof.Tests, attempts(ctx, h, addr, now, true)...)
	return judge(proof), nil
}

func judge(p holdfast.Proof) holdfast.Proof {
	p.Holds = len(p.Tests) > 0
	for _, t := range p.Tests {
		p.Holds = p.Holds && t.OK
	}
	return p
}

// attempts makes the new connections: from a neighbour, from the address, and
// from the declared management addresses.
func attempts(ctx context.Context, h *host.Host, addr netip.Addr, blocks map[netip.Addr]element, wantServed bool) []holdfast.Test {
	failed := func(err error) []holdfast.Test {
		return []holdfast.Test{{
			Say: "new connections through a probe network", Want: "made", Got: err.Error(),
		}}
	}
	control, err := neighbour(h, addr, blocks)
	if err != nil {
		return failed(err)
	}
	ports, closeOwn, err := servedPorts(addr)
	if err != nil {
		return failed(err)
	}
	defer closeOwn()
	var tests []holdfast.Test
	err = withProbe(func(pr *probe) error {
		to, test, said := firstServed(ctx, pr, "a neighbour that is not blocked", control, ports)
		if !to.IsValid() {
			// The ordinary filters let in only some: then management must be
			// served, and the address is let in no more than its neighbour.
			wantServed = false
			for _, m := range managementAddresses(h, addr) {
				if to, test, _ = firstServed(ctx, pr, "management", m, ports); to.IsValid() {
					break
				}
			}
		}
		if !to.IsValid() {
			return fmt.Errorf("no port of this host serves the neighbour %s or management, so a refusal would prove nothing (%s)", control, strings.Join(said, "; "))
		}
		tests = append(tests, test, try(ctx, pr, "the address", addr, to, wantServed))
		for _, m := range managementAddresses(h, addr) {
			tests = append(tests, try(ctx, pr, "management", m, to, true))
		}
		return nil
	})
	if err != nil {
		return append(tests, failed(err)...)
	}
	return tests
}

// firstServed finds the first of the ports that serves an address.
func firstServed(ctx context.Context, pr *probe, who string, from netip.Addr, ports []netip.AddrPort) (netip.AddrPort, holdfast.Test, []string) {
	var said []string
	for _, to := range ports {
		t := try(ctx, pr, who, from, to, true)
		if t.OK {
			return to, t, said
		}
		said = append(said, fmt.Sprintf("%s: %s", to, t.Got))
	}
	return netip.AddrPort{}, holdfast.Test{}, said
}

func try(ctx context.Context, pr *probe, who string, from netip.Addr, to netip.AddrPort, wantServed bool) holdfast.Test {
	t := holdfast.Test{Say: fmt.Sprintf("new connection from %s (%s) to %s", from, who, to), Want: "no answer"}
	if wantServed {
		t.Want = "served"
	}
	start := time.Now()
	got, err := pr.knock(ctx, from, to)
	t.Took = time.Since(start)
	if err != nil {
		t.Got = "could not be tried: " + err.Error()
		return t
	}
	t.Got = got
	t.OK = (got == served) == wantServed
	return t
}

// managementAddresses are up to two of the declared ones, of the same family.
func managementAddresses(h *host.Host, addr netip.Addr) []netip.Addr {
	var out []netip.Addr
	own, err := ownAddresses()
	if err != nil {
		return nil
	}
	for _, m := range h.Management {
		p, err := managementPrefix(m)
		if err != nil || !p.IsSingleIP() || p.Addr().Is4() != addr.Is4() || own[p.Addr()] || p.Addr().IsLoopback() {
			continue
		}
		if out = append(out, p.Addr()); len(out) == 2 {
			break
		}
	}
	return out
}

// neighbour finds an address next to addr that nothing speaks against.
func neighbour(h *host.Host, addr netip.Addr, blocks map[netip.Addr]element) (netip.Addr, error) {
	own, err := ownAddresses()
	if err != nil {
		return netip.Addr{}, err
	}
	gateways, err := defaultGateways()
	if err != nil {
		return netip.Addr{}, err
	}
	servers := nameServers(h)
	fits := func(a netip.Addr) bool {
		if !a.IsValid() || own[a] || gateways[a] || servers[a] || a.IsMulticast() || a.IsLoopback() || a.IsUnspecified() {
			return false
		}
		if _, blocked := blocks[a]; blocked {
			return false
		}
		b := a.AsSlice()
		return last(b) != 0 && last(b) != 255
	}
	up, down := addr, addr
	for range 64 {
		if up = up.Next(); fits(up) {
			return up, nil
		}
		if down = down.Prev(); fits(down) {
			return down, nil
		}
	}
	return netip.Addr{}, errors.New("no neighbour of the address is free to compare with")
}

func last(b []byte) byte { return b[len(b)-1] }

// servedPorts lists where this host listens for others, sshd's port first, and
// after them a port opened for this one test.
func servedPorts(addr netip.Addr) ([]netip.AddrPort, func(), error) {
	to, err := localFor(addr)
	if err != nil {
		return nil, nil, err
	}
	listening, err := tcpSockets(1 << tcpListen)
	if err != nil {
		return nil, nil, err
	}
	var ports []netip.AddrPort
	for _, s := range listening {
		at := s.local.Addr()
		switch {
		case at.IsUnspecified() && (at.Is6() || to.Is4()):
			ports = append(ports, netip.AddrPortFrom(to, s.local.Port()))
		case at.Is4() == to.Is4() && !at.IsLoopback() && !at.IsUnspecified():
			ports = append(ports, s.local)
		}
	}
	rank := func(p netip.AddrPort) int {
		if i := slices.Index([]uint16{22, 443, 80}, p.Port()); i >= 0 {
			return i - 3
		}
		return int(p.Port())
	}
	slices.SortFunc(ports, func(a, b netip.AddrPort) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Addr().Compare(b.Addr()))
	})
	ports = slices.Compact(ports)
	ports = ports[:min(len(ports), maxPorts-1)]
	own, err := net.Listen("tcp", netip.AddrPortFrom(to, 0).String())
	if err != nil {
		return ports, func() {}, nil // the others will do
	}
	if a, ok := own.Addr().(*net.TCPAddr); ok {
		ports = append(ports, netip.AddrPortFrom(to, uint16(a.Port)))
	}
	return ports, func() { own.Close() }, nil
}
