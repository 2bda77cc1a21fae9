// Package logline reads the head that syslog puts before a program's message:
// RFC 5424, and the dialects of RFC 3164 that are found in files and on the
// wire, with and without priority, those of network devices among them. What
// the message says is left to the parsers of the programs.
package logline

import (
	"errors"
	"strings"
	"time"
)

const bom = "\ufeff"

// ErrNone says that the bytes carry no such head. Any other error of Read is a
// head that is damaged.
var ErrNone = errors.New("no syslog head")

// Line is one line, taken apart.
type Line struct {
	Time     time.Time // zero if it has none
	Facility string    // RFC 5427 keyword, "" if there was no priority
	Severity string
	Host     string
	Program  string
	PID      string
	MsgID    string
	Data     []Param // RFC 5424 structured data, in order
	Message  string
	// Note says that the time is a guess that may be far off, and why; or that
	// there is none because the sender's clock is not set.
	Note string
}

// Param is one parameter of an element of structured data. An element without
// parameters stands as one Param without Name.
type Param struct{ Element, Name, Value string }

// Read takes a line apart. The year and the zone that a clock lacks come from
// received: the zone of that time, and the year that puts the line nearest
// before it.
func Read(s string, received time.Time) (Line, error) {
	s = strings.TrimPrefix(strings.TrimRight(s, "\r\n\x00"), bom)
	var l Line
	rest, pri, ok := cutPriority(s)
	if !ok {
		return l, readOld(&l, s, received)
	}
	l.Facility, l.Severity = facility(pri>>3), severity(pri&7)
	rest = strings.TrimPrefix(rest, bom)
	if body, ok := cutVersion(rest); ok {
		return l, readNew(&l, body, received)
	}
	if len(rest) > 12 && rest[:2] == "1 " { // Meraki: a version, and seconds since 1970
		if t, after, ok := cutEpoch(rest[2:]); ok {
			l.Time = t
			readBody(&l, after)
			return l, nil
		}
	}
	if err := readOld(&l, strings.TrimLeft(rest, " "), received); err != nil {
		// RFC 3164, 4.3.3: with a priority, whatever follows is the message.
		cutTag(&l, rest)
	}
	return l, nil
}

// cutPriority reads "<0>" to "<191>" (RFC 3164, 4.1.1).
func cutPriority(s string) (rest string, pri int, ok bool) {
	if len(s) < 3 || s[0] != '<' {
		return s, 0, false
	}
	end := strings.IndexByte(s[:min(5, len(s))], '>')
	if end < 2 {
		return s, 0, false
	}
	n, ok := number(s[1:end])
	if !ok || n > 191 || (s[1] == '0' && end > 2) {
		return s, 0, false
	}
	return s[end+1:], n, true
}

// readOld reads a clock, an optional host and a tag (RFC 3164, 4.1.2 and
// 4.1.3, and what rsyslog and syslog-ng write).
func readOld(l *Line, s string, received time.Time) error {
	t, note, rest, ok := Clock(s, received)
	if !ok {
		if s != "" && strings.IndexByte("*.%:0123456789", s[0]) >= 0 || strings.Contains(s[:min(len(s), 280)], ": ") {
			if cutCisco(l, s, received) {
				return nil
			}
		}
		return ErrNone
	}
	l.Time, l.Note = t, note
	readBody(l, rest)
	return nil
}

// readBody reads an optional host, a tag and the message.
func readBody(l *Line, rest string) {
	rest = strings.TrimPrefix(rest, ": ") // ASA puts it behind a clock with a zone
	first, after, more := strings.Cut(rest, " ")
	if !more {
		l.Message = rest
		return
	}
	// What AIX passes on names its host in a sentence.
	if on, ok := strings.CutPrefix(rest, "Message forwarded from "); ok {
		if host, body, ok := strings.Cut(on, ": "); ok && isHost(host) {
			l.Host = host
			cutTag(l, body)
			return
		}
	}
	// A line made on the host itself names no host: its first word is the tag.
	if l.Host != "" || !isHost(first) {
		cutTag(l, rest)
		return
	}
	l.Host = first
	if n := digits(after); n > 0 && strings.HasPrefix(after[n:], ": ") { // what another daemon put its head before
		if i := strings.Index(after[:min(len(after), 100)], ": %"); i >= 0 && isCode(after[i+2:]) {
			after = after[i+2:]
		}
	}
	if level, body, ok := strings.Cut(after, " "); ok && isSeverity(level) { // BIG-IP puts it before the tag
		with := *l
		if cutTag(&with, body); with.Program != "" {
			if with.Severity == "" {
				with.Severity = level
			}
			*l = with
			return
		}
	}
	cutTag(l, after)
}

// isHost tells a host's name or address from a tag. Tags end in ':' or carry a
// process id; an IPv6 address ends in neither.
func isHost(s string) bool {
	return s != "" && !strings.HasSuffix(s, ":") && !strings.ContainsAny(s, "[]()<>=|%\"")
}

// cutTag reads "program[pid]: " or "program: "; without one, all is message.
func cutTag(l *Line, s string) {
	if code := strings.TrimPrefix(s, ": "); isCode(code) {
		cutCode(l, code)
		return
	}
	end := strings.IndexAny(s[:min(len(s), 160)], ":[ ")
	if end <= 0 || s[end] == ' ' {
		l.Message = strings.TrimPrefix(s, " ")
		return
	}
	program, rest, pid := s[:end], s[end:], ""
	if strings.Contains(program, "(") && !strings.Contains(program, ")") { // a clock that WatchGuard puts there
		l.Message = s
		return
	}
	if rest[0] == '[' {
		close := strings.IndexByte(rest[:min(len(rest), 64)], ']')
		if close < 0 || strings.ContainsAny(rest[1:close], " ") {
			l.Message = s
			return
		}
		pid, rest = rest[1:close], rest[close+1:]
	}
	if !strings.HasPrefix(rest, ":") {
		l.Message = s
		return
	}
	l.Program, l.PID = program, pid
	l.Message = strings.TrimPrefix(rest[1:], " ")
	if model, more, ok := strings.Cut(program, ","); ok && pid == "" { // UniFi: "U7PG2,788a2056b181,v4.0.66: hostapd: …"
		address, _, _ := strings.Cut(more, ",")
		with := Line{}
		if cutTag(&with, l.Message); with.Program != "" && !strings.Contains(with.Program, ",") {
			l.Program, l.PID, l.Message = with.Program, with.PID, with.Message
			if l.Host == "" {
				l.Host = model + "," + address
			}
		}
	}
}

func number(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// facility gives the keyword of RFC 5427, section 3.
func facility(n int) string {
	return [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
		"authpriv", "ftp", "ntp", "audit", "console", "cron2",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}[n]
}

// severity gives the keyword of RFC 5427, section 3.
func severity(n int) string {
	return [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}[n]
}

func isSeverity(s string) bool {
	for n := range 8 {
		if s == severity(n) {
			return true
		}
	}
	return false
}

// Facility and Severity give the keywords for numbers that came by another way
// than a priority, "" for numbers that mean nothing.
func Facility(n int) string {
	if n < 0 || n > 23 {
		return ""
	}
	return facility(n)
}

// Severity is Facility's sibling.
func Severity(n int) string {
	if n < 0 || n > 7 {
		return ""
	}
	return severity(n)
}
