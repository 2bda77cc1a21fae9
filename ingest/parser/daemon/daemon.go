// Package daemon reads what long-running programs of a server log: cron, ClamAV,
// vsftpd, guacd, the errors of Apache and nginx, and databases. It reads them
// from syslog and in the form of their own files; what a query or an error means
// is left to the rules.
package daemon

import (
	"errors"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	fromSyslog := parser.FromSyslog(Grammar())
	return parser.Parser{
		Name:  "daemon",
		Title: "Daemons of a server",
		Description: "cron, clamd and clamscan, vsftpd, guacd, error logs of Apache and nginx, PostgreSQL, MySQL and MariaDB, SQL Server: " +
			"from syslog, and from the files that they write themselves.",
		References: []string{
			"https://salsa.debian.org/debian/cron (misc.c, log_it)", "https://docs.clamav.net/manual/Usage/Configuration.html",
			"https://security.appspot.com/vsftpd/vsftpd_conf.html (vsftpd_log_file)", "https://guacamole.apache.org/doc/gug/configuring-guacamole.html",
			"https://httpd.apache.org/docs/2.4/logs.html#errorlog", "https://nginx.org/en/docs/ngx_core_module.html#error_log",
			"https://www.postgresql.org/docs/current/runtime-config-logging.html", "https://dev.mysql.com/doc/refman/8.4/en/query-log.html",
		},
		Datasets: Datasets(),
		Form:     parser.Line,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			p, err := fromSyslog(raw, hint)
			if !errors.Is(err, parser.ErrOther) {
				return p, err
			}
			return own(raw)
		},
	}
}

// Datasets lists one for each program.
func Datasets() []holdfast.Dataset {
	ecs := map[string]string{
		"hostname": holdfast.EntityHost, "user": holdfast.EntityUser, "src_ip": holdfast.EntitySource, "file": holdfast.EntityFile,
		"program": holdfast.EntityProcess, "pid": "process.pid", "action": "event.action", "level": "log.level", "message": "message",
		"command": "process.command_line",
	}
	linux := func(service string) holdfast.Logsource { return holdfast.Logsource{Product: "linux", Service: service} }
	application := holdfast.Logsource{Category: "application", Product: "sql"}
	var out []holdfast.Dataset
	for _, d := range []holdfast.Dataset{
		// Rules for syslog as a whole keep seeing these.
		{Name: "linux.cron", Title: "cron", Logsource: linux("cron"), Also: []holdfast.Logsource{linux("syslog")}},
		{Name: "linux.clamav", Title: "ClamAV", Logsource: linux("clamav"), Also: []holdfast.Logsource{linux("syslog")}},
		{Name: "linux.vsftpd", Title: "vsftpd", Logsource: linux("vsftpd"), Also: []holdfast.Logsource{linux("syslog")}},
		{Name: "linux.guacamole", Title: "Apache Guacamole", Logsource: linux("guacamole"), Also: []holdfast.Logsource{linux("syslog")}},
		{Name: "web.apache", Title: "Apache errors", Logsource: holdfast.Logsource{Service: "apache"}, Also: []holdfast.Logsource{linux("syslog"), application}},
		{Name: "web.nginx", Title: "nginx errors", Logsource: holdfast.Logsource{Service: "nginx"}, Also: []holdfast.Logsource{linux("syslog"), application}},
		{Name: "database", Title: "Databases", Logsource: holdfast.Logsource{Category: "database"}, Also: []holdfast.Logsource{linux("syslog"), application}},
	} {
		d.ECS = ecs
		out = append(out, d)
	}
	return out
}

// datasets names each program's.
var datasets = map[string]string{
	"cron": "linux.cron", "CRON": "linux.cron", "crond": "linux.cron", "crontab": "linux.cron", "anacron": "linux.cron",
	"clamd": "linux.clamav", "clamav-daemon": "linux.clamav", "freshclam": "linux.clamav", "clamscan": "linux.clamav", "clamonacc": "linux.clamav",
	"vsftpd": "linux.vsftpd", "guacd": "linux.guacamole",
	"apache2": "web.apache", "httpd": "web.apache", "nginx": "web.nginx",
	"postgres": "database", "postgresql": "database", "mysqld": "database", "mariadbd": "database", "mysql-server_auditing": "database", "mongod": "database",
}

// Grammar reads the messages.
func Grammar() parser.Grammar {
	programs := make([]string, 0, len(datasets))
	for name := range datasets {
		programs = append(programs, name)
	}
	return parser.Grammar{
		Programs: programs,
		Read: func(program, message string) (string, []holdfast.Field) {
			d := datasets[program]
			if action, said, ok := parser.PAM(message); ok {
				return d, append([]holdfast.Field{{Name: "action", Text: action}}, said...)
			}
			return d, said(d, message)
		},
	}
}

