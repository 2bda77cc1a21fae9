package sshd

import (
	"strings"

	"holdfast/ingest/parser"
)

// invalid reads getpwnamallow: "user NAME from ADDRESS[ port N]".
func invalid(f *found, s string) {
	s, ok := strings.CutPrefix(s, "user ")
	if !ok {
		return
	}
	if user, ok := f.from(s); ok {
		f.action, f.user, f.invalid = "invalid_user", user, true
	}
}

// from takes "… from ADDRESS[ port N]" off the right end, keeps the address,
// and returns what stands before.
func (f *found) from(s string) (before string, ok bool) {
	if before, address, port, ok := parser.CutAddressPort(s); ok {
		if before, ok = strings.CutSuffix(before, "from "); ok {
			f.address, f.port = address, port
			return strings.TrimSuffix(before, " "), true
		}
		return s, false
	}
	i := strings.LastIndex(s, "from ")
	if i < 0 {
		return s, false
	}
	where := s[i+len("from "):]
	if address := parser.Address(where); address != "" {
		f.address = address
	} else if strings.Contains(where, " ") {
		return s, false
	}
	return strings.TrimSuffix(s[:i], " "), true
}

// maxAttempts reads auth_maxtries_exceeded: "authentication attempts exceeded
// for [invalid user ]NAME from ADDRESS port N ssh2".
func maxAttempts(f *found, s string) {
	s, ok := strings.CutPrefix(s, "authentication attempts exceeded for ")
	if !ok {
		return
	}
	f.action = "max_attempts"
	if who, ok := f.from(strings.TrimSuffix(s, " ssh2")); ok {
		f.setUser(who)
	}
}

// pamError reads auth-pam.c: "Authentication failure for [illegal user ]NAME
// from HOST". With keyboard-interactive logins it is the only line of the first
// failures at the usual log level, so it counts as one.
func pamError(f *found, s string) {
	reason, who, ok := strings.Cut(s, " for ")
	if !ok {
		return
	}
	f.action, f.method, f.reason = "login_failed", "keyboard-interactive/pam", reason
	if who, ok = f.from(who); ok {
		f.setUser(who)
	}
}

// notAllowed reads allowed_user: "User NAME from HOST not allowed because …",
// and "ROOT LOGIN REFUSED FROM ADDRESS port N". What comes of the attempt is
// logged once more as a failure.
func notAllowed(f *found, s string) {
	if where, ok := strings.CutPrefix(s, "ROOT LOGIN REFUSED FROM "); ok {
		f.user, f.reason = "root", "root login is not permitted"
		_, f.address, f.port, _ = parser.CutAddressPort(" " + where)
		return
	}
	i := strings.LastIndex(s, " not allowed because ")
	if i < 0 {
		return
	}
	reason := s[i+len(" not allowed because "):]
	who := strings.TrimPrefix(s[:i], "User ")
	if user, ok := f.from(who); ok {
		who = user
	}
	f.user, f.reason = who, reason
}

// connection reads the ends of connections. Their peer is written by
// sshpkt_fmt_connection_id: "[invalid |authenticating ][user NAME ]ADDRESS
// port N".
func connection(f *found, s string) {
	switch {
	case strings.HasPrefix(s, "Connection closed by "), strings.HasPrefix(s, "Connection reset by "):
		_, peer, _ := strings.Cut(s, " by ")
		f.end(peer, "disconnect")
	case strings.HasPrefix(s, "Disconnected from "):
		f.end(strings.TrimPrefix(s, "Disconnected from "), "disconnect")
	case strings.HasPrefix(s, "Disconnecting "):
		disconnecting(f, strings.TrimPrefix(s, "Disconnecting "))
	case strings.HasPrefix(s, "Received disconnect from "):
		f.action = "disconnect"
		leading(f, strings.TrimPrefix(s, "Received disconnect from "))
	case strings.HasPrefix(s, "Connection from "):
		leading(f, strings.TrimPrefix(s, "Connection from "))
	}
}

// end reads a peer and nothing behind it.
func (f *found) end(peer, action string) {
	before, address, port, ok := parser.CutAddressPort(peer)
	if !ok {
		f.action = action
		return
	}
	f.address, f.port = address, port
	f.action = action
	if f.preauth {
		f.action = "preauth_close"
	}
	f.peer(before)
}

