package sigma

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TokenKind is what one token of a pattern matches.
type TokenKind uint8

// The kinds of token. Dash stands where windash put one: any of the dashes and
// slashes that Windows programs take for one.
const (
	Literal TokenKind = iota
	Any               // "*": any run of characters, also none
	One               // "?": exactly one character
	Dash
)

// Dashes are what a Dash token matches.
const Dashes = "-/–—―"

// Token is one part of a pattern.
type Token struct {
	Kind TokenKind
	Text string // Literal
}

// Pattern is a text with wildcards. Two literals never stand side by side, nor
// two Any. An empty pattern matches the empty text.
type Pattern []Token

// ParsePattern reads wildcards and escapes (specification 2.1, "escaping"): a
// backslash escapes *, ? and itself, and is itself before anything else.
func ParsePattern(s string) Pattern {
	var p Pattern
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			p = append(p, Token{Literal, lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '*' || s[i+1] == '?'):
			i++
			lit.WriteByte(s[i])
		case c == '*':
			flush()
			if len(p) == 0 || p[len(p)-1].Kind != Any {
				p = append(p, Token{Kind: Any})
			}
		case c == '?':
			flush()
			p = append(p, Token{Kind: One})
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return p
}

// LiteralPattern is a pattern without wildcards.
func LiteralPattern(s string) Pattern {
	if s == "" {
		return nil
	}
	return Pattern{{Literal, s}}
}

// Plain returns the text of a pattern that has no wildcards.
func (p Pattern) Plain() (string, bool) {
	switch {
	case len(p) == 0:
		return "", true
	case len(p) == 1 && p[0].Kind == Literal:
		return p[0].Text, true
	}
	return "", false
}

// withDashes replaces each dash or slash that opens a word after something that
// is no word by a Dash.
func (p Pattern) withDashes() Pattern {
	var out Pattern
	for _, t := range p {
		if t.Kind != Literal {
			out = append(out, t)
			continue
		}
		start := 0
		for i, c := range t.Text {
			if !strings.ContainsRune(Dashes, c) {
				continue
			}
			size := utf8.RuneLen(c)
			before, _ := utf8.DecodeLastRuneInString(t.Text[:i])
			after, n := utf8.DecodeRuneInString(t.Text[i+size:])
			if i > 0 && isWord(before) || n == 0 || !isWord(after) {
				continue
			}
			if start < i {
				out = append(out, Token{Literal, t.Text[start:i]})
			}
			out = append(out, Token{Kind: Dash})
			start = i + size
		}
		if start < len(t.Text) {
			out = append(out, Token{Literal, t.Text[start:]})
		}
	}
	return out
}

// dashed writes Dashes out: one pattern for each way to write all of them.
func (p Pattern) dashed() ([]Pattern, error) {
	out := []Pattern{nil}
	for _, t := range p {
		var next []Pattern
		for _, head := range out {
			if t.Kind != Dash {
				next = append(next, head.with(t))
				continue
			}
			for _, c := range Dashes {
				next = append(next, head.with(Token{Literal, string(c)}))
			}
		}
		if out = next; len(out) > maxExpanded {
			return nil, fmt.Errorf("the dashes of a value can be written in more than %d ways", maxExpanded)
		}
	}
	return out, nil
}

// with returns the pattern with one more token, literals joined.
func (p Pattern) with(t Token) Pattern {
	out := slices.Clone(p)
	if last := len(out) - 1; t.Kind == Literal && last >= 0 && out[last].Kind == Literal {
		out[last].Text += t.Text
		return out
	}
	return append(out, t)
}

func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
