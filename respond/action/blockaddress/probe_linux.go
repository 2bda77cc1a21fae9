package blockaddress

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The outcomes of a knock.
const (
	served  = "served"
	refused = "refused with a reset"
	silent  = "no answer"
)

const (
	knockWait = 250 * time.Millisecond
	// Routing rules and routes of a probe stand in tables of this range, where
	// a crash's leftovers are found by.
	firstTable    = 0x68660000
	lastTable     = firstTable + 0xffff
	rulePriority  = 50
	probeProtocol = 0x68
)

// probe is a network of its own, tied to this host by a virtual cable, in which
// any address may be taken on. A knock from it is a TCP SYN that comes in by
// that cable and goes through the same filters as any other; what it is
// answered tells whether that address is served, with nobody at the address
// needed. The handshake is never completed, so no program on the host sees a
// connection, and the routing rule that leads the answer back matches this one
// pair of ports alone: real traffic of the same address is not diverted.
type probe struct {
	host, inside *netlink.Handle
	hostLink     netlink.Link
	insideLink   netlink.Link
	table        int
	known        map[netip.Addr]bool // addresses and targets already set up
}

// withProbe makes the network, runs do in it and takes it down again. The
// network hangs on a thread: if this program dies, the kernel removes it.
func withProbe(do func(*probe) error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, and its network, end here
		done <- func() error {
			p, err := newProbe()
			if err != nil {
				return fmt.Errorf("the probe network cannot be made: %w", err)
			}
			defer p.close()
			return do(p)
		}()
	}()
	return <-done
}

func newProbe() (p *probe, err error) {
	p = &probe{known: map[netip.Addr]bool{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.host, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return p, err
	}
	if err = sweep(p.host); err != nil {
		return p, err
	}
	if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return p, fmt.Errorf("new network namespace: %w", err)
	}
	if p.inside, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return p, err
	}
	here, err := netns.Get()
	if err != nil {
		return p, err
	}
	defer here.Close()
	var random [4]byte
	if _, err = rand.Read(random[:]); err != nil {
		return p, err
	}
	name := hex.EncodeToString(random[:])
	p.table = firstTable + int(binary.BigEndian.Uint16(random[:]))
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: "hfp" + name})
	veth.PeerName, veth.PeerNamespace = "hfq"+name, netlink.NsFd(int(here))
	if err = p.host.LinkAdd(veth); err != nil {
		return p, fmt.Errorf("virtual cable: %w", err)
	}
	if p.hostLink, err = p.host.LinkByName("hfp" + name); err != nil {
		return p, err
	}
	if p.insideLink, err = p.inside.LinkByName("hfq" + name); err != nil {
		return p, err
	}
	if err = p.host.LinkSetUp(p.hostLink); err != nil {
		return p, err
	}
	if err = p.inside.LinkSetUp(p.insideLink); err != nil {
		return p, err
	}
	return p, p.awaitCable()
}

// awaitCable waits until both ends carry packets: the kernel activates them a
// moment after they are set up, and loses what is sent before.
func (p *probe) awaitCable() error {
	for end := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		a, err := p.host.LinkByIndex(p.hostLink.Attrs().Index)
		if err != nil {
			return err
		}
		b, err := p.inside.LinkByIndex(p.insideLink.Attrs().Index)
		if err != nil {
			return err
		}
		if a.Attrs().OperState == netlink.OperUp && b.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("the virtual cable does not come up")
		}
	}
}

func (p *probe) close() {
	if p.host != nil {
		if p.hostLink != nil {
			_ = p.host.LinkDel(p.hostLink)
		}
		p.host.Close()
	}
	if p.inside != nil {
		p.inside.Close()
	}
}

// sweep removes routing rules that a crashed probe left. The route that a live
// probe's rule leads to is made before the rule and goes with the cable, so a
// rule without its route belongs to nobody.
func sweep(h *netlink.Handle) error {
	rules, err := h.RuleList(netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.Table < firstTable || r.Table > lastTable || r.Protocol != probeProtocol {
			continue
		}
		routes, err := h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: r.Table}, netlink.RT_FILTER_TABLE)
		if err != nil || len(routes) > 0 {
			continue
		}
		if err := h.RuleDel(&r); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove a leftover routing rule: %w", err)
		}
	}
	return nil
}

