package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast/detect/sigma"
)

func foldUnicode(s string) string {
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		var n int
		b, n = appendFolded(b, s[i:])
		i += n
	}
	return string(b)
}

// appendFolded appends the first character of s, folded, and returns its size.
// A byte that is no UTF-8 stays as it is.
func appendFolded(b []byte, s string) ([]byte, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		return append(b, s[0]), 1
	}
	if r = unicode.ToLower(r); r == 'ſ' {
		r = 's' // Unicode, CaseFolding.txt
	}
	return utf8.AppendRune(b, r), n
}

// match reports whether the whole of s fits, folded by the caller if need be.
func (g *glob) match(s string) bool {
	if g.plain {
		switch {
		case g.openLeft && g.openRight:
			return strings.Contains(s, g.literal)
		case g.openLeft:
			return strings.HasSuffix(s, g.literal)
		case g.openRight:
			return strings.HasPrefix(s, g.literal)
		}
		return s == g.literal
	}
	parts := g.parts
	at := 0
	if !g.openLeft {
		at = matchPart(parts[0], s, 0)
		if at < 0 {
			return false
		}
		if len(parts) == 1 {
			return g.openRight || at == len(s)
		}
		parts = parts[1:]
	}
	last := len(parts)
	if !g.openRight {
		last--
	}
	for _, part := range parts[:last] {
		if at = findPart(part, s, at); at < 0 {
			return false
		}
	}
	if g.openRight {
		return true
	}
	for start := at; start <= len(s); start++ {
		if matchPart(parts[last], s, start) == len(s) && boundary(s, start) {
			return true
		}
	}
	return false
}

// findPart returns the end of the first place at or after at where part fits.
func findPart(part []sigma.Token, s string, at int) int {
	for start := at; start <= len(s); start++ {
		if part[0].Kind == sigma.Literal {
			i := strings.Index(s[start:], part[0].Text)
			if i < 0 {
				return -1
			}
			start += i
		} else if !boundary(s, start) {
			continue
		}
		if end := matchPart(part, s, start); end >= 0 {
			return end
		}
	}
	return -1
}

// boundary reports whether a character begins at i, or the text ends there.
func boundary(s string, i int) bool {
	return i >= len(s) || utf8.RuneStart(s[i]) || !insideRune(s, i)
}

func insideRune(s string, i int) bool {
	for back := 1; back < utf8.UTFMax && i-back >= 0; back++ {
		if utf8.RuneStart(s[i-back]) {
			_, n := utf8.DecodeRuneInString(s[i-back:])
			return n > back
		}
	}
	return false
}

// matchPart returns where part ends if it stands at at, or -1.
func matchPart(part []sigma.Token, s string, at int) int {
	for i := range part {
		rest := s[at:]
		switch part[i].Kind {
		case sigma.Literal:
			if !strings.HasPrefix(rest, part[i].Text) {
				return -1
			}
			at += len(part[i].Text)
		case sigma.One:
			_, n := utf8.DecodeRuneInString(rest)
			if n == 0 {
				return -1
			}
			at += n
		case sigma.Dash:
			r, n := utf8.DecodeRuneInString(rest)
			if n == 0 || !strings.ContainsRune(sigma.Dashes, r) {
				return -1
			}
			at += n
		}
	}
	return at
}
