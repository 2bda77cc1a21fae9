package sudo

import (
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// readSu reads util-linux ("(to root) anna on pts/0", "FAILED SU (to root) anna
// on pts/0") and shadow ("Successful su for root by anna", "FAILED su for root
// by anna", "+ /dev/pts/0 anna:root").
func readSu(message string) []holdfast.Field {
	if action, said, ok := parser.PAM(message); ok {
		return pam(action, said)
	}
	for _, p := range [...]struct {
		words, action string
		read          func(out []holdfast.Field, s string) []holdfast.Field
	}{
		{"(to ", "command", utilLinux},
		{"FAILED SU (to ", "auth_failed", utilLinux},
		{"Successful su for ", "command", shadow},
		{"FAILED su for ", "auth_failed", shadow},
		{"+ ", "command", sulog},
		{"- ", "auth_failed", sulog},
	} {
		if rest, ok := strings.CutPrefix(message, p.words); ok {
			return p.read(fields(p.action), rest)
		}
	}
	return fields("other")
}

func utilLinux(out []holdfast.Field, s string) []holdfast.Field {
	target, rest, ok := strings.Cut(s, ") ")
	if !ok {
		return out
	}
	user, tty := rest, ""
	if i := strings.LastIndex(rest, " on "); i >= 0 {
		user, tty = rest[:i], rest[i+len(" on "):]
	}
	return suFields(out, user, target, tty)
}

func shadow(out []holdfast.Field, s string) []holdfast.Field {
	target, user, ok := strings.Cut(s, " by ")
	if !ok {
		return out
	}
	return suFields(out, user, target, "")
}

func sulog(out []holdfast.Field, s string) []holdfast.Field {
	tty, who, ok := strings.Cut(s, " ")
	if !ok {
		return out
	}
	user, target, ok := strings.Cut(who, ":")
	if !ok {
		user, target, ok = strings.Cut(who, "-")
	}
	if !ok {
		return out
	}
	return suFields(out, user, target, tty)
}

func suFields(out []holdfast.Field, user, target, tty string) []holdfast.Field {
	out = parser.Add(out, "user", user)
	out = parser.Add(out, "target_user", target)
	return parser.Add(out, "tty", tty)
}
