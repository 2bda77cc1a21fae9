package engine

import (
	"slices"
	"strings"
)

// substrings finds many literals anywhere in a text.
type substrings struct {
	few   []literal // looked for one by one
	tiny  *tiny     // of two and three bytes
	brief *briefs   // shorter than a run
	runs  runs
}

// fewest is up to how many literals that would make the runs of all others short
// are looked for one by one.
const fewest = 1

func newSubstrings(literals []literal, texts string) substrings {
	var s substrings
	if len(literals) == 0 {
		return s
	}
	// Short literals make the runs of a whole field short and close.
	slices.SortStableFunc(literals, func(a, b literal) int { return int(a.size) - int(b.size) })
	short := func(n int) int {
		i, _ := slices.BinarySearchFunc(literals, n, func(l literal, n int) int { return int(l.size) - n })
		return i
	}
	n := short(runSize)
	if n > 16 {
		s.brief = newBriefs(literals[:n], texts)
	} else {
		s.few = literals[:n]
	}
	for _, size := range []int{15, 11, 7} {
		if k := short(size); k-n <= fewest && k < len(literals) && s.brief == nil {
			s.few, n = literals[:k], k
			break
		}
	}
	s.runs = newRuns(literals[n:], texts)
	s.few, s.tiny = newTiny(s.few, texts)
	return s
}

func (f *fieldIndex) within(s *substrings, text string, marked []uint64) (found bool) {
	for i := range s.few {
		if l := &s.few[i]; strings.Contains(text, l.of(f.texts)) {
			if found = f.mark(l, marked); marked == nil {
				return true
			}
		}
	}
	if s.tiny != nil && f.hasTiny(s.tiny, text, marked) {
		if found = true; marked == nil {
			return true
		}
	}
	if s.brief != nil && f.hasBrief(s.brief, text, marked) {
		if found = true; marked == nil {
			return true
		}
	}
	if len(s.runs.list) > 0 && f.hasRun(&s.runs, text, marked) {
		found = true
	}
	return found
}

// none reports whether there are no literals.
func (s *substrings) none() bool {
	return len(s.few) == 0 && s.tiny == nil && s.brief == nil && len(s.runs.list) == 0
}

// briefs finds literals of one to three bytes.
type briefs struct {
	first [256]bool // bytes that one starts with
	list  []literal
}

func newBriefs(literals []literal, texts string) *briefs {
	b := &briefs{list: literals}
	for _, l := range literals {
		b.first[texts[l.at]] = true
	}
	return b
}

func (f *fieldIndex) hasBrief(b *briefs, text string, marked []uint64) (found bool) {
	var seen [256]bool
	some := false
	for i := range len(text) {
		if c := text[i]; b.first[c] {
			seen[c], some = true, true
		}
	}
	if !some {
		return false
	}
	for i := range b.list {
		if l := &b.list[i]; seen[f.texts[l.at]] && strings.Contains(text, l.of(f.texts)) {
			if found = f.mark(l, marked); marked == nil {
				return true
			}
		}
	}
	return found
}
