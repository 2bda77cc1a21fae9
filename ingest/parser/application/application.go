// Package application reads what programs in Java, Python, Ruby and Node.js log
// when something goes wrong: lines that name an exception or a frame of one. It
// tells the runtimes and frameworks apart by the names of their own classes and
// modules; lines without one are another parser's.
package application

import (
	"bytes"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/logline"
)

// Parser describes the parser.
func Parser() parser.Parser {
	all := runtimes()
	return parser.Parser{
		Name:  "application",
		Title: "Errors of applications",
		Description: "Exceptions of the JVM, Spring, Velocity, Python, Django, Ruby on Rails and Node.js, from log files and from syslog. " +
			"The line stays whole in message; the exception's name is in exception.",
		References: []string{
			"https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Throwable.html (printStackTrace)",
			"https://docs.spring.io/spring-boot/reference/features/logging.html", "https://docs.python.org/3/library/logging.html",
			"https://docs.djangoproject.com/en/stable/ref/logging/", "https://docs.ruby-lang.org/en/master/Logger.html",
			"https://nodejs.org/api/errors.html",
		},
		Datasets: Datasets(),
		Form:     parser.Line,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			return parse(all, raw, hint)
		},
	}
}

// runtime is one that lines are told by.
type runtime struct {
	name, title, product string
	also                 []string // products whose rules look at its lines too
	marks                []string // one of them is in each of its lines
}

// runtimes lists them, the more particular first.
func runtimes() []runtime {
	return []runtime{
		{"spring", "Spring", "spring", []string{"jvm"}, []string{"org.springframework.", "o.s.s.", "o.s.w.", "o.s.b."}},
		{"velocity", "Apache Velocity", "velocity", []string{"jvm"}, []string{"org.apache.velocity."}},
		{"java", "Java", "jvm", nil, []string{
			"java.io.", "java.lang.", "java.nio.", "java.net.", "java.sql.", "java.util.", "javax.", "jakarta.", "com.sun.jndi.", "org.xml.sax.", "org.w3c.dom.",
			"org.apache.commons.ognl.", "ognl.", "org.apache.logging.", "org.apache.catalina.", "org.apache.struts2.",
		}},
		{"django", "Django", "django", []string{"python"}, []string{"django."}},
		{"python", "Python", "python", nil, []string{
			"Traceback (most recent call last)", "sqlalchemy.exc.", "psycopg2.", "psycopg.errors.", "sqlite3.", "pymysql.err.", "MySQLdb.", "mysql.connector.errors.", "cx_Oracle.", "oracledb.exceptions.", "pyodbc.",
		}},
		{"rails", "Ruby on Rails", "ruby_on_rails", nil, []string{"ActionController::", "ActionView::", "ActionDispatch::", "ActiveRecord::"}},
		{"node", "Node.js", "nodejs", nil, []string{"node:child_process", "node:internal/", "node:events", "node:net", "node:fs"}},
	}
}

// Datasets lists one for each.
func Datasets() []holdfast.Dataset {
	var out []holdfast.Dataset
	for _, r := range runtimes() {
		source := func(product string) holdfast.Logsource {
			return holdfast.Logsource{Category: "application", Product: product}
		}
		d := holdfast.Dataset{
			Name: "application." + r.name, Title: r.title, Logsource: source(r.product),
			// A database's complaint is in the log of the program that asked it; rules
			// for syslog as a whole keep seeing what came that way.
			Also: []holdfast.Logsource{source("sql"), {Product: "linux", Service: "syslog"}},
			ECS: map[string]string{
				"hostname": holdfast.EntityHost, "program": holdfast.EntityProcess, "pid": "process.pid",
				"level": "log.level", "exception": "error.type", "message": "message",
			},
		}
		for _, p := range r.also {
			d.Also = append(d.Also, source(p))
		}
		out = append(out, d)
	}
	return out
}

func parse(all []runtime, raw []byte, hint parser.Hint) (parser.Parsed, error) {
	if len(raw) == 0 || len(raw) > 1<<20 || raw[0] == '{' || raw[0] == '#' || raw[0] == '<' && !bytes.Contains(raw[:min(5, len(raw))], []byte(">")) {
		return parser.Parsed{}, parser.ErrOther
	}
	name := runtimeOf(all, raw)
	if name == "" || access(raw) {
		return parser.Parsed{}, parser.ErrOther
	}
	out := parser.Parsed{Dataset: "application." + name}
	message := strings.TrimRight(string(raw), "\r\n")
	if l, err := logline.Read(message, hint.Received); err == nil && l.Program != "" {
		said := parser.SaidBy(l)
		out.Time, out.Host, message = l.Time, l.Host, said.Message
		out.Fields = parser.Shared(said, message, 1)
	} else {
		out.Time = clock(message)
		out.Fields = []holdfast.Field{{Name: "message", Text: message}}
	}
	out.Fields = parser.Add(out.Fields, "level", level(message))
	out.Fields = parser.Add(out.Fields, "exception", exception(message))
	return out, nil
}

// runtimeOf tells whose line it is, by a mark that begins a word, or "".
func runtimeOf(all []runtime, raw []byte) string {
	for _, r := range all {
		for _, m := range r.marks {
			if i := bytes.Index(raw, []byte(m)); i == 0 || i > 0 && !wordly(raw[i-1]) {
				return r.name
			}
		}
	}
	return ""
}

func wordly(c byte) bool {
	return c == '_' || c == '.' || c == '/' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// access reports whether it is a line of a web server or proxy, in which a
// client may write any name.
func access(raw []byte) bool {
	if bytes.Contains(raw, []byte(" HIER_")) || bytes.Contains(raw, []byte(" TCP_")) {
		return true
	}
	for at := 0; ; {
		i := bytes.IndexByte(raw[at:], '[')
		if i < 0 || at+i+13 > len(raw) {
			return false
		}
		if c := raw[at+i+1:]; c[2] == '/' && c[6] == '/' && c[11] == ':' {
			return true
		}
		at += i + 1
	}
}

// clock reads the time that a line begins with, or that Ruby's logger has
// behind its first letter; without a zone it is UTC.
func clock(s string) time.Time {
	if len(s) > 4 && s[1] == ',' && s[2] == ' ' && s[3] == '[' {
		s = s[4:]
	}
	s = strings.TrimPrefix(s, "[")
	end := 0
	for end < len(s) && end < 40 && strings.IndexByte("0123456789-:.,TZ+ ", s[end]) >= 0 {
		end++
	}
	t := strings.Replace(strings.Replace(strings.TrimRight(s[:end], " :-"), " ", "T", 1), ",", ".", 1)
	t, _, _ = strings.Cut(t, " ")
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, t); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// level is the first word that says one.
func level(s string) string {
	for _, w := range strings.FieldsFunc(s[:min(len(s), 200)], func(r rune) bool { return r == ' ' || r == '[' || r == ']' || r == ':' || r == ',' || r == '\t' }) {
		switch w {
		case "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "FATAL", "CRITICAL", "SEVERE", "TRACE":
			return strings.ToLower(w)
		}
	}
	return ""
}

// exception is the first word that ends as the name of one does.
func exception(s string) string {
	for _, w := range strings.FieldsFunc(s[:min(len(s), 4096)], func(r rune) bool {
		return r != '.' && r != '_' && r != '$' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		w = strings.Trim(w, ":.")
		if len(w) < 200 && strings.ContainsAny(w, ".:") && (strings.HasSuffix(w, "Exception") || strings.HasSuffix(w, "Error") || strings.HasPrefix(w, "ActionController::")) {
			return w
		}
	}
	return ""
}
