package engine

import (
	"encoding/binary"
	"unsafe"

	"holdfast/detect/sigma"
)

// Most texts that rules look for somewhere in a value are not there. Which
// cannot be is said by the pairs of bytes that the value has: they are taken
// down once, and each text that is looked for asks for three of its own.

// grams says which pairs of bytes a text has, by hash.
type grams [gramCount]bool

const gramCount = 1024

// threeGrams are the places in grams of three pairs that a text must have.
type threeGrams [3]uint16

// gramsFrom is from how many bytes on it is worth to take a text's pairs down;
// shorter ones are looked through in a few steps.
const gramsFrom = 24

func gramOf(pair uint16) uint16 { return pair * 0x9e37 >> 6 }

func (g *grams) fill(text string) {
	b := unsafe.Pointer(unsafe.StringData(text)) //nolint:gosec // read only, and within the text
	for i := range len(text) - 1 {
		h := gramOf(binary.LittleEndian.Uint16((*[2]byte)(unsafe.Add(b, i))[:]))
		g[h&(gramCount-1)] = true
	}
}

// may reports whether a text may have all three.
func (g *grams) may(t *threeGrams) bool {
	return g[t[0]&(gramCount-1)] && g[t[1]&(gramCount-1)] && g[t[2]&(gramCount-1)]
}

// rarest returns three pairs of some texts that few others have. It reports
// false if the texts have no pair at all.
func rarest(texts ...string) (t threeGrams, ok bool) {
	weights := [3]int{1 << 10, 1 << 10, 1 << 10}
	for _, s := range texts {
		for i := range len(s) - 1 {
			g, w := gramOf(uint16(s[i])|uint16(s[i+1])<<8), usualness(s[i])+usualness(s[i+1])
			switch {
			case ok && (g == t[0] || g == t[1] || g == t[2]):
			case w < weights[0]:
				t, weights = threeGrams{g, t[0], t[1]}, [3]int{w, weights[0], weights[1]}
			case w < weights[1]:
				t, weights = threeGrams{t[0], g, t[1]}, [3]int{weights[0], w, weights[1]}
			case w < weights[2]:
				t[2], weights[2] = g, w
			}
			if !ok {
				t, ok = threeGrams{g, g, g}, true
			}
		}
	}
	return t, ok
}

// usualness is higher for bytes that are in texts of every kind.
func usualness(c byte) int {
	switch c {
	case 'e', 's', 'i', 't', 'o', 'n', 'r', 'a', '\\':
		return 4
	case ' ', '.', 'm', 'c', 'w', 'd', 'l', ':', 'p', 'u':
		return 3
	case '-', '"', 'h', 'g', 'f', 'y', 'x', 'b':
		return 2
	}
	return 1
}

// asks3 returns the pairs that every text has that a glob matches, if it has to
// be looked for.
func (g *glob) asks3() (threeGrams, bool) {
	switch {
	case g.plain && g.openLeft && g.openRight:
		return rarest(g.literal)
	case g.plain:
		return threeGrams{}, false
	}
	var texts []string
	for _, part := range g.parts {
		for _, t := range part {
			if t.Kind == sigma.Literal {
				texts = append(texts, t.Text)
			}
		}
	}
	return rarest(texts...)
}

// may reports whether the folded text of a field may have three pairs.
func (s *subject) may(i int, t *threeGrams) bool {
	g := s.gramsOf(i)
	return g == nil || g.may(t)
}

// gramsOf returns the pairs of a field's folded text, until the event ends or
// another's are asked for; nil if it is too short for that.
func (s *subject) gramsOf(i int) *grams {
	x := s.text(i)
	if len(x.low) < gramsFrom {
		return nil
	}
	if x.grams == 0 {
		s.grams = append(s.grams, grams{})
		x.grams = int32(len(s.grams))
		s.grams[x.grams-1].fill(x.low)
	}
	return &s.grams[x.grams-1]
}
