// Package sudo reads what sudo and su log. Which commands matter is left to
// the rules.
package sudo

import (
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:        "sudo",
		Title:       "sudo and su",
		Description: "Commands run and refused by sudo, and changes of user by su of util-linux and shadow, from syslog lines.",
		References: []string{
			"sudoers(5), section LOG FORMAT",
			"https://github.com/sudo-project/sudo/blob/main/lib/eventlog/eventlog.c (new_logline)",
			"https://github.com/util-linux/util-linux/blob/master/login-utils/su-common.c (log_syslog)",
			"https://github.com/shadow-maint/shadow/blob/master/src/su.c",
		},
		Datasets: []holdfast.Dataset{dataset("sudo"), dataset("su")},
		Form:     parser.Line,
		Parse:    parser.FromSyslog(Grammar()),
	}
}

func dataset(name string) holdfast.Dataset {
	return holdfast.Dataset{
		Name:      "linux." + name,
		Title:     name,
		Logsource: holdfast.Logsource{Product: "linux", Service: name},
		ECS: map[string]string{
			"hostname": holdfast.EntityHost, "user": holdfast.EntityUser, "src_ip": holdfast.EntitySource,
			"target_user": "user.target.name", "command": "process.command_line", "pwd": "process.working_directory",
			"program": holdfast.EntityProcess, "pid": "process.pid", "action": "event.action", "message": "message",
		},
	}
}

// Grammar reads the messages of both programs.
func Grammar() parser.Grammar {
	return parser.Grammar{
		Programs: []string{"sudo", "su", "su-l"},
		Read: func(program, message string) (string, []holdfast.Field) {
			if program == "sudo" {
				return "linux.sudo", readSudo(message)
			}
			return "linux.su", readSu(message)
		},
	}
}

func fields(action string) []holdfast.Field {
	return []holdfast.Field{{Name: "action", Text: action}}
}

// readSudo reads "USER : [REASON ; ][HOST=…; ]TTY=… ; PWD=… ; USER=… ; …
// COMMAND=…". The command comes last and takes the rest of the line.
func readSudo(message string) []holdfast.Field {
	if action, said, ok := parser.PAM(message); ok {
		return pam(action, said)
	}
	user, rest, ok := strings.Cut(message, " : ")
	if !ok || user == "" || strings.ContainsAny(user, ";=") {
		return fields("other")
	}
	reason, settings := "", rest
	if !setting(rest) {
		reason, settings, _ = strings.Cut(rest, " ; ")
	}
	out := parser.Add(fields(sudoAction(reason)), "user", user)
	out = parser.Add(out, "reason", reason)
	return readSettings(out, settings)
}

func sudoAction(reason string) string {
	switch {
	case reason == "":
		return "command"
	case strings.Contains(reason, "incorrect password attempt"), reason == "a password is required",
		strings.HasPrefix(reason, "PAM authentication error"), strings.HasPrefix(reason, "authentication failure"):
		return "auth_failed"
	case strings.HasPrefix(reason, "user NOT "), strings.HasPrefix(reason, "command not allowed"),
		strings.HasPrefix(reason, "sorry, "), strings.Contains(reason, " not allowed"), strings.Contains(reason, "not permitted"):
		return "denied"
	}
	return "other"
}

// setting reports whether s begins with NAME=.
func setting(s string) bool {
	name, _, ok := strings.Cut(s, "=")
	return ok && nameOf(name) != ""
}

func nameOf(word string) string {
	switch word {
	case "HOST", "TTY", "CHROOT", "PWD", "TSID", "ENV", "COMMAND":
		return strings.ToLower(word)
	case "USER":
		return "target_user"
	case "GROUP":
		return "target_group"
	}
	return ""
}

// readSettings takes the settings from the left. A folder's name may hold " ;
// USER=root ; COMMAND=…": such a line has a second COMMAND, cannot be told
// from a command with those arguments, and is marked ambiguous.
func readSettings(out []holdfast.Field, s string) []holdfast.Field {
	if strings.Count(s, " ; COMMAND=") > 1 {
		out = append(out, holdfast.Field{Name: "ambiguous", Text: "true"})
	}
	for s != "" {
		word, value, ok := strings.Cut(s, "=")
		name := nameOf(word)
		if !ok || name == "" {
			return out
		}
		if name == "command" {
			return parser.Add(out, name, value)
		}
		end := nextSetting(value)
		out = parser.Add(out, name, strings.TrimSuffix(value[:end], " "))
		s = strings.TrimPrefix(value[end:], " ; ")
	}
	return out
}

// nextSetting finds where the value ends: at the first " ; NAME=".
func nextSetting(s string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], " ; ")
		if i < 0 {
			return len(s)
		}
		i += from
		if setting(s[i+3 : min(len(s), i+3+16)]) {
			return i
		}
		from = i + 3
	}
}

// pam takes over what a PAM module said: here "user" is who asked, and
// "target_user" who they became.
func pam(action string, said []holdfast.Field) []holdfast.Field {
	out := fields(action)
	by := ""
	for _, f := range said {
		if f.Name == "by_user" {
			by = f.Text
		}
	}
	session := strings.HasPrefix(action, "session_")
	for _, f := range said {
		switch {
		case session && f.Name == "user":
			f.Name = "target_user"
		case session && f.Name == "uid":
			f.Name = "target_uid"
		case session && f.Name == "by_user":
			f.Name = "user"
		case session && f.Name == "by_uid":
			f.Name = "uid"
		case !session && f.Name == "user" && by != "":
			f.Name = "target_user"
		case !session && f.Name == "by_user":
			f.Name = "user"
		}
		out = append(out, f)
	}
	return out
}
