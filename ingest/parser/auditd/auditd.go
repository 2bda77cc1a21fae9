// Package auditd reads records of the Linux audit log: one by one, and those of
// one event together as package frame puts them, which become a process that was
// started, a file that was made or a connection that was opened.
package auditd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:  "auditd",
		Title: "Linux audit log",
		Description: "Records of auditd, plain or enriched, with or without syslog's head. Coded values are decoded and system calls named. " +
			"The records of one event, one a line, become a started process, a new file or a connection.",
		References: []string{"auditd.conf(5), log_format", "https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Event-Enrichment"},
		Datasets:   Datasets(),
		Form:       parser.Line,
		Parse:      func(raw []byte, _ parser.Hint) (parser.Parsed, error) { return parse(raw) },
	}
}

// Datasets lists the kinds of event.
func Datasets() []holdfast.Dataset {
	linux := func(name, title, category string, ecs map[string]string) holdfast.Dataset {
		return holdfast.Dataset{Name: name, Title: title, Logsource: holdfast.Logsource{Product: "linux", Category: category}, ECS: ecs}
	}
	process := map[string]string{"Image": holdfast.EntityExecutable, "User": holdfast.EntityUser, "node": holdfast.EntityHost}
	file := map[string]string{"Image": holdfast.EntityExecutable, "User": holdfast.EntityUser, "TargetFilename": holdfast.EntityFile, "node": holdfast.EntityHost}
	network := map[string]string{"Image": holdfast.EntityExecutable, "User": holdfast.EntityUser, "DestinationIp": holdfast.EntityDestination, "node": holdfast.EntityHost}
	return []holdfast.Dataset{
		{
			Name: "linux.auditd", Title: "Linux audit records", Logsource: holdfast.Logsource{Product: "linux", Service: "auditd"},
			ECS: map[string]string{
				"node": holdfast.EntityHost, "acct": holdfast.EntityUser, "exe": holdfast.EntityExecutable, "addr": holdfast.EntitySource, "name": holdfast.EntityFile,
			},
		},
		linux("linux.process_creation", "Linux: a process was started", "process_creation", process),
		linux("linux.file_event", "Linux: a file was made", "file_event", file),
		linux("linux.network_connection", "Linux: a connection was opened", "network_connection", network),
		linux("linux.auditd.event", "Linux: other audit events", "audit_event", process),
	}
}

// maxRecords bounds the records of one event.
const maxRecords = 1000

func parse(raw []byte) (parser.Parsed, error) {
	head := raw[:min(len(raw), 512)]
	at := bytes.Index(head, []byte("msg=audit("))
	if at < 0 || raw[0] == '{' || !bytes.Contains(head[:at], []byte("type=")) {
		return parser.Parsed{}, parser.ErrOther
	}
	text := strings.TrimRight(string(raw), "\r\n ")
	if !strings.Contains(text, "\n") {
		r, err := read(text)
		if err != nil {
			return parser.Parsed{}, err
		}
		fields := make([]holdfast.Field, 0, len(r.fields)+2)
		fields = append(fields, holdfast.Field{Name: "type", Text: r.kind})
		fields = parser.Add(fields, "node", r.node)
		return parser.Parsed{Time: r.time, Host: r.node, Dataset: "linux.auditd", Fields: append(fields, r.fields...)}, nil
	}
	var records []record
	for _, line := range oneEXECVE(strings.Split(text, "\n")) {
		r, err := read(line)
		if err != nil {
			return parser.Parsed{}, err
		}
		if len(records) == maxRecords {
			return parser.Parsed{}, errors.New("an event of more than 1,000 records")
		}
		records = append(records, r)
	}
	return together(records), nil
}

// oneEXECVE makes one record of several that hold the arguments of one program:
// the kernel begins a new one where they would be too long.
func oneEXECVE(lines []string) []string {
	out, first := lines[:0], -1
	var bodies []string
	for _, line := range lines {
		head, body, ok := strings.Cut(line, "): ")
		switch {
		case !ok || !strings.Contains(head, "type=EXECVE "):
		case first >= 0:
			bodies = append(bodies, body)
			continue
		default:
			first, bodies = len(out), []string{line}
		}
		out = append(out, line)
	}
	if len(bodies) > 1 {
		out[first] = strings.Join(bodies, " ")
	}
	return out
}