func full(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// take gives the inside an address, and lays the ways from it to the target
// and back. Neighbours are set by hand, so nothing waits for ARP or ND.
func (p *probe) take(from, to netip.Addr) error {
	if !p.known[from] {
		flags := 0
		if from.Is6() {
			flags = unix.IFA_F_NODAD
		}
		if err := p.inside.AddrAdd(p.insideLink, &netlink.Addr{IPNet: full(from), Flags: flags}); err != nil {
			return fmt.Errorf("take on %s: %w", from, err)
		}
		if err := p.host.NeighSet(neigh(p.hostLink, from, p.insideLink)); err != nil {
			return fmt.Errorf("neighbour %s: %w", from, err)
		}
		back := &netlink.Route{LinkIndex: p.hostLink.Attrs().Index, Dst: full(from), Table: p.table, Scope: netlink.SCOPE_LINK}
		if err := p.host.RouteReplace(back); err != nil {
			return fmt.Errorf("route back to %s: %w", from, err)
		}
		p.known[from] = true
	}
	if !p.known[to] {
		if err := p.inside.NeighSet(neigh(p.insideLink, to, p.hostLink)); err != nil {
			return fmt.Errorf("neighbour %s: %w", to, err)
		}
		there := &netlink.Route{LinkIndex: p.insideLink.Attrs().Index, Dst: full(to), Scope: netlink.SCOPE_LINK}
		if err := p.inside.RouteReplace(there); err != nil {
			return fmt.Errorf("route to %s: %w", to, err)
		}
		p.known[to] = true
	}
	return nil
}

func neigh(at netlink.Link, a netip.Addr, peer netlink.Link) *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex: at.Attrs().Index, Family: family(a), State: netlink.NUD_PERMANENT,
		IP: a.AsSlice(), HardwareAddr: peer.Attrs().HardwareAddr,
	}
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// knock sends a SYN from an address to a port of this host and reports what
// came back.
func (p *probe) knock(ctx context.Context, from netip.Addr, to netip.AddrPort) (string, error) {
	if err := p.take(from, to.Addr()); err != nil {
		return "", err
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	port := 32768 + binary.BigEndian.Uint16(random[:])%28000
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Priority, rule.Protocol = family(from), p.table, rulePriority, probeProtocol
	rule.Dst, rule.IPProto = full(from), unix.IPPROTO_TCP
	rule.Sport, rule.Dport = netlink.NewRulePortRange(to.Port(), to.Port()), netlink.NewRulePortRange(port, port)
	if err := p.host.RuleAdd(rule); err != nil {
		return "", fmt.Errorf("routing rule: %w", err)
	}
	defer func() { _ = p.host.RuleDel(rule) }()
	fd, err := unix.Socket(family(from), unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return "", fmt.Errorf("raw socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, sockaddr(from)); err != nil {
		return "", fmt.Errorf("bind to %s: %w", from, err)
	}
	seq := binary.BigEndian.Uint32(random[2:])
	packet := syn(netip.AddrPortFrom(from, port), to, seq)
	end := time.Now().Add(knockWait)
	for try := 0; ctx.Err() == nil && time.Now().Before(end); try++ {
		if err := unix.Sendto(fd, packet, 0, sockaddr(to.Addr())); err != nil {
			return "", fmt.Errorf("send: %w", err)
		}
		// Again after a while, in case it was lost.
		got, err := answer(fd, from.Is4(), to.Port(), port, seq, min(time.Until(end), knockWait/5))
		if got != "" || err != nil {
			return got, err
		}
	}
	return silent, ctx.Err()
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16()}
}

// answer waits for the segment that answers the SYN; "" if none comes in time.
func answer(fd int, v4 bool, from, to uint16, seq uint32, wait time.Duration) (string, error) {
	buf := make([]byte, 2048)
	end := time.Now().Add(wait)
	for {
		left := time.Until(end)
		if left <= 0 {
			return "", nil
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		if err != nil {
			return "", err
		}
		size, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "", err
		}
		if got := readAnswer(buf[:size], v4, from, to, seq); got != "" {
			return got, nil
		}
	}
}

// readAnswer reads a TCP segment (RFC 9293, section 3.1), behind its IP header
// for IPv4; "" if it is no answer to the SYN with that sequence number.
func readAnswer(b []byte, v4 bool, from, to uint16, seq uint32) string {
	if v4 {
		if len(b) < 20 {
			return ""
		}
		header := int(b[0]&0x0f) * 4
		if header < 20 || header > len(b) {
			return ""
		}
		b = b[header:]
	}
	if len(b) < 20 || binary.BigEndian.Uint16(b) != from || binary.BigEndian.Uint16(b[2:]) != to || binary.BigEndian.Uint32(b[8:]) != seq+1 {
		return ""
	}
	const fin, synFlag, rst, ack = 1, 2, 4, 16
	switch b[13] & (fin | synFlag | rst | ack) {
	case synFlag | ack:
		return served
	case rst, rst | ack:
		return refused
	}
	return ""
}

// syn makes a TCP SYN segment with its checksum (RFC 9293, section 3.1).
func syn(from, to netip.AddrPort, seq uint32) []byte {
	b := make([]byte, 24)
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint32(b[4:], seq)
	b[12], b[13] = 6<<4, 2
	binary.BigEndian.PutUint16(b[14:], 64240)
	b[20], b[21] = 2, 4 // maximum segment size
	binary.BigEndian.PutUint16(b[22:], 1220)
	pseudo := append(from.Addr().AsSlice(), to.Addr().AsSlice()...)
	pseudo = append(pseudo, 0, unix.IPPROTO_TCP, 0, byte(len(b)))
	binary.BigEndian.PutUint16(b[16:], checksum(append(pseudo, b...)))
	return b
}

// checksum is the Internet checksum (RFC 1071) over an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// localFor is this host's own address that answers go out from to addr.
func localFor(addr netip.Addr) (netip.Addr, error) {
	routes, err := netlink.RouteGet(addr.AsSlice())
	if err == nil {
		for _, r := range routes {
			if src, ok := netip.AddrFromSlice(r.Src); ok && !src.IsLoopback() {
				return src.Unmap(), nil
			}
		}
	}
	own, err := ownAddresses()
	if err != nil {
		return netip.Addr{}, err
	}
	for a := range own {
		if a.Is4() == addr.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("this host has no way to %s, so nobody there can reach it", addr)
}
