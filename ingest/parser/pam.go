package parser

import (
	"strings"

	"holdfast"
)

// PAM reads a message of a PAM module (Linux-PAM, modules/pam_unix/support.c
// and pam_unix_sess.c: "pam_unix(sshd:session): …") and returns what happened:
// session_opened, session_closed, auth_failed, password_changed or other. It
// reports false for messages that no module wrote.
//
// The fields are pam_service, pam_type, user (whom it is about), by_user (on
// whose behalf) and src_ip.
func PAM(message string) (action string, fields []holdfast.Field, ok bool) {
	if !strings.HasPrefix(message, "pam_") {
		return "", nil, false
	}
	head, said, ok := strings.Cut(message, "): ")
	if !ok {
		return "", nil, false
	}
	_, what, ok := strings.Cut(head, "(")
	service, kind, ok2 := strings.Cut(what, ":")
	if !ok || !ok2 || strings.ContainsAny(what, " ") {
		return "", nil, false
	}
	fields = Add(fields, "pam_service", service)
	fields = Add(fields, "pam_type", kind)
	switch {
	case strings.HasPrefix(said, "session opened for user "):
		user, by, _ := cutLast(strings.TrimPrefix(said, "session opened for user "), " by ")
		return "session_opened", addBy(addUser(fields, "user", user), by), true
	case strings.HasPrefix(said, "session closed for user "):
		return "session_closed", addUser(fields, "user", strings.TrimPrefix(said, "session closed for user ")), true
	case strings.HasPrefix(said, "authentication failure; "):
		return "auth_failed", authFailure(fields, strings.TrimPrefix(said, "authentication failure; ")), true
	case strings.HasPrefix(said, "password changed for "):
		return "password_changed", addUser(fields, "user", strings.TrimPrefix(said, "password changed for ")), true
	}
	return "other", fields, true
}

// addUser adds "root" or "root(uid=0)".
func addUser(fields []holdfast.Field, name, s string) []holdfast.Field {
	if user, uid, ok := cutLast(s, "(uid="); ok && strings.HasSuffix(uid, ")") {
		fields = Add(fields, name, user)
		return AddNumber(fields, map[string]string{"user": "uid", "by_user": "by_uid"}[name], strings.TrimSuffix(uid, ")"))
	}
	return Add(fields, name, s)
}

// addBy adds "(uid=0)" or "anna(uid=1000)".
func addBy(fields []holdfast.Field, s string) []holdfast.Field { return addUser(fields, "by_user", s) }

// authFailure reads "logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7
// user=root". The user comes last, and may hold blanks and "=": the names
// before it are looked for in their order, it takes the rest.
func authFailure(fields []holdfast.Field, s string) []holdfast.Field {
	rest, user, _ := cutFirst(s, " user=")
	fields = Add(fields, "user", user)
	if _, after, ok := cutFirst(rest, "ruser="); ok {
		by, host, _ := cutFirst(after, " rhost=")
		fields = Add(fields, "by_user", by)
		fields = Add(fields, "src_ip", Address(strings.TrimSpace(host)))
	}
	return fields
}

func cutFirst(s, sep string) (before, after string, ok bool) {
	before, after, ok = strings.Cut(s, sep)
	return before, strings.TrimRight(after, " "), ok
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
