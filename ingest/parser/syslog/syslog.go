// Package syslog reads any syslog line by its head: RFC 5424 and the dialects
// of RFC 3164. The message stays one field; programs that have a parser of
// their own are left to it.
package syslog

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/logline"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:        "syslog",
		Title:       "Syslog",
		Description: "Lines of any program, as syslog daemons write them to files and send them; the message is kept whole.",
		References:  []string{"RFC 5424, section 6", "RFC 3164, section 4", "RFC 5427, section 3"},
		Datasets:    []holdfast.Dataset{Dataset()},
		Form:        parser.Line,
		Parse:       parse,
	}
}

// Dataset is syslog.
func Dataset() holdfast.Dataset {
	return holdfast.Dataset{
		Name:      "syslog",
		Title:     "Syslog",
		Logsource: holdfast.Logsource{Product: "linux", Service: "syslog"},
		ECS: map[string]string{
			"hostname": holdfast.EntityHost, "program": holdfast.EntityProcess, "pid": "process.pid",
			"facility": "log.syslog.facility.name", "severity": "log.syslog.severity.name", "message": "message",
		},
	}
}

func parse(raw []byte, hint parser.Hint) (parser.Parsed, error) {
	if len(raw) == 0 || raw[0] == '{' {
		return parser.Parsed{}, parser.ErrOther
	}
	l, err := logline.Read(string(raw), hint.Received)
	switch {
	case errors.Is(err, logline.ErrNone):
		// On a syslog port all that is text counts (RFC 3164, 4.3.3), except
		// what is plainly another kind of record.
		if !strings.HasPrefix(hint.Source, "syslog:") || !utf8.Valid(raw) {
			return parser.Parsed{}, parser.ErrOther
		}
		l = logline.Line{Message: strings.TrimRight(string(raw), "\r\n\x00")}
	case err != nil:
		return parser.Parsed{}, err
	}
	said := parser.SaidBy(l)
	fields := parser.Shared(said, said.Message, 1)
	fields = parser.Add(fields, "msgid", l.MsgID)
	if fields, err = parser.WithData(fields, l.Data); err != nil {
		return parser.Parsed{}, fmt.Errorf("structured data: %w", err)
	}
	return parser.Parsed{Time: l.Time, Host: l.Host, Dataset: "syslog", Fields: fields, Trouble: l.Note}, nil
}
