package lsp

import (
	"strings"
	"unicode/utf8"
)

// Position is a place in a text: the line and the character in it, both from 0.
// Characters are counted in units of UTF-16, or in bytes where the editor would
// have that (specification 3.17, Position).
type Position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// Range reaches from a place to one behind its end.
type Range struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// text is a document, and how the editor counts its characters.
type text struct {
	s     string
	bytes bool
	stop  func() // ends what is asked about it
}

// offset is the byte of a place. What lies beyond a line is its end, and what
// lies beyond the text is the text's.
func (t text) offset(p Position) int {
	at := 0
	for range p.Line {
		n := strings.IndexByte(t.s[at:], '\n')
		if n < 0 {
			return len(t.s)
		}
		at += n + 1
	}
	line := t.s[at:]
	if n := strings.IndexByte(line, '\n'); n >= 0 {
		line = strings.TrimSuffix(line[:n], "\r")
	}
	left := p.Character
	for i, r := range line {
		if left <= 0 {
			return at + i
		}
		left -= t.units(r)
	}
	return at + len(line)
}

// position is the place of a byte.
func (t text) position(offset int) Position {
	before := t.s[:min(max(offset, 0), len(t.s))]
	p := Position{Line: strings.Count(before, "\n")}
	for _, r := range before[strings.LastIndexByte(before, '\n')+1:] {
		p.Character += t.units(r)
	}
	return p
}

func (t text) span(from, to int) Range { return Range{t.position(from), t.position(to)} }

// units is how far a character moves the place behind it. A byte that is none of
// UTF-8 counts as one.
func (t text) units(r rune) int {
	switch {
	case !t.bytes && r > 0xffff:
		return 2
	case !t.bytes || r == utf8.RuneError:
		return 1
	}
	return utf8.RuneLen(r)
}
