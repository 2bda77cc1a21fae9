// Package sshd reads what the OpenSSH server logs. What a failed login means,
// and how many are too many, is left to the rules.
package sshd

import (
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:        "sshd",
		Title:       "OpenSSH server",
		Description: "Logins, failures, disconnects and sessions of sshd, of any OpenSSH since 5, from syslog lines.",
		References: []string{
			"https://github.com/openssh/openssh-portable/blob/master/auth.c (auth_log, auth_maxtries_exceeded, getpwnamallow)",
			"https://github.com/openssh/openssh-portable/blob/master/packet.c (sshpkt_vfatal, sshpkt_fmt_connection_id)",
			"https://github.com/openssh/openssh-portable/blob/master/auth2-pubkey.c (format_method_key)",
		},
		Datasets: []holdfast.Dataset{Dataset()},
		Form:     parser.Line,
		Parse:    parser.FromSyslog(Grammar()),
	}
}

// Dataset is linux.sshd.
func Dataset() holdfast.Dataset {
	return holdfast.Dataset{
		Name:      "linux.sshd",
		Title:     "OpenSSH server",
		Logsource: holdfast.Logsource{Product: "linux", Service: "sshd"},
		ECS: map[string]string{
			"hostname": holdfast.EntityHost, "user": holdfast.EntityUser, "src_ip": holdfast.EntitySource,
			"src_port": "source.port", "program": holdfast.EntityProcess, "pid": "process.pid",
			"action": "event.action", "method": "authentication.method", "message": "message",
		},
	}
}

// Grammar reads the messages. OpenSSH 9.8 split the program in three.
func Grammar() parser.Grammar {
	return parser.Grammar{
		Programs: []string{"sshd", "sshd-session", "sshd-auth"},
		Read: func(_, message string) (string, []holdfast.Field) {
			f := read(message)
			return "linux.sshd", f.fields()
		},
	}
}

// found is what a message said.
type found struct {
	action, user, address, port, method, reason, key string
	invalid, preauth, ambiguous                      bool
	pam                                              []holdfast.Field
}

func (f found) fields() []holdfast.Field {
	out := append(make([]holdfast.Field, 0, 8+len(f.pam)), holdfast.Field{Name: "action", Text: f.action})
	out = append(out, f.pam...)
	out = parser.Add(out, "user", f.user)
	out = parser.Add(out, "src_ip", f.address)
	out = parser.AddNumber(out, "src_port", f.port)
	out = parser.Add(out, "method", f.method)
	out = parser.Add(out, "reason", f.reason)
	out = parser.Add(out, "key", f.key)
	for _, flag := range [...]struct {
		on   bool
		name string
	}{{f.invalid, "invalid_user"}, {f.preauth, "preauth"}, {f.ambiguous, "ambiguous"}} {
		if flag.on {
			out = append(out, holdfast.Field{Name: flag.name, Text: "true"})
		}
	}
	return out
}

// maxMessage is far more than sshd ever writes (log.c cuts at 1,024 bytes); the
// search for the one reading that fits is not made in more than this.
const maxMessage = 4096

// read tells messages apart by their first word. The user's name stands in
// them as the client sent it, blanks and all, so that one may write "x from
// 192.0.2.1 port 22 ssh2" as a name: whatever follows a name is read from the
// right, where sshd itself has the last word.
func read(message string) found {
	if len(message) > maxMessage {
		return found{action: "other", reason: "longer than sshd writes"}
	}
	if action, fields, ok := parser.PAM(message); ok {
		return pam(action, fields)
	}
	s := strings.TrimRight(message, " \t\r\n") // what a relay added: sshd ends no message so
	for _, level := range [...]string{"error: ", "fatal: "} {
		s = strings.TrimPrefix(s, level)
	}
	s, preauth := strings.CutSuffix(s, " [preauth]")
	f := found{action: "other", preauth: preauth}
	word, rest, _ := strings.Cut(s, " ")
	switch word {
	case "Failed", "Accepted", "Postponed", "Partial":
		attempt(&f, word, rest)
	case "Invalid", "Illegal":
		invalid(&f, rest)
	case "maximum":
		maxAttempts(&f, rest)
	case "Connection", "Disconnected", "Disconnecting", "Received":
		connection(&f, s)
	case "PAM:":
		pamError(&f, rest)
	case "User", "ROOT":
		notAllowed(&f, s)
	default:
		others(&f, s)
	}
	return f
}

// pam takes over what a PAM module said. Its failures are of action "other":
// sshd logs each of them once more by itself, and one attempt must count once.
func pam(action string, fields []holdfast.Field) found {
	f := found{action: action}
	switch action {
	case "auth_failed", "password_changed":
		f.action = "other"
		f.reason = action
	}
	for _, x := range fields {
		switch x.Name {
		case "user":
			f.user = x.Text
		case "src_ip":
			f.address = x.Text
		default:
			f.pam = append(f.pam, x)
		}
	}
	return f
}

// attempt reads auth_log: "METHOD[/SUBMETHOD] for [invalid user ]USER from
// ADDRESS port N ssh2[: KEY]".
func attempt(f *found, word, s string) {
	method, s, ok := strings.Cut(s, " for ")
	if !ok || strings.Contains(method, " ") {
		return
	}
	where, key, ambiguous := splitKey(s)
	before, address, port, ok := parser.CutAddressPort(where)
	before, from := strings.CutSuffix(before, " from ")
	if !ambiguous && (!ok || !from) {
		return
	}
	switch word {
	case "Failed":
		f.action = "login_failed"
	case "Accepted":
		f.action = "login_success"
	default:
		f.reason = strings.ToLower(word)
	}
	f.method = method
	if ambiguous {
		f.ambiguous = true
		return
	}
	f.address, f.port, f.key = address, port, key
	f.setUser(before)
}

// splitKey parts "USER from ADDRESS port N ssh2" from the key that may follow.
// A certificate's id is text of its maker, so both the name before and the id
// behind may hold a forged middle. If more than one reading fits, none is
// taken.
func splitKey(s string) (where, key string, ambiguous bool) {
	if where, ok := strings.CutSuffix(s, " ssh2"); ok {
		return where, "", false
	}
	const mark = " ssh2: "
	fits := 0
	for from := 0; ; {
		i := strings.Index(s[from:], mark)
		if i < 0 {
			break
		}
		i += from
		from = i + 1
		_, _, _, ok := parser.CutAddressPort(s[:i])
		if ok && keyInfo(s[i+len(mark):]) {
			where, key = s[:i], s[i+len(mark):]
			fits++
		}
	}
	return where, key, fits > 1
}

// keyInfo recognises format_method_key's two forms: "TYPE FINGERPRINT" and
// "TYPE FINGERPRINT ID … (serial N) CA TYPE FINGERPRINT", and the one-word and
// "user X" forms of hostbased logins and older releases.
func keyInfo(s string) bool {
	words := strings.Split(s, " ")
	n := len(words)
	switch {
	case n <= 2:
		return n > 0 && words[0] != ""
	case strings.Contains(words[0], "-CERT") || words[2] == "ID" || words[1] == "ID":
		return n >= 7 && words[n-3] == "CA" && strings.HasSuffix(words[n-4], ")")
	}
	return n == 3 && strings.HasSuffix(words[1], ",")
}

// setUser takes "[invalid user ]NAME". Older releases said illegal.
func (f *found) setUser(s string) {
	for _, p := range [...]string{"invalid user ", "illegal user "} {
		if name, ok := strings.CutPrefix(s, p); ok {
			f.user, f.invalid = name, true
			return
		}
	}
	f.user = s
}
