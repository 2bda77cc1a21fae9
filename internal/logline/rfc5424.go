package logline

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxData bounds the parameters of structured data in one line.
const maxData = 1000

// errHead is a damaged RFC 5424 head.
var errHead = errors.New("damaged RFC 5424 head")

// cutVersion reads "1 " when a clock or "-" follows (RFC 5424, 6.2.2 and
// 6.2.3), which no other dialect has.
func cutVersion(s string) (rest string, ok bool) {
	if len(s) < 4 || s[0] != '1' || s[1] != ' ' {
		return s, false
	}
	s = s[2:]
	if s[0] == '-' {
		return s, len(s) > 1 && s[1] == ' '
	}
	return s, len(s) > 5 && s[0] >= '0' && s[0] <= '9' && s[4] == '-'
}

// readNew reads what follows the version (RFC 5424, section 6). A library is
// not used because the one at hand keeps structured data in a map, which loses
// its order and its repeated parameters (6.3.3 allows them).
func readNew(l *Line, s string, received time.Time) error {
	if len(s) > 19 && s[4] == '-' && s[7] == '-' && s[10] == ' ' && s[13] == ':' { // Check Point puts a blank where the T should be
		s = s[:10] + "T" + s[11:]
	}
	var word [5]string
	for i, what := range [...]string{"timestamp", "hostname", "app-name", "procid", "msgid"} {
		w, rest, ok := strings.Cut(s, " ")
		if !ok || w == "" {
			return fmt.Errorf("%w: it ends at the %s", errHead, what)
		}
		if w != "-" {
			word[i] = w
		}
		s = rest
	}
	if word[0] != "" {
		t, note, rest, ok := cutISO(word[0], received) // the zone is often missing, or without its colon
		if !ok || rest != "" {
			return fmt.Errorf("%w: the timestamp is not RFC 3339", errHead)
		}
		l.Time, l.Note = t, note
	}
	l.Host, l.Program, l.PID, l.MsgID = word[1], word[2], word[3], word[4]
	rest, err := l.readData(s)
	if err != nil {
		// A datagram that was cut off, or a sender that has its own idea of what
		// stands here: the head is whole, and what follows it is the message.
		l.Data, rest = nil, strings.TrimPrefix(s, "- ")
	}
	rest = strings.TrimPrefix(rest, " ")
	l.Message = strings.TrimPrefix(rest, bom)
	return nil
}

// readData reads STRUCTURED-DATA (RFC 5424, 6.3).
func (l *Line) readData(s string) (string, error) {
	if s == "-" || strings.HasPrefix(s, "- ") {
		return s[1:], nil
	}
	if !strings.HasPrefix(s, "[") {
		return "", fmt.Errorf("%w: no structured data", errHead)
	}
	for strings.HasPrefix(s, "[") {
		end := strings.IndexAny(s, " ]")
		if end < 2 {
			return "", fmt.Errorf("%w: an element without a name or an end", errHead)
		}
		element := s[1:end]
		s = s[end:]
		none := true
		for strings.HasPrefix(s, " ") {
			if len(l.Data) >= maxData {
				return "", fmt.Errorf("%w: more than %d parameters", errHead, maxData)
			}
			name, rest, ok := strings.Cut(s[1:], `="`)
			if !ok || name == "" || strings.ContainsAny(name, ` ]"=`) {
				return "", fmt.Errorf("%w: a parameter without a value", errHead)
			}
			value, rest, ok := CutValue(rest)
			if !ok {
				return "", fmt.Errorf("%w: a value without an end", errHead)
			}
			l.Data = append(l.Data, Param{element, name, value})
			s, none = rest, false
		}
		if !strings.HasPrefix(s, "]") {
			return "", fmt.Errorf("%w: an element without an end", errHead)
		}
		s = s[1:]
		if none {
			l.Data = append(l.Data, Param{Element: element})
		}
	}
	if s != "" && s[0] != ' ' {
		return "", fmt.Errorf("%w: text on the heels of the structured data", errHead)
	}
	return s, nil
}

// CutValue reads a value of structured data (RFC 5424, 6.3.3), whose opening quote has
// been read, up to its closing one: a backslash escapes '"', '\' and ']' and is itself
// before anything else.
func CutValue(s string) (value, rest string, ok bool) {
	end := strings.IndexAny(s, `"\`)
	if end >= 0 && s[end] == '"' {
		return s[:end], s[end+1:], true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`"\]`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
