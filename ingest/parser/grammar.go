package parser

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/logline"
)

// Grammar reads the messages of some programs, whichever way they came: by
// syslog, from a file, or from the journal.
type Grammar struct {
	Programs []string // as they name themselves to syslog
	// Read returns the fields of one message and its dataset. It knows every
	// message: what it cannot take apart is of action "other".
	Read func(program, message string) (dataset string, fields []holdfast.Field)
}

// Knows reports whether program is one of the grammar's.
func (g Grammar) Knows(program string) bool { return slices.Contains(g.Programs, program) }

// Said is what a program said, with what the way it came knows about it.
type Said struct {
	Program, PID, Host string
	Facility, Severity string
	Message            string
}

// Fields returns the fields that all such records share, then those of the
// grammar. A message that the daemon folded ("message repeated 3 times: [ … ]")
// is read as itself, with the count in "repeated".
func (g Grammar) Fields(s Said) (dataset string, fields []holdfast.Field) {
	message, times := unfold(s.Message)
	dataset, own := g.Read(s.Program, message)
	return dataset, append(Shared(s, message, times), own...)
}

// Shared returns the fields of any record that a program gave to syslog or the
// journal: program, pid, hostname, facility and severity when known, message.
func Shared(s Said, message string, times int) []holdfast.Field {
	fields := make([]holdfast.Field, 0, 16)
	fields = Add(fields, "program", s.Program)
	if _, err := strconv.ParseUint(s.PID, 10, 32); err == nil {
		fields = AddNumber(fields, "pid", s.PID)
	} else {
		fields = Add(fields, "pid", s.PID)
	}
	fields = Add(fields, "hostname", s.Host)
	fields = Add(fields, "facility", s.Facility)
	fields = Add(fields, "severity", s.Severity)
	if times > 1 {
		fields = AddNumber(fields, "repeated", strconv.Itoa(times))
	}
	return append(fields, holdfast.Field{Name: "message", Text: message})
}

// Add appends a text field, unless it is empty.
func Add(fields []holdfast.Field, name, text string) []holdfast.Field {
	if text == "" {
		return fields
	}
	return append(fields, holdfast.Field{Name: name, Text: text})
}

// AddNumber is Add for a number.
func AddNumber(fields []holdfast.Field, name, text string) []holdfast.Field {
	if text == "" {
		return fields
	}
	return append(fields, holdfast.Field{Name: name, Text: text, Kind: holdfast.Number})
}

// unfold opens what rsyslog's $RepeatedMsgReduction makes of equal messages.
func unfold(message string) (string, int) {
	rest, ok := strings.CutPrefix(message, "message repeated ")
	if !ok {
		return message, 1
	}
	count, rest, ok := strings.Cut(rest, " times: [")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 || !strings.HasSuffix(rest, "]") {
		return message, 1
	}
	return strings.TrimSpace(rest[:len(rest)-1]), n
}

// FromSyslog makes a Parse of a grammar: it reads the head of the line and
// leaves lines of other programs to other parsers.
func FromSyslog(g Grammar) func(raw []byte, hint Hint) (Parsed, error) {
	return func(raw []byte, hint Hint) (Parsed, error) {
		if len(raw) == 0 || raw[0] == '{' {
			return Parsed{}, ErrOther
		}
		l, err := logline.Read(string(raw), hint.Received)
		if err != nil || !g.Knows(l.Program) {
			return Parsed{}, ErrOther // a damaged head is the generic parser's to report
		}
		dataset, fields := g.Fields(SaidBy(l))
		if fields, err = WithData(fields, l.Data); err != nil {
			return Parsed{}, err
		}
		return Parsed{Time: l.Time, Host: l.Host, Dataset: dataset, Fields: fields, Trouble: l.Note}, nil
	}
}

// SaidBy takes what a line says about its program.
func SaidBy(l logline.Line) Said {
	return Said{
		Program: l.Program, PID: l.PID, Host: l.Host, Facility: l.Facility, Severity: l.Severity,
		Message: strings.TrimLeft(l.Message, " "),
	}
}

// WithData appends structured data as fields "sd.ELEMENT.NAME".
func WithData(fields []holdfast.Field, data []logline.Param) ([]holdfast.Field, error) {
	for _, p := range data {
		name := "sd." + p.Element
		if p.Name != "" {
			name += "." + p.Name
		}
		if len(name) > MaxName {
			return nil, fmt.Errorf("a field's name has %d bytes, %d are allowed", len(name), MaxName)
		}
		fields = append(fields, holdfast.Field{Name: name, Text: p.Value})
	}
	if len(fields) > MaxFields {
		return nil, errors.New("too many fields")
	}
	return fields, nil
}

// Micros reads a count of microseconds since 1970, as the journal keeps time.
func Micros(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMicro(n).UTC(), true
}
