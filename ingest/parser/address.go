package parser

import (
	"net/netip"
	"strconv"
	"strings"
)

// Address returns s if it is an IP address, IPv4 addresses written as IPv6
// unmapped and zones dropped, so that one peer has one name; else "".
func Address(s string) string {
	if len(s) < 2 || len(s) > 64 {
		return ""
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// CutAddressPort reads "ADDRESS port N" at the very end of s and returns what
// stands before it. Programs print names that strangers chose in front of the
// address, so it is only ever read from the right.
func CutAddressPort(s string) (before, address, port string, ok bool) {
	i := strings.LastIndex(s, " port ")
	if i < 0 {
		return s, "", "", false
	}
	port = s[i+len(" port "):]
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return s, "", "", false
	}
	start := strings.LastIndexByte(s[:i], ' ') + 1
	if address = Address(s[start:i]); address == "" {
		return s, "", "", false
	}
	return s[:start], address, port, true
}