type record struct {
	kind, node, serial string
	time               time.Time
	fields             []holdfast.Field
}

func (r *record) get(name string) string {
	for i := range r.fields {
		if r.fields[i].Name == name {
			return r.fields[i].Text
		}
	}
	return ""
}

// read reads one record.
func read(line string) (record, error) {
	var r record
	at := strings.Index(line, "msg=audit(")
	if at < 0 {
		return r, errors.New("an audit record without msg=audit(…)")
	}
	for _, w := range strings.Fields(line[:min(at, 512)]) {
		if v, ok := strings.CutPrefix(w, "type="); ok {
			r.kind = v
		}
		if v, ok := strings.CutPrefix(w, "node="); ok {
			r.node = v
		}
	}
	stamp, body, ok := strings.Cut(line[at+len("msg=audit("):], ")")
	clock, serial, ok2 := strings.Cut(stamp, ":")
	if !ok || !ok2 {
		return r, errors.New("the record's time and number are damaged: audit(seconds.millis:number) is expected")
	}
	sec, ms, _ := strings.Cut(clock, ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || s < 0 || s > 1e11 {
		return r, errors.New("the record's time is no number of seconds since 1970")
	}
	m, _ := strconv.ParseInt((ms + "000")[:3], 10, 64)
	r.time, r.serial = time.Unix(s, m*1e6).UTC(), serial
	r.fields = append(r.fields, holdfast.Field{Name: "serial", Text: serial})
	r.pairs(strings.TrimPrefix(body, ":"), 0)
	if r.kind == "EXECVE" {
		r.join()
	}
	if r.kind == "SYSCALL" {
		r.call()
	}
	if r.kind == "SOCKADDR" {
		r.address()
	}
	if len(r.fields) >= parser.MaxFields-4 && r.kind != "EXECVE" { // some arguments are better than none
		return r, errors.New("the record has too many fields")
	}
	return r, nil
}

// pairs reads name=value, blanks or 0x1d between them.
func (r *record) pairs(s string, depth int) {
	for len(r.fields) < parser.MaxFields-4 {
		s = strings.TrimLeft(s, " \x1d,")
		eq := strings.IndexByte(s, '=')
		if eq < 0 {
			return
		}
		name := s[:eq]
		if i := strings.LastIndexAny(name, " \x1d"); i >= 0 { // words between the pairs
			name = name[i+1:]
		}
		s = s[eq+1:]
		var value string
		quoted := false
		switch {
		case strings.HasPrefix(s, `"`):
			quoted = true
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				value, s = s[1:], ""
				break
			}
			value, s = s[1:end+1], s[end+2:]
		case strings.HasPrefix(s, `'`) && depth == 0:
			end := strings.LastIndexByte(s[1:], '\'')
			if end < 0 {
				end = len(s) - 1
			}
			inner, rest := s[1:end+1], ""
			if end+2 <= len(s) {
				rest = s[end+2:]
			}
			if name == "msg" {
				r.pairs(inner, 1)
			} else {
				r.add(name, inner, true)
			}
			s = rest
			continue
		default:
			end := strings.IndexAny(s, " \x1d")
			if end < 0 {
				end = len(s)
			}
			value, s = s[:end], s[end:]
		}
		r.add(name, value, quoted)
	}
}

// numeric are the fields that hold a decimal number.
var numeric = map[string]bool{
	"pid": true, "ppid": true, "uid": true, "gid": true, "auid": true, "euid": true, "suid": true, "fsuid": true, "egid": true, "sgid": true,
	"fsgid": true, "ses": true, "items": true, "item": true, "argc": true, "exit": true, "syscall": true, "inode": true,
}

// coded are the fields whose value, where no quotes stand around it, is in
// hexadecimal digits.
var coded = map[string]bool{
	"proctitle": true, "comm": true, "exe": true, "name": true, "cwd": true, "path": true, "cmd": true, "data": true,
	"acct": true, "key": true, "dir": true, "ocomm": true, "old": true, "new": true, "vm": true, "watch": true, "root_dir": true,
}