// said takes apart what rules and people look for; the message stays whole.
func said(dataset, m string) []holdfast.Field {
	action, f := "other", []holdfast.Field(nil)
	switch dataset {
	case "linux.cron": // "(anna) REPLACE (anna)", "(root) CMD (run-parts /etc/cron.hourly)"
		user, rest, ok := strings.Cut(strings.TrimPrefix(m, "("), ") ")
		if what, arg, ok2 := strings.Cut(rest, " ("); ok && ok2 && strings.HasPrefix(m, "(") {
			action = strings.ToLower(what)
			f = parser.Add(f, "user", user)
			f = parser.Add(f, "command", strings.TrimSuffix(arg, ")"))
		}
	case "linux.clamav": // "/tmp/x: Win.Trojan.Agent-1 FOUND"
		m = strings.TrimPrefix(m, "-> ")
		if s, ok := strings.CutSuffix(strings.TrimSpace(m), " FOUND"); ok {
			if i := strings.LastIndex(s, ": "); i > 0 {
				action = "found"
				f = parser.Add(f, "file", s[:i])
				f = parser.Add(f, "signature", s[i+2:])
			}
		}
	case "linux.vsftpd": // "[anna] FAIL LOGIN: Client "192.0.2.7""
		if user, rest, ok := strings.Cut(strings.TrimPrefix(m, "["), "] "); ok && strings.HasPrefix(m, "[") && !strings.HasPrefix(m, "[pid ") {
			f, m = parser.Add(f, "user", user), rest
		}
		if what, rest, ok := strings.Cut(m, ": Client "); ok {
			action = strings.ToLower(strings.ReplaceAll(what, " ", "_"))
			address, _, _ := strings.Cut(strings.TrimPrefix(rest, `"`), `"`)
			f = parser.Add(f, "src_ip", parser.Address(strings.TrimPrefix(address, "::ffff:")))
		}
	case "linux.guacamole": // `User "@1b2c" joined connection "$3d" (2 users now present)`
		if strings.HasPrefix(m, "User ") && strings.Contains(m, " joined connection ") {
			action = "joined"
		}
	}
	return append([]holdfast.Field{{Name: "action", Text: action}}, f...)
}

// own reads the files that the programs write themselves.
func own(raw []byte) (parser.Parsed, error) {
	if len(raw) == 0 || len(raw) > 1<<20 || raw[0] == '{' || raw[0] == '#' {
		return parser.Parsed{}, parser.ErrOther
	}
	line := strings.TrimRight(string(raw), "\r\n")
	for _, read := range [...]func(string) (parser.Parsed, bool){apache, nginx, dated, postgres, mysql, sqlServer, clamscan} {
		if p, ok := read(line); ok {
			return p, nil
		}
	}
	return parser.Parsed{}, parser.ErrOther
}

// made puts a record together.
func made(at time.Time, dataset, message string, more ...holdfast.Field) parser.Parsed {
	f := append([]holdfast.Field{{Name: "message", Text: message}}, said(dataset, message)...)
	for _, m := range more {
		f = parser.Add(f, m.Name, m.Text)
	}
	return parser.Parsed{Time: at.UTC(), Dataset: dataset, Fields: f}
}

// clockAt reads a clock at the beginning of s.
func clockAt(layout, s string) (at time.Time, rest string, ok bool) {
	end := len(layout)
	if len(s) < end {
		return time.Time{}, s, false
	}
	at, err := time.Parse(layout, s[:end])
	return at, s[end:], err == nil
}

// apache reads "[Mon Nov 23 02:09:06.123456 2026] [core:notice] [pid 12:tid 34]
// [client 192.0.2.7:5060] AH00052: …".
func apache(s string) (parser.Parsed, bool) {
	clock, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "] [")
	if !ok || s[0] != '[' || len(clock) > 40 {
		return parser.Parsed{}, false
	}
	at, err := time.Parse("Mon Jan 2 15:04:05.999999 2006", clock)
	level, rest, ok := strings.Cut(rest, "] ")
	if err != nil || !ok || len(level) > 60 {
		return parser.Parsed{}, false
	}
	client := ""
	if _, after, ok := strings.Cut(rest, "[client "); ok {
		if client, _, ok = strings.Cut(after, "]"); ok && len(client) < 64 {
			host := client
			if i := strings.LastIndexByte(host, ':'); i > 0 && parser.Address(host) == "" {
				host = host[:i]
			}
			client = parser.Address(host)
		}
	}
	return made(at, "web.apache", rest, holdfast.Field{Name: "level", Text: level[strings.IndexByte(level, ':')+1:]}, holdfast.Field{Name: "src_ip", Text: client}), true
}

// nginx reads "2026/11/23 02:09:06 [alert] 12#12: worker process …".
func nginx(s string) (parser.Parsed, bool) {
	at, rest, ok := clockAt("2006/01/02 15:04:05", s)
	level, rest, ok2 := strings.Cut(strings.TrimPrefix(rest, " ["), "] ")
	who, message, ok3 := strings.Cut(rest, ": ")
	if !ok || !ok2 || !ok3 || len(level) > 10 || !strings.Contains(who, "#") || len(who) > 24 {
		return parser.Parsed{}, false
	}
	client := ""
	if _, after, ok := strings.Cut(message, ", client: "); ok {
		client, _, _ = strings.Cut(after, ",")
		client = parser.Address(client)
	}
	return made(at, "web.nginx", message, holdfast.Field{Name: "level", Text: level}, holdfast.Field{Name: "src_ip", Text: client}), true
}

