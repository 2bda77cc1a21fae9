package blockaddress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"holdfast/internal/host"
)

// socket is one TCP socket as inet_diag shows it (linux/inet_diag.h).
type socket struct {
	family        uint8
	state         uint8
	local, remote netip.AddrPort // IPv4 inside IPv6 is shown as IPv4
	id            [48]byte       // struct inet_diag_sockid, cookie included
	inode         uint32
}

const (
	tcpEstablished = 1
	tcpTimeWait    = 6
	tcpListen      = 10
)

// diagRequest is struct inet_diag_req_v2.
type diagRequest struct {
	family uint8
	states uint32
	id     [48]byte
}

func (r *diagRequest) Len() int { return 56 }

func (r *diagRequest) Serialize() []byte {
	b := make([]byte, 56)
	b[0], b[1] = r.family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], r.states)
	copy(b[8:], r.id[:])
	return b
}

// tcpSockets lists the sockets in the given states (a bit mask).
func tcpSockets(states uint32) ([]socket, error) {
	var all []socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddData(&diagRequest{family: family, states: states})
		messages, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("list the TCP sockets: %w", err)
		}
		for _, m := range messages {
			if s, ok := readSocket(m); ok {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// readSocket reads struct inet_diag_msg.
func readSocket(b []byte) (socket, bool) {
	if len(b) < 72 {
		return socket{}, false
	}
	s := socket{family: b[0], state: b[1], inode: binary.NativeEndian.Uint32(b[68:])}
	copy(s.id[:], b[4:52])
	size := 16
	if s.family == unix.AF_INET {
		size = 4
	}
	local, _ := netip.AddrFromSlice(b[8 : 8+size])
	remote, _ := netip.AddrFromSlice(b[24 : 24+size])
	s.local = netip.AddrPortFrom(local.Unmap(), binary.BigEndian.Uint16(b[4:]))
	s.remote = netip.AddrPortFrom(remote.Unmap(), binary.BigEndian.Uint16(b[6:]))
	return s, true
}

// sessionsWith lists the sockets whose other end has the address.
func sessionsWith(addr netip.Addr) ([]socket, error) {
	all, err := tcpSockets(^uint32(1<<tcpListen | 1<<tcpTimeWait))
	if err != nil {
		return nil, err
	}
	var with []socket
	for _, s := range all {
		if s.remote.Addr() == addr {
			with = append(with, s)
		}
	}
	return with, nil
}

func (s socket) destroy() error {
	req := nl.NewNetlinkRequest(nl.SOCK_DESTROY, unix.NLM_F_ACK)
	req.AddData(&diagRequest{family: s.family, states: ^uint32(0), id: s.id})
	_, err := req.Execute(unix.NETLINK_INET_DIAG, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // gone by itself
	}
	return err
}

func (s socket) say(owners map[uint32]string) string {
	owner := owners[s.inode]
	if owner == "" {
		owner = "a program that could not be named"
	}
	return fmt.Sprintf("%s on %s with %s", owner, s.local, s.remote)
}

// cut destroys the address's sockets and forgets its tracked connections. On a
// kernel that cannot destroy sockets (before 4.9, or built without
// INET_DIAG_DESTROY) the rules reset a session at the next packet from the
// address; verify tells whether any is left.
func cut(ctx context.Context, h *host.Host, addr netip.Addr) error {
	socks, err := sessionsWith(addr)
	if err != nil {
		return err
	}
	for _, s := range socks {
		err := s.destroy()
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			h.Log.WarnContext(ctx, "this kernel cannot destroy sockets; the session ends with its next packet", "session", s.remote.String())
			continue
		}
		if err != nil {
			return fmt.Errorf("cut the session with %s: %w", s.remote, err)
		}
	}
	family := netlink.InetFamily(unix.AF_INET)
	if addr.Is6() {
		family = unix.AF_INET6
	}
	if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, flowsOf(addr)); err != nil {
		// The drop rules hold with or without the entries.
		h.Log.DebugContext(ctx, "connection tracking not cleaned", "address", addr.String(), "error", err)
	}
	return nil
}

type flowsOf netip.Addr

// MatchConntrackFlow reports whether the address is an end of the flow.
func (a flowsOf) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	for _, ip := range [][]byte{f.Forward.SrcIP, f.Forward.DstIP, f.Reverse.SrcIP} {
		if got, ok := netip.AddrFromSlice(ip); ok && got.Unmap() == netip.Addr(a) {
			return true
		}
	}
	return false
}

// socketOwners names the processes that hold the sockets, by inode.
func socketOwners(h *host.Host, socks []socket) map[uint32]string {
	want := map[string]uint32{}
	for _, s := range socks {
		if s.inode != 0 {
			want["socket:["+strconv.FormatUint(uint64(s.inode), 10)+"]"] = s.inode
		}
	}
	owners := map[uint32]string{}
	if len(want) == 0 {
		return owners
	}
	links, err := filepath.Glob(h.Path("/proc/[0-9]*/fd/*"))
	if err != nil {
		return owners
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil {
			continue
		}
		inode, ok := want[to]
		if !ok || owners[inode] != "" {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue
		}
		owners[inode] = fmt.Sprintf("%s[%s]", strings.TrimSpace(string(comm)), filepath.Base(dir))
	}
	return owners
}
