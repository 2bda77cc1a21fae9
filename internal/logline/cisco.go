package logline

import (
	"strings"
	"time"
)

// cutCisco reads what Cisco's systems put before the clock: the number of the
// message ("29: "), the name of the device ("R1: "), and '*' or '.' for a clock
// that is not set, or is out of touch with its server. IOS writes "29: R1: *Mar
// 1 00:00:12.345 UTC: %SYS-5-CONFIG_I: …", ASA "Nov 23 2026 10:15:04 fw1 :
// %ASA-6-302013: …" or no clock at all, NX-OS ": 2026 Nov 23 10:15:04 UTC: %…".
func cutCisco(l *Line, s string, received time.Time) bool {
	rest := strings.TrimPrefix(s, ": ")
	if n := digits(rest); n > 0 && strings.HasPrefix(rest[n:], ": ") {
		rest = rest[n+2:]
	}
	if name, after, ok := strings.Cut(rest, ": "); ok && name != "" && len(name) <= 255 && isHost(name) && !strings.Contains(name, " ") && begins(after) {
		l.Host, rest = name, after
	}
	if host, after, ok := cutNode(rest); ok {
		l.Host, rest = host, after
	}
	rest = strings.TrimPrefix(rest, ":")
	if len(rest) == len(s) && !begins(rest) {
		return false
	}
	if isCode(rest) {
		cutCode(l, rest)
		return true
	}
	unset := strings.HasPrefix(rest, "*")
	t, note, after, ok := Clock(strings.TrimLeft(rest, "*."), received)
	if !ok {
		l.Host = ""
		return false
	}
	l.Time, l.Note = t, note
	if d := received.Sub(t); unset && (d > ahead/2 || d < -ahead/2) {
		l.Time, l.Note = time.Time{}, "the sender's clock is not set"
	}
	readBody(l, after)
	return true
}

// cutNode cuts off the card that IOS XR names before the clock, and the host that may
// stand before it: "xr-1 RP/0/RSP0/CPU0:Nov 23 02:09:06.123 UTC: …".
func cutNode(s string) (host, rest string, ok bool) {
	head := s[:min(len(s), 280)]
	end := strings.Index(head, "/CPU")
	if end < 0 {
		return "", s, false
	}
	colon := strings.IndexByte(head[end:], ':')
	if colon < 0 {
		return "", s, false
	}
	node := s[:end+colon]
	if at := strings.LastIndexByte(node, ' '); at >= 0 {
		host, node = node[:at], node[at+1:]
	}
	if strings.Count(node, "/") != 3 || strings.Contains(host, " ") || host != "" && !isHost(host) {
		return "", s, false
	}
	return host, s[end+colon+1:], true
}

func digits(s string) int {
	n := 0
	for n < len(s) && n < 12 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// begins reports whether a clock that is marked, or a code, may stand here; or a
// clock that follows a number and a name.
func begins(s string) bool {
	return s != "" && (s[0] == '*' || s[0] == '.' || isCode(s)) || len(s) > 3 && s[3] == ' ' && monthOf(s[:3]) != 0
}

// isCode tells "%ASA-6-302013:" and "%SYS-SW1-5-CONFIG_I:" from other text.
func isCode(s string) bool {
	if len(s) < 6 || s[0] != '%' {
		return false
	}
	end := strings.IndexByte(s[:min(len(s), 80)], ':')
	if end < 0 {
		return false
	}
	level := false
	parts := strings.Split(s[1:end], "-")
	for i, p := range parts {
		if p == "" || strings.ContainsAny(p, " \t%") {
			return false
		}
		level = level || i > 0 && len(p) == 1 && p[0] >= '0' && p[0] <= '7'
	}
	return level && len(parts) > 2
}

// cutCode takes a code for the message's id, and its first part for the program.
func cutCode(l *Line, s string) {
	code, message, _ := strings.Cut(s[1:], ":")
	l.MsgID, l.Message = code, strings.TrimPrefix(message, " ")
	l.Program, _, _ = strings.Cut(code, "-")
}