// dated reads the files of vsftpd ("Mon Nov 23 02:09:06 2026 [pid 12] …") and
// clamd ("Mon Nov 23 02:09:06 2026 -> /tmp/x: … FOUND").
func dated(s string) (parser.Parsed, bool) {
	at, rest, ok := clockAt("Mon Jan _2 15:04:05 2006", s)
	if !ok {
		return parser.Parsed{}, false
	}
	if m, ok := strings.CutPrefix(rest, " -> "); ok {
		return made(at, "linux.clamav", m), true
	}
	if m, ok := strings.CutPrefix(rest, " [pid "); ok {
		if pid, m, ok := strings.Cut(m, "] "); ok && len(pid) < 12 {
			return made(at, "linux.vsftpd", m, holdfast.Field{Name: "pid", Text: pid}), true
		}
	}
	return parser.Parsed{}, false
}

// clamscan reads "/tmp/x: Win.Trojan.Agent-1 FOUND", which has no clock.
func clamscan(s string) (parser.Parsed, bool) {
	if !strings.HasSuffix(s, " FOUND") || !strings.Contains(s, ": ") || s[0] != '/' {
		return parser.Parsed{}, false
	}
	return made(time.Time{}, "linux.clamav", s), true
}

// iso reads "2026-11-23 02:09:06" with "T" or a blank, a fraction and a zone or
// none.
func iso(s string) (at time.Time, rest string, ok bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' {
		return time.Time{}, s, false
	}
	end := 19
	for end < len(s) && end < 40 && strings.IndexByte("0123456789.,+-:Z", s[end]) >= 0 {
		end++
	}
	t := strings.TrimSuffix(strings.Replace(strings.Replace(s[:end], " ", "T", 1), ",", ".", 1), ":")
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-07"} {
		if at, err := time.Parse(layout, t); err == nil {
			return at, s[end:], true
		}
	}
	return time.Time{}, s, false
}

// postgres reads "2026-11-23 02:09:06.123 UTC [12] anna@shop LOG:  statement: …".
func postgres(s string) (parser.Parsed, bool) {
	at, rest, ok := iso(s)
	i := strings.Index(rest, ":  ")
	if !ok || i < 0 || i > 200 {
		return parser.Parsed{}, false
	}
	head := strings.Fields(rest[:i])
	if len(head) < 2 {
		return parser.Parsed{}, false
	}
	level := head[len(head)-1]
	switch level {
	case "LOG", "ERROR", "FATAL", "PANIC", "WARNING", "STATEMENT", "DETAIL", "HINT", "NOTICE", "CONTEXT":
	default:
		return parser.Parsed{}, false
	}
	user := ""
	if u, _, ok := strings.Cut(head[len(head)-2], "@"); ok {
		user = u
	}
	return made(at, "database", rest[i+3:], holdfast.Field{Name: "level", Text: strings.ToLower(level)}, holdfast.Field{Name: "user", Text: user}), true
}

// mysql reads the general log ("2026-11-23T02:09:06.123456Z⇥    8 Query⇥select …")
// and the error log ("2026-11-23T02:09:06.123456Z 8 [ERROR] [MY-010000] [Server] …").
func mysql(s string) (parser.Parsed, bool) {
	at, rest, ok := iso(s)
	if !ok {
		return parser.Parsed{}, false
	}
	words := strings.Fields(rest[:min(len(rest), 80)])
	if len(words) < 2 {
		return parser.Parsed{}, false
	}
	for _, c := range words[0] {
		if c < '0' || c > '9' {
			return parser.Parsed{}, false
		}
	}
	if strings.HasPrefix(rest, "\t") {
		head, message, ok := strings.Cut(rest[1:], "\t")
		if !ok || len(strings.Fields(head)) < 2 {
			return parser.Parsed{}, false
		}
		_, command, _ := strings.Cut(strings.TrimSpace(head), " ")
		return made(at, "database", message, holdfast.Field{Name: "command_type", Text: command}), true
	}
	switch words[1] {
	case "[ERROR]", "[Warning]", "[Note]", "[System]":
		_, message, _ := strings.Cut(rest, words[1])
		return made(at, "database", strings.TrimSpace(message), holdfast.Field{Name: "level", Text: strings.ToLower(strings.Trim(words[1], "[]"))}), true
	}
	return parser.Parsed{}, false
}

// sqlServer reads "2026-11-23 02:09:06.12 spid52      Error: …".
func sqlServer(s string) (parser.Parsed, bool) {
	at, rest, ok := iso(s)
	words := strings.Fields(rest[:min(len(rest), 40)])
	if !ok || len(words) < 2 || words[0] != "Logon" && words[0] != "Server" && words[0] != "Backup" && !strings.HasPrefix(words[0], "spid") {
		return parser.Parsed{}, false
	}
	_, message, _ := strings.Cut(rest, words[0])
	return made(at, "database", strings.TrimSpace(message)), true
}
