// Package account reads what the programs log that change accounts, groups and
// passwords. Whether a change was wanted is left to the rules.
package account

import (
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:        "account",
		Title:       "useradd and its kin",
		Description: "Accounts, groups and passwords made, changed and removed by the shadow suite and by PAM, from syslog lines.",
		References: []string{
			"https://github.com/shadow-maint/shadow/tree/master/src (useradd.c, userdel.c, usermod.c, groupadd.c, groupdel.c, groupmod.c, gpasswd.c, passwd.c, chage.c, chsh.c, chfn.c)",
			"https://github.com/linux-pam/linux-pam/blob/master/modules/pam_unix/pam_unix_passwd.c",
		},
		Datasets: []holdfast.Dataset{Dataset()},
		Form:     parser.Line,
		Parse:    parser.FromSyslog(Grammar()),
	}
}

// Dataset is linux.useradd.
func Dataset() holdfast.Dataset {
	return holdfast.Dataset{
		Name:      "linux.useradd",
		Title:     "Accounts, groups and passwords",
		Logsource: holdfast.Logsource{Product: "linux", Service: "auth"},
		ECS: map[string]string{
			"hostname": holdfast.EntityHost, "user": holdfast.EntityUser, "uid": "user.id", "gid": "group.id",
			"group": "group.name", "program": holdfast.EntityProcess, "pid": "process.pid",
			"action": "event.action", "message": "message",
		},
	}
}

// Grammar reads the messages.
func Grammar() parser.Grammar {
	all := forms()
	return parser.Grammar{
		Programs: []string{
			"useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "groupmems",
			"newusers", "adduser", "deluser", "addgroup", "delgroup",
			"passwd", "chpasswd", "chgpasswd", "gpasswd", "chage", "chsh", "chfn", "vipw", "vigr",
		},
		Read: func(_, message string) (string, []holdfast.Field) { return "linux.useradd", read(all, message) },
	}
}

// form is one message: its fixed words, with the names of fields between them.
// A field ends where the next fixed words stand; the last one takes the rest.
type form struct {
	action string
	parts  []string // words, field, words, field, …
}

// read takes the first form that fits. What users may choose in these messages
// (home, shell, comment) has passed the programs' own checks and cannot hold a
// line break; names cannot hold quotes.
func read(all []form, message string) []holdfast.Field {
	if action, said, ok := parser.PAM(message); ok {
		return append([]holdfast.Field{{Name: "action", Text: action}}, said...)
	}
	for _, f := range all {
		if out, ok := f.match(message); ok {
			return out
		}
	}
	return []holdfast.Field{{Name: "action", Text: "other"}}
}

func (f form) match(s string) ([]holdfast.Field, bool) {
	s, ok := strings.CutPrefix(s, f.parts[0])
	if !ok {
		return nil, false
	}
	out := []holdfast.Field{{Name: "action", Text: f.action}}
	for i := 1; i < len(f.parts); i += 2 {
		value, until := s, ""
		if i+1 < len(f.parts) {
			until = f.parts[i+1]
		}
		if until != "" {
			if value, s, ok = strings.Cut(s, until); !ok {
				return nil, false
			}
		}
		switch name := f.parts[i]; name {
		case "":
		case "uid", "gid":
			out = parser.AddNumber(out, name, value)
		default:
			out = parser.Add(out, name, value)
		}
	}
	return out, true
}
