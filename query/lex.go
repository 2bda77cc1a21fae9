package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	tokEnd kind = iota
	tokWord
	tokText
	tokNumber
	tokSpan
	tokSign
)

type token struct {
	kind kind
	text string // the word, the decoded string, the number, the sign
	dur  time.Duration
	pos  int
	end  int
}

func (t token) String() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// lexer reads KQL tokens.
type lexer struct {
	s   string
	pos int
}

var signs = []string{
	"==", "!=", "=~", "!~", "<=", ">=", "..", "|", ":", "(", ")", "[", "]", ",", "<", ">", "=", "+", "-", "*", "/", "%", ";",
}

func (l *lexer) next() (token, error) {
	l.blank()
	if l.pos >= len(l.s) {
		return token{kind: tokEnd, pos: l.pos, end: l.pos}, nil
	}
	start := l.pos
	c := l.s[start]
	switch {
	case c == '"' || c == '\'' || c == '@' && start+1 < len(l.s) && (l.s[start+1] == '"' || l.s[start+1] == '\''):
		return l.text()
	case c >= '0' && c <= '9':
		return l.number()
	case c == '!' && start+1 < len(l.s) && wordStart(rune(l.s[start+1])):
		l.pos++
		w := l.word()
		return token{kind: tokWord, text: "!" + w, pos: start, end: l.pos}, nil
	}
	if r, _ := utf8.DecodeRuneInString(l.s[start:]); wordStart(r) {
		w := l.word()
		if strings.HasPrefix(l.s[l.pos:], "~") && (w == "in") {
			l.pos++
			w += "~"
		}
		return token{kind: tokWord, text: w, pos: start, end: l.pos}, nil
	}
	for _, s := range signs {
		if strings.HasPrefix(l.s[start:], s) {
			l.pos += len(s)
			return token{kind: tokSign, text: s, pos: start, end: l.pos}, nil
		}
	}
	r, size := utf8.DecodeRuneInString(l.s[start:])
	return token{}, &Error{Pos: start, Len: size, What: fmt.Sprintf("the character %q has no meaning here", r)}
}

func (l *lexer) blank() {
	for l.pos < len(l.s) {
		if strings.HasPrefix(l.s[l.pos:], "//") {
			if i := strings.IndexByte(l.s[l.pos:], '\n'); i >= 0 {
				l.pos += i + 1
				continue
			}
			l.pos = len(l.s)
			return
		}
		r, size := utf8.DecodeRuneInString(l.s[l.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		l.pos += size
	}
}

func wordStart(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) && r != utf8.RuneError
}

// word reads a name; dots join nested names, so source.ip is one word.
func (l *lexer) word() string {
	start := l.pos
	for l.pos < len(l.s) {
		r, size := utf8.DecodeRuneInString(l.s[l.pos:])
		if wordStart(r) || unicode.IsDigit(r) {
			l.pos += size
			continue
		}
		if r == '.' && l.pos+1 < len(l.s) {
			if after, _ := utf8.DecodeRuneInString(l.s[l.pos+1:]); wordStart(after) || unicode.IsDigit(after) {
				l.pos++
				continue
			}
		}
		break
	}
	return l.s[start:l.pos]
}

func (l *lexer) text() (token, error) {
	start := l.pos
	verbatim := l.s[l.pos] == '@'
	if verbatim {
		l.pos++
	}
	quote := l.s[l.pos]
	l.pos++
	var b strings.Builder
	for l.pos < len(l.s) {
		c := l.s[l.pos]
		switch {
		case c == quote:
			l.pos++
			return token{kind: tokText, text: b.String(), pos: start, end: l.pos}, nil
		case c == '\\' && !verbatim:
			if l.pos+1 >= len(l.s) {
				l.pos++
				continue
			}
			switch e := l.s[l.pos+1]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '\\', '"', '\'':
				b.WriteByte(e)
			default:
				return token{}, &Error{
					Pos: l.pos, Len: 2, What: fmt.Sprintf(`\%c is no escape`, e),
					Suggest: `write \\ for a backslash, or @"…" for a text without escapes`,
				}
			}
			l.pos += 2
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return token{}, &Error{Pos: start, Len: len(l.s) - start, What: "this text has no closing " + string(quote)}
}

var units = map[string]time.Duration{
	"microsecond": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour,
	"microseconds": time.Microsecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond, "sec": time.Second, "second": time.Second,
	"seconds": time.Second, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"day": 24 * time.Hour, "days": 24 * time.Hour,
}

func (l *lexer) number() (token, error) {
	start := l.pos
	for l.pos < len(l.s) && (l.s[l.pos] >= '0' && l.s[l.pos] <= '9' || l.s[l.pos] == '.' && l.pos+1 < len(l.s) && l.s[l.pos+1] >= '0' && l.s[l.pos+1] <= '9') {
		l.pos++
	}
	num := l.s[start:l.pos]
	unitAt := l.pos
	for l.pos < len(l.s) && (l.s[l.pos] >= 'a' && l.s[l.pos] <= 'z' || l.s[l.pos] >= 'A' && l.s[l.pos] <= 'Z') {
		l.pos++
	}
	unit := l.s[unitAt:l.pos]
	f, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return token{}, &Error{Pos: start, Len: l.pos - start, What: fmt.Sprintf("%q is no number", num), Suggest: "put an address or version in quotes"}
	}
	if unit == "" {
		return token{kind: tokNumber, text: num, pos: start, end: l.pos}, nil
	}
	u, ok := units[unit]
	if !ok {
		return token{}, &Error{Pos: unitAt, Len: len(unit), What: fmt.Sprintf("%q is no unit of time", unit), Suggest: "use ms, s, m, h or d; put other values in quotes"}
	}
	if f*float64(u) > float64(1<<62) {
		return token{}, &Error{Pos: start, Len: l.pos - start, What: "this duration is too long"}
	}
	return token{kind: tokSpan, text: l.s[start:l.pos], dur: time.Duration(f * float64(u)), pos: start, end: l.pos}, nil
}
