// Package journal reads the records of systemd's journal, as journalctl
// writes them in JSON. It applies the grammars it is given to the messages; the
// programs' own parsers read the same messages from syslog.
package journal

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/logline"
)

// Parser describes the parser. It makes syslog and the datasets of the
// grammars, which are described by their own parsers.
func Parser(grammars ...parser.Grammar) parser.Parser {
	marks := parser.NewMarks(`"__REALTIME_TIMESTAMP"`)
	pool := new(fastjson.ParserPool)
	return parser.Parser{
		Name:  "journal",
		Title: "systemd journal",
		Description: "Records of journalctl -o json. A message of a program that has a grammar becomes that dataset, " +
			"unless the journal's own knowledge of the sender shows that another program used its name.",
		References: []string{
			"systemd.journal-fields(7)",
			"https://systemd.io/JOURNAL_EXPORT_FORMATS/ (Journal JSON Format)",
		},
		Form: parser.Object,
		Parse: func(raw []byte, _ parser.Hint) (parser.Parsed, error) {
			if len(raw) == 0 || raw[0] != '{' || !marks.In(raw) {
				return parser.Parsed{}, parser.ErrOther
			}
			p := pool.Get()
			defer pool.Put(p)
			return parse(p, raw, grammars)
		},
	}
}

func parse(p *fastjson.Parser, raw []byte, grammars []parser.Grammar) (parser.Parsed, error) {
	v, err := p.ParseBytes(raw)
	if err != nil {
		return parser.Parsed{}, fmt.Errorf("damaged journal record: %.200s", err.Error())
	}
	get := func(name string) string { return text(v.Get(name)) }
	t, ok := clock(get)
	if !ok {
		return parser.Parsed{}, fmt.Errorf("a journal record without a clock")
	}
	s := parser.Said{
		Program: get("SYSLOG_IDENTIFIER"), PID: get("_PID"), Host: get("_HOSTNAME"),
		Facility: keyword(get("SYSLOG_FACILITY"), logline.Facility),
		Severity: keyword(get("PRIORITY"), logline.Severity),
		Message:  strings.TrimLeft(strings.TrimRight(get("MESSAGE"), "\r\n"), " "),
	}
	if s.Program == "" {
		s.Program = get("_COMM")
	}
	if s.PID == "" {
		s.PID = get("SYSLOG_PID")
	}
	uid, exe := get("_UID"), get("_EXE")
	var doubt []holdfast.Field
	out := parser.Parsed{Time: t, Host: s.Host}
	for _, g := range grammars {
		if !g.Knows(s.Program) {
			continue
		}
		if !genuine(s.Program, uid, exe) {
			doubt = []holdfast.Field{{Name: "program_unproven", Text: "true"}}
			break
		}
		out.Dataset, out.Fields = g.Fields(s)
		break
	}
	if out.Dataset == "" {
		out.Dataset, out.Fields = "syslog", append(parser.Shared(s, s.Message, 1), doubt...)
	}
	for _, name := range [...]string{"_SYSTEMD_UNIT", "_TRANSPORT", "_UID", "_COMM", "_EXE", "_CMDLINE", "MESSAGE_ID"} {
		out.Fields = parser.Add(out.Fields, name, get(name))
	}
	return out, nil
}

// genuine weighs a program's name, which the sender chose, against what
// journald saw of it: anybody may log "Failed password for …" in the name of
// sshd. A record is taken at its word if root sent it, or the program of that
// name in a folder of the system (those that are set-uid keep the caller's id),
// or if nothing is known of the sender.
func genuine(program, uid, exe string) bool {
	if uid == "" || uid == "0" {
		return true
	}
	switch dir, name := path.Split(exe); dir {
	case "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/usr/lib/cargo/bin/", "/run/wrappers/bin/":
		return name == program
	}
	return false
}

// clock takes the sender's time if journald noted it, else the time of receipt.
func clock(get func(string) string) (time.Time, bool) {
	for _, name := range [...]string{"_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"} {
		if t, ok := parser.Micros(get(name)); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

func keyword(number string, of func(int) string) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	return of(n)
}

// text returns a journal field: text, a list of bytes if it is no text, or the
// first of several values.
func text(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeArray:
		list := v.GetArray()
		if len(list) == 0 {
			return ""
		}
		if list[0].Type() != fastjson.TypeNumber {
			return text1(list[0])
		}
		b := make([]byte, 0, len(list))
		for _, n := range list {
			b = append(b, byte(n.GetInt()))
		}
		return string(b)
	}
	return ""
}

func text1(v *fastjson.Value) string {
	if v.Type() != fastjson.TypeString {
		return ""
	}
	return string(v.GetStringBytes())
}
