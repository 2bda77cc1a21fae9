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
	"==", "!=", "=~", "!~", "<=", ">=", "..", ".", "|", ":", "(", ")", "[", "]", ",", "<", ">", "=", "+", "-", "*", "/", "%", ";",
}

func (l *lexer) next() (token, error) {
	l.blank()
	if l.pos >= len(l.s) {
		return token{kind: tokEnd, pos: l.pos, end: l.pos}, nil
	}
	start := l.pos
	c := l.s[start]
	switch {
	case l.startsText():
		return l.text()
	case c >= '0' && c <= '9':
		return l.number()
	case c == '!' && start+1 < len(l.s) && wordStart(rune(l.s[start+1])):
		l.pos++
		w := l.operator()
		return token{kind: tokWord, text: "!" + w, pos: start, end: l.pos}, nil
	}
	if r, _ := utf8.DecodeRuneInString(l.s[start:]); wordStart(r) {
		w := l.operator()
		return token{kind: tokWord, text: w, pos: start, end: l.pos}, nil
	}
	for _, s := range signs {
		if strings.HasPrefix(l.s[start:], s) {
			l.pos += len(s)
			return token{kind: tokSign, text: s, pos: start, end: l.pos}, nil
		}
	}
	r, size := utf8.DecodeRuneInString(l.s[start:])
	fault := &Error{Pos: start, Len: size, What: fmt.Sprintf("the character %q has no meaning here", r)}
	if r == '&' {
		fault.Suggest = "to ask for both write and"
	}
	return token{}, fault
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

// operator reads a name, or in~.
func (l *lexer) operator() string {
	w := l.word()
	if strings.EqualFold(w, "in") && strings.HasPrefix(l.s[l.pos:], "~") {
		l.pos++
		w += "~"
	}
	return w
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
