package frame

import (
	"bytes"
	"slices"
)

const (
	// maxOpen bounds the audit events that wait for their further records, the
	// oldest of which is then taken to be whole; maxRecords and maxBytes bound
	// one of them, what is beyond stands for itself only.
	maxOpen    = 256
	maxRecords = 256
	maxBytes   = 1 << 20
	// maxHeld bounds all that is held, and what is known of programs.
	maxHeld = 4 << 20
	// maxAge is how many lines an event waits that nothing ends.
	maxAge = 2000
)

// audit gives each record of the Linux audit log as it comes, and once all of an
// event are there, those of a process that was started, a file that was made or
// a connection that was opened once more together, a line each. Records of
// several events may be mixed.
type audit struct {
	open  map[string]*auditEvent
	order []string // by the first record
	line  int
	lost  int
	held  int // bytes of open
	// programs are the records that say what a process runs, by its pid as it is
	// written.
	programs *programs
}

// programs are all forgotten when there are maxPrograms, or maxHeld bytes.
type programs struct {
	by    map[string][]byte
	bytes int
}

func (p *programs) put(pid, line []byte) {
	if len(p.by) >= maxPrograms || p.bytes+len(line) > maxHeld {
		clear(p.by)
		p.bytes = 0
	}
	p.bytes += len(pid) + len(line)
	p.by[string(pid)] = line
}

const maxPrograms = 20_000

type auditEvent struct {
	text    []byte
	records int
	first   int // the number of its first line
	worth   bool
}

func newAudit() *audit {
	return &audit{open: map[string]*auditEvent{}, programs: &programs{by: map[string][]byte{}}}
}

func (a *audit) Line(line []byte, emit func([]byte)) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	a.line++
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	emit(line)
	id, kind := serial(line)
	if id == "" {
		return
	}
	e := a.open[id]
	switch kind {
	case "SYSCALL", "EXECVE", "PATH", "CWD", "SOCKADDR", "PROCTITLE", "BPRM_FCAPS", "EOE":
	default:
		return // events of one record
	}
	if e == nil {
		if kind != "SYSCALL" {
			return // its beginning was not seen
		}
		if len(a.order) >= maxOpen {
			a.give(a.order[0], emit)
		}
		e = &auditEvent{first: a.line}
		a.open[id], a.order = e, append(a.order, id)
	}
	switch {
	case kind == "EOE":
		a.give(id, emit)
	case e.records >= maxRecords || len(e.text)+len(line) > maxBytes:
		a.lost++
	default:
		e.records++
		e.worth = e.worth || kind == "EXECVE" || kind == "SOCKADDR" || kind == "PATH" && bytes.Contains(line, []byte("nametype=CREATE"))
		e.text = append(append(e.text, line...), '\n')
		a.held += len(line) + 1
		if kind == "PROCTITLE" { // always the last
			a.give(id, emit)
		}
	}
	for len(a.order) > 0 && (a.held > maxHeld || a.line-a.open[a.order[0]].first > maxAge) {
		a.give(a.order[0], emit)
	}
}

func (a *audit) give(id string, emit func([]byte)) {
	e := a.open[id]
	delete(a.open, id)
	if e != nil {
		a.held -= len(e.text)
	}
	if i := slices.Index(a.order, id); i >= 0 {
		a.order = slices.Delete(a.order, i, i+1)
	}
	if e == nil || !e.worth || e.records < 2 {
		return
	}
	if bytes.Contains(e.text, []byte("type=EXECVE ")) {
		a.parent(e)
	}
	emit(bytes.TrimSuffix(e.text, []byte("\n")))
}

// parent adds a record of the type PARENT, which says what the process that
// started this one runs, as far as that was seen to start; and keeps what this
// one runs.
func (a *audit) parent(e *auditEvent) {
	syscall, rest, _ := bytes.Cut(e.text, []byte("\n"))
	pid, ppid := word(syscall, " pid="), word(syscall, " ppid=")
	exe := word(syscall, " exe=")
	at := bytes.Index(syscall, []byte("msg=audit("))
	end := bytes.IndexByte(syscall, ')')
	if pid == nil || exe == nil || at < 0 || end < at {
		return
	}
	line := append([]byte("type=PARENT "), syscall[at:end]...)
	line = append(append(line, "): exe="...), exe...)
	if title := word(rest, " proctitle="); title != nil && len(title) < 4<<10 {
		line = append(append(line, " proctitle="...), title...)
	}
	known := a.programs.by[string(ppid)]
	a.programs.put(pid, line)
	if len(known) > 0 {
		e.text = append(append(e.text, known...), '\n')
	}
}

// word returns what stands behind a name up to the next blank; a text in quotes
// may hold blanks.
func word(line []byte, name string) []byte {
	i := bytes.Index(line, []byte(name))
	if i < 0 {
		return nil
	}
	w := line[i+len(name):]
	if len(w) > 0 && w[0] == '"' {
		if j := bytes.IndexByte(w[1:], '"'); j >= 0 {
			return w[:j+2]
		}
	}
	if j := bytes.IndexAny(w, " \n\x1d"); j >= 0 {
		w = w[:j]
	}
	return w
}

func (a *audit) End(emit func([]byte)) {
	for len(a.order) > 0 {
		a.give(a.order[0], emit)
	}
}

func (a *audit) Held() int {
	if len(a.order) == 0 {
		return 0
	}
	return a.line - a.open[a.order[0]].first + 1
}

func (a *audit) Faults() []string {
	out := lost(a.lost, "records of audit events that have more than 256 records or 1 MB; they were read for themselves only")
	a.lost = 0
	return out
}
