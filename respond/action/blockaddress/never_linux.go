package blockaddress

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"

	"holdfast/internal/host"
)

// refusals says why an address must not be blocked on this host, as it stands
// now; none means it may be.
func refusals(h *host.Host, addr netip.Addr) ([]string, error) {
	var no []string
	switch {
	case addr.IsLoopback():
		no = append(no, fmt.Sprintf("%s is loopback", addr))
	case addr.IsUnspecified():
		no = append(no, fmt.Sprintf("%s is no address of anybody", addr))
	}
	broadcast, err := broadcastAddresses()
	if err != nil {
		return nil, err
	}
	if addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || broadcast[addr] {
		no = append(no, fmt.Sprintf("%s is multicast or broadcast", addr))
	}
	own, err := ownAddresses()
	if err != nil {
		return nil, err
	}
	if own[addr] {
		no = append(no, fmt.Sprintf("%s is this host's own address", addr))
	}
	gateways, err := defaultGateways()
	if err != nil {
		return nil, err
	}
	if gateways[addr] {
		no = append(no, fmt.Sprintf("%s is a default gateway of this host", addr))
	}
	if nameServers(h)[addr] {
		no = append(no, fmt.Sprintf("%s is a DNS server of this host", addr))
	}
	for _, m := range h.Management {
		prefix, err := managementPrefix(m)
		if err != nil {
			// A hole that cannot be read might be this very address.
			no = append(no, fmt.Sprintf("management address %q cannot be read, so nothing is blocked; correct it", m))
			continue
		}
		if prefix.Contains(addr) {
			no = append(no, fmt.Sprintf("%s is in %s, declared as management access", addr, m))
		}
	}
	return no, nil
}

func managementPrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func ownAddresses() (map[netip.Addr]bool, error) {
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list this host's addresses: %w", err)
	}
	own := map[netip.Addr]bool{}
	for _, a := range list {
		add(own, a.IP)
	}
	return own, nil
}

func broadcastAddresses() (map[netip.Addr]bool, error) {
	list, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list this host's addresses: %w", err)
	}
	found := map[netip.Addr]bool{}
	for _, a := range list {
		add(found, a.Broadcast)
		if a.IPNet == nil || a.IP.To4() == nil {
			continue
		}
		if ones, bits := a.Mask.Size(); bits-ones >= 2 {
			high := a.IP.To4().Mask(a.Mask)
			for i := range high {
				high[i] |= ^a.Mask[len(a.Mask)-4+i]
			}
			add(found, high)
		}
	}
	return found, nil
}

func defaultGateways() (map[netip.Addr]bool, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list this host's routes: %w", err)
	}
	found := map[netip.Addr]bool{}
	for _, r := range routes {
		if r.Dst != nil {
			if ones, _ := r.Dst.Mask.Size(); ones != 0 {
				continue
			}
		}
		add(found, r.Gw)
		for _, hop := range r.MultiPath {
			add(found, hop.Gw)
		}
	}
	return found, nil
}

func add(set map[netip.Addr]bool, ip net.IP) {
	if a, ok := netip.AddrFromSlice(ip); ok {
		set[a.Unmap()] = true
	}
}

// nameServers reads resolv.conf(5); a host without one has none.
func nameServers(h *host.Host) map[netip.Addr]bool {
	found := map[netip.Addr]bool{}
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		b, err := h.ReadFile(path)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			if len(words) < 2 || words[0] != "nameserver" {
				continue
			}
			if a, err := netip.ParseAddr(words[1]); err == nil {
				found[a.Unmap().WithZone("")] = true
			}
		}
	}
	return found
}