func (r *record) add(name, value string, quoted bool) {
	if name == "" || len(name) > parser.MaxName {
		return
	}
	f := holdfast.Field{Name: name, Text: value}
	switch {
	case quoted:
	case numeric[name] && decimal(value):
		f.Kind = holdfast.Number
	case coded[name] || r.kind == "EXECVE" && isArgument(name):
		f.Text = decode(value)
		if name == "proctitle" {
			f.Text = strings.TrimRight(strings.ReplaceAll(f.Text, "\x00", " "), " ")
		}
	}
	if name == "key" {
		if f.Text == "(null)" {
			return
		}
		for k := range strings.SplitSeq(f.Text, "\x01") {
			if len(r.fields) < parser.MaxFields-4 {
				r.fields = append(r.fields, holdfast.Field{Name: name, Text: k})
			}
		}
		return
	}
	r.fields = append(r.fields, f)
}

func decimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || len(s) > 1 && s[0] == '0' {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isArgument reports whether a name is a0, a1, … or a piece of one: a1[0].
func isArgument(name string) bool {
	_, _, ok := argument(name)
	return ok
}

func argument(name string) (index, piece int, ok bool) {
	rest, ok := strings.CutPrefix(name, "a")
	if !ok || rest == "" {
		return 0, 0, false
	}
	piece = -1
	if num, in, cut := strings.Cut(rest, "["); cut {
		p, err := strconv.Atoi(strings.TrimSuffix(in, "]"))
		if err != nil || p < 0 {
			return 0, 0, false
		}
		rest, piece = num, p
	}
	index, err := strconv.Atoi(rest)
	return index, piece, err == nil && index >= 0
}

// decode takes hexadecimal digits back, if these are nothing else.
func decode(s string) string {
	if len(s)%2 != 0 || len(s) == 0 {
		return s
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}

// join puts the pieces of long arguments together.
func (r *record) join() {
	out := r.fields[:0]
	pieces := map[int]int{} // argument → its field
	for _, f := range r.fields {
		index, piece, ok := argument(f.Name)
		switch {
		case ok && piece < 0:
			pieces[index] = len(out)
		case ok:
			if at, have := pieces[index]; have {
				out[at].Text += f.Text
				continue
			}
			f.Name = "a" + strconv.Itoa(index)
			pieces[index] = len(out)
		case strings.HasPrefix(f.Name, "a") && strings.HasSuffix(f.Name, "_len"):
			continue
		}
		out = append(out, f)
	}
	r.fields = out
}

// call names the system call, where the log does not.
func (r *record) call() {
	if r.get("SYSCALL") != "" {
		return
	}
	n, err := strconv.Atoi(r.get("syscall"))
	if err != nil || n < 0 {
		return
	}
	var names []string
	switch r.get("arch") {
	case "c000003e":
		names = syscallsX86
	case "c00000b7":
		names = syscallsArm
	}
	if n < len(names) && names[n] != "-" {
		r.fields = append(r.fields, holdfast.Field{Name: "SYSCALL", Text: names[n]})
	}
}

// address reads saddr: family, port and address as the kernel has them
// (sockaddr_in, sockaddr_in6 of a little-endian machine).
func (r *record) address() {
	b, err := hex.DecodeString(r.get("saddr"))
	if err != nil || len(b) < 8 {
		return
	}
	var ip netip.Addr
	switch {
	case b[0] == 2 && b[1] == 0:
		ip = netip.AddrFrom4([4]byte(b[4:8]))
	case b[0] == 10 && b[1] == 0 && len(b) >= 24:
		ip = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	default:
		return
	}
	r.fields = append(
		r.fields,
		holdfast.Field{Name: "laddr_ip", Text: ip.String()},
		holdfast.Field{Name: "laddr_port", Text: strconv.Itoa(int(b[2])<<8 | int(b[3])), Kind: holdfast.Number},
	)
}

// together makes one event of records, of which the first is of the type SYSCALL.
func together(records []record) parser.Parsed {
	var call, args, parent, cwd, title, sock *record
	var made *record
	for i := range records {
		r := &records[i]
		switch r.kind {
		case "SYSCALL":
			call = r
		case "EXECVE":
			args = r
		case "PARENT":
			parent = r
		case "CWD":
			cwd = r
		case "PROCTITLE":
			title = r
		case "SOCKADDR":
			sock = r
		case "PATH":
			if r.get("nametype") == "CREATE" {
				made = r
			}
		}
	}
	out := parser.Parsed{Time: records[0].time, Host: records[0].node, Dataset: "linux.auditd.event"}
	f := parser.Add(nil, "node", records[0].node)
	f = parser.Add(f, "serial", records[0].serial)
	if call == nil {
		out.Fields = append(f, holdfast.Field{Name: "type", Text: records[0].kind})
		return out
	}
	f = parser.Add(f, "Image", call.get("exe"))
	command := ""
	switch {
	case args != nil:
		command = args.command()
	case title != nil:
		command = title.get("proctitle")
	}
	f = parser.Add(f, "CommandLine", command)
	if cwd != nil {
		f = parser.Add(f, "CurrentDirectory", cwd.get("cwd"))
	}
	f = parser.Add(f, "User", either(call, "UID", "uid"))
	f = parser.Add(f, "EffectiveUser", either(call, "EUID", "euid"))
	f = parser.Add(f, "LoginUser", either(call, "AUID", "auid"))
	f = parser.AddNumber(f, "LogonId", call.get("ses"))
	f = parser.AddNumber(f, "ProcessId", call.get("pid"))
	f = parser.AddNumber(f, "ParentProcessId", call.get("ppid"))
	if parent != nil {
		f = parser.Add(f, "ParentImage", parent.get("exe"))
		f = parser.Add(f, "ParentCommandLine", parent.get("proctitle"))
	}
	for _, name := range []string{"comm", "tty", "SYSCALL", "success", "exit"} {
		f = parser.Add(f, name, call.get(name))
	}
	for i := range call.fields {
		if call.fields[i].Name == "key" && len(f) < parser.MaxFields-4 {
			f = append(f, call.fields[i])
		}
	}
	well := call.get("success") != "no"
	name := call.get("SYSCALL")
	switch {
	case args != nil && well:
		out.Dataset = "linux.process_creation"
	case made != nil && well:
		out.Dataset = "linux.file_event"
		target := made.get("name")
		if cwd != nil && target != "" && !strings.HasPrefix(target, "/") {
			target = strings.TrimSuffix(cwd.get("cwd"), "/") + "/" + strings.TrimPrefix(target, "./")
		}
		f = parser.Add(f, "TargetFilename", target)
	case sock != nil && sock.get("laddr_ip") != "" && (name == "connect" || name == "accept" || name == "accept4"):
		out.Dataset = "linux.network_connection"
		outward := holdfast.Field{Name: "Initiated", Text: "true", Kind: holdfast.Bool}
		if name == "connect" {
			f = parser.Add(f, "DestinationIp", sock.get("laddr_ip"))
			f = parser.AddNumber(f, "DestinationPort", sock.get("laddr_port"))
		} else {
			outward.Text = "false"
			f = parser.Add(f, "SourceIp", sock.get("laddr_ip"))
			f = parser.AddNumber(f, "SourcePort", sock.get("laddr_port"))
		}
		f = append(f, outward)
	}
	out.Fields = f
	return out
}

// either returns the name that an enriched log gives, else the number.
func either(r *record, name, number string) string {
	if v := r.get(name); v != "" {
		return v
	}
	return r.get(number)
}

// command joins the arguments by blanks.
func (r *record) command() string {
	type arg struct {
		index int
		text  string
	}
	var args []arg
	for i := range r.fields {
		if n, piece, ok := argument(r.fields[i].Name); ok && piece < 0 {
			args = append(args, arg{n, r.fields[i].Text})
		}
	}
	sort.SliceStable(args, func(i, j int) bool { return args[i].index < args[j].index })
	words := make([]string, len(args))
	for i := range args {
		words[i] = args[i].text
	}
	return strings.Join(words, " ")
}