// peer reads what stands before the address. "authenticating" and "invalid"
// say that nobody had logged in, whether or not the line ends in [preauth].
func (f *found) peer(s string) {
	s = strings.TrimSuffix(s, " ")
	for _, p := range [...]struct {
		words   string
		invalid bool
		early   bool
	}{{"invalid user ", true, true}, {"authenticating user ", false, true}, {"user ", false, false}} {
		name, ok := strings.CutPrefix(s, p.words)
		if !ok {
			continue
		}
		f.user, f.invalid = name, p.invalid
		if p.early && f.action == "disconnect" {
			f.action = "preauth_close"
		}
		return
	}
}

// disconnecting reads "PEER: REASON". Both the name in the peer and some of
// the reasons are text of the client, so an address counts only if it is the
// only one that fits.
func disconnecting(f *found, s string) {
	f.action = "disconnect"
	at, fits := -1, 0
	for from := 0; ; {
		i := strings.Index(s[from:], ": ")
		if i < 0 {
			break
		}
		i += from
		from = i + 1
		if _, _, _, ok := parser.CutAddressPort(s[:i]); ok {
			at, fits = i, fits+1
		}
	}
	switch {
	case fits == 1:
		f.reason = s[at+2:]
		before, address, port, _ := parser.CutAddressPort(s[:at])
		f.address, f.port = address, port
		f.peer(before)
		f.action = "disconnect" // the close itself is logged by its own line
	case fits > 1:
		f.ambiguous = true
	}
}

// leading reads "ADDRESS port N…" from the left, for messages in which nothing
// of the client's stands before it.
func leading(f *found, s string) {
	where, rest, ok := strings.Cut(s, " port ")
	address := parser.Address(where)
	if !ok || address == "" {
		return
	}
	end := 0
	for end < len(rest) && end < 5 && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	f.address, f.port = address, rest[:end]
	if text, ok := strings.CutPrefix(rest[end:], ":"); ok {
		f.reason = strings.TrimSpace(text)
	}
}

// others reads what sshd says before a user is known, by its first words; the
// address follows them at once.
func others(f *found, s string) {
	for _, p := range [...]struct{ words, action string }{
		{"Did not receive identification string from ", "preauth_close"},
		{"Bad protocol version identification ", "other"},
		{"banner exchange: Connection from ", "preauth_close"},
		{"Unable to negotiate with ", "preauth_close"},
		{"Timeout before authentication for connection from ", "preauth_close"},
		{"Timeout before authentication for ", "preauth_close"},
		{"ssh_dispatch_run_fatal: Connection from ", "preauth_close"},
		{"drop connection ", "preauth_close"},
		{"Starting session: ", "other"},
		{"Close session: ", "other"},
	} {
		rest, ok := strings.CutPrefix(s, p.words)
		if !ok {
			continue
		}
		f.action = p.action
		switch p.words {
		case "drop connection ":
			dropped(f, rest)
		case "Starting session: ", "Close session: ":
			session(f, rest)
		case "Timeout before authentication for connection from ":
			address, _, _ := strings.Cut(rest, " ")
			f.address = parser.Address(address)
		case "ssh_dispatch_run_fatal: Connection from ":
			action := f.action
			disconnecting(f, rest)
			f.action = action
		default:
			leading(f, rest)
		}
		return
	}
}

// dropped reads "#10 from [ADDRESS]:PORT on [ADDRESS]:PORT REASON".
func dropped(f *found, s string) {
	_, s, ok := strings.Cut(s, " from [")
	if !ok {
		return
	}
	address, s, ok := strings.Cut(s, "]:")
	if !ok {
		return
	}
	f.address = parser.Address(address)
	f.port, s, _ = strings.Cut(s, " ")
	if _, reason, ok := strings.Cut(s, "]:"); ok {
		_, f.reason, _ = strings.Cut(reason, " ")
	}
}

// session reads "shell on pts/0 for NAME from ADDRESS port N id 0".
func session(f *found, s string) {
	i := strings.LastIndex(s, " id ")
	if i < 0 {
		return
	}
	before, address, port, ok := parser.CutAddressPort(s[:i])
	if !ok {
		return
	}
	f.address, f.port = address, port
	before = strings.TrimSuffix(before, " from ")
	if j := strings.LastIndex(before, " for "); j >= 0 {
		f.user = before[j+len(" for "):]
	} else {
		f.user = strings.TrimPrefix(before, "user ")
	}
}
