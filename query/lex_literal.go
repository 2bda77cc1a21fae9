package query

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// startsText tells whether a text in quotes stands here: "…", '…', with @ before
// it where a backslash is one, with h before that where Kusto is to hide it.
func (l *lexer) startsText() bool {
	rest := l.s[l.pos:]
	if rest[0] == 'h' || rest[0] == 'H' {
		rest = rest[1:]
	}
	rest = strings.TrimPrefix(rest, "@")
	return strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "'")
}

func (l *lexer) text() (token, error) {
	start := l.pos
	if l.s[l.pos] == 'h' || l.s[l.pos] == 'H' { // hidden from Kusto's logs
		l.pos++
	}
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
		case c == quote && verbatim && strings.HasPrefix(l.s[l.pos+1:], string(quote)):
			b.WriteByte(quote)
			l.pos += 2
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
			case 'x', 'u', 'U':
				if err := l.coded(&b, map[byte]int{'x': 2, 'u': 4, 'U': 8}[e]); err != nil {
					return token{}, err
				}
				continue
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

// coded reads the character that stands as so many digits after \x, \u or \U.
func (l *lexer) coded(b *strings.Builder, digits int) error {
	end := min(l.pos+2+digits, len(l.s))
	n, err := strconv.ParseUint(l.s[l.pos+2:end], 16, 32)
	if err != nil || end-l.pos-2 < digits || !utf8.ValidRune(rune(n)) {
		return &Error{Pos: l.pos, Len: end - l.pos, What: fmt.Sprintf("this is no character: %d hexadecimal digits follow", digits), Suggest: `write \\ for a backslash, or @"…" for a text without escapes`}
	}
	b.WriteRune(rune(n))
	l.pos = end
	return nil
}

var units = map[string]time.Duration{
	"microsecond": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour,
	"microseconds": time.Microsecond, "millisecond": time.Millisecond, "milliseconds": time.Millisecond, "sec": time.Second, "second": time.Second,
	"seconds": time.Second, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"day": 24 * time.Hour, "days": 24 * time.Hour,
}

var (
	hexadecimal = regexp.MustCompile(`^0[xX][0-9a-fA-F]+\b`)
	scientific  = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+\b`)
)

func (l *lexer) number() (token, error) {
	start := l.pos
	if hex := hexadecimal.FindString(l.s[l.pos:]); hex != "" {
		l.pos += len(hex)
		n, err := strconv.ParseInt(hex[2:], 16, 64)
		if err != nil {
			return token{}, &Error{Pos: start, Len: len(hex), What: "this number is too large"}
		}
		return token{kind: tokNumber, text: strconv.FormatInt(n, 10), pos: start, end: l.pos}, nil
	}
	if sci := scientific.FindString(l.s[l.pos:]); sci != "" {
		l.pos += len(sci)
		f, err := strconv.ParseFloat(sci, 64)
		text := strconv.FormatFloat(f, 'f', -1, 64)
		if err != nil || len(text) > 40 {
			return token{}, &Error{Pos: start, Len: len(sci), What: "this number is too large or too small"}
		}
		return token{kind: tokNumber, text: text, pos: start, end: l.pos}, nil
	}
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
