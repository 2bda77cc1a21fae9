package example

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"

	"holdfast/detect/sigma"
)

// language is the set of texts that a rule's value holds for: an automaton,
// made one state at a time as texts are put through it. A state is the set of
// instructions that a text so far may have led to, and what kind of character
// came last.
type language struct {
	prog *syntax.Prog
	far  []int32 // by instruction: how many characters at least are left to a match
	ever []bool  // by instruction: whatever follows, it is a match
	ids  map[string]int32
	all  []langState
	work *meter
}

// meter counts down the work left; below zero a search gives up.
type meter struct{ left int }

func (m *meter) spend(n int) {
	if m != nil {
		m.left -= n
	}
}

type langState struct {
	pcs  []uint32
	prev kindOf
	next map[rune]int32
	// left is how many characters at least are missing; endless if none leads
	// to a match.
	left int32
	ever bool
	ends bool
}

// kindOf is what assertions such as \b ask about the character before.
type kindOf uint8

const (
	nothing kindOf = iota
	newline
	wordly
	other
)

func kind(r rune) kindOf {
	switch {
	case r == '\n':
		return newline
	case syntax.IsWordChar(r):
		return wordly
	}
	return other
}

func (k kindOf) rune() rune { return [...]rune{-1, '\n', 'a', ' '}[k] }

const (
	endless = math.MaxInt32
	// odd is where bytes that are no UTF-8 stand among the characters.
	odd = unicode.MaxRune + 1
	// maxProgram bounds what one value of a rule may become.
	maxProgram = 60_000
)

// runes splits a text into characters and bytes that are none.
func runes(s string) []rune {
	out := make([]rune, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = odd + rune(s[i])
		}
		out = append(out, r)
		i += n
	}
	return out
}

func appendRune(b []byte, r rune) []byte {
	if r >= odd {
		return append(b, byte(r-odd))
	}
	return utf8.AppendRune(b, r)
}

// anyText matches every text.
func anyText() *syntax.Regexp {
	return &syntax.Regexp{Op: syntax.OpStar, Sub: []*syntax.Regexp{{Op: syntax.OpAnyChar}}}
}

// ofPattern is the expression for one pattern under an operator.
func ofPattern(p sigma.Pattern, op sigma.Op, cased bool) *syntax.Regexp {
	var flags syntax.Flags
	if !cased {
		flags = syntax.FoldCase
	}
	cat := &syntax.Regexp{Op: syntax.OpConcat}
	if op == sigma.Contains || op == sigma.EndsWith {
		cat.Sub = append(cat.Sub, anyText())
	}
	for _, t := range p {
		one := &syntax.Regexp{}
		switch t.Kind {
		case sigma.Literal:
			one.Op, one.Flags, one.Rune = syntax.OpLiteral, flags, runes(t.Text)
		case sigma.Any:
			one = anyText()
		case sigma.One:
			one.Op = syntax.OpAnyChar
		case sigma.Dash:
			one.Op = syntax.OpCharClass
			rs := []rune(sigma.Dashes)
			slices.Sort(rs)
			for _, r := range rs {
				one.Rune = append(one.Rune, r, r)
			}
		}
		cat.Sub = append(cat.Sub, one)
	}
	if op == sigma.Contains || op == sigma.StartsWith {
		cat.Sub = append(cat.Sub, anyText())
	}
	if len(cat.Sub) == 0 {
		cat.Op = syntax.OpEmptyMatch
	}
	return cat
}

func ofRegex(text string) (*syntax.Regexp, error) {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{anyText(), re.Simplify(), anyText()}}, nil
}

// compile makes the language of any of the expressions.
func compile(res []*syntax.Regexp, work *meter) (*language, error) {
	whole := res[0]
	if len(res) > 1 {
		whole = &syntax.Regexp{Op: syntax.OpAlternate, Sub: res}
	}
	prog, err := syntax.Compile(whole)
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxProgram {
		return nil, fmt.Errorf("a value is too large to look through")
	}
	l := &language{prog: prog, ids: map[string]int32{}, work: work}
	work.spend(10 * len(prog.Inst))
	l.distances()
	l.state([]uint32{uint32(prog.Start)}, nothing)
	return l, nil
}

// distances fills far and ever.
func (l *language) distances() {
	n := len(l.prog.Inst)
	l.far, l.ever = make([]int32, n), make([]bool, n)
	from := make([][]uint32, n)
	var queue []uint32
	for i := range l.prog.Inst {
		in := &l.prog.Inst[i]
		l.far[i] = endless
		switch in.Op {
		case syntax.InstMatch:
			l.far[i], l.ever[i] = 0, false
			queue = append(queue, uint32(i))
		case syntax.InstFail:
		case syntax.InstAlt, syntax.InstAltMatch:
			from[in.Out] = append(from[in.Out], uint32(i))
			from[in.Arg] = append(from[in.Arg], uint32(i))
			out, arg := &l.prog.Inst[in.Out], &l.prog.Inst[in.Arg]
			l.ever[i] = out.Op == syntax.InstRuneAny && out.Out == uint32(i) && arg.Op == syntax.InstMatch
		default:
			from[in.Out] = append(from[in.Out], uint32(i))
		}
	}
	// Steps cost nothing or one; going round until nothing falls is quick enough
	// because programs are nearly straight.
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, i := range from[at] {
			d := l.far[at]
			switch l.prog.Inst[i].Op {
			case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
				d++
			}
			if d < l.far[i] {
				l.far[i] = d
				queue = append(queue, i)
			}
		}
	}
}

// state returns the number of a state.
func (l *language) state(pcs []uint32, prev kindOf) int32 {
	slices.Sort(pcs)
	pcs = slices.Compact(pcs)
	key := make([]byte, 0, 1+4*len(pcs))
	key = append(key, byte(prev))
	for _, pc := range pcs {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if id, ok := l.ids[string(key)]; ok {
		return id
	}
	st := langState{pcs: pcs, prev: prev, left: endless, next: map[rune]int32{}}
	for _, pc := range pcs {
		st.left = min(st.left, l.far[pc])
	}
	for _, pc := range l.closure(pcs, syntax.EmptyOpContext(prev.rune(), -1)) {
		st.ends = st.ends || l.prog.Inst[pc].Op == syntax.InstMatch
	}
	for _, pc := range l.closure(pcs, 0) { // whatever follows
		st.ever = st.ever || l.ever[pc]
	}
	id := int32(len(l.all))
	l.ids[string(key)] = id
	l.all = append(l.all, st)
	return id
}

// closure follows what takes no character, at a place where some assertions
// hold.
func (l *language) closure(pcs []uint32, flags syntax.EmptyOp) []uint32 {
	seen := make(map[uint32]bool, len(pcs)*2)
	todo := slices.Clone(pcs)
	var out []uint32
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		in := &l.prog.Inst[pc]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, in.Out, in.Arg)
			if l.ever[pc] {
				out = append(out, pc)
			}
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				todo = append(todo, in.Out)
			}
		case syntax.InstFail:
		default:
			out = append(out, pc)
		}
	}
	l.work.spend(len(seen))
	return out
}

// step returns the state after one more character.
func (l *language) step(id int32, r rune) int32 {
	if to, ok := l.all[id].next[r]; ok {
		return to
	}
	st := &l.all[id]
	var pcs []uint32
	for _, pc := range l.closure(st.pcs, syntax.EmptyOpContext(st.prev.rune(), r)) {
		in := &l.prog.Inst[pc]
		switch in.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if matchRune(in, r) {
				pcs = append(pcs, in.Out)
			}
		}
	}
	to := l.state(pcs, kind(r))
	l.all[id].next[r] = to
	return to
}

// matchRune is Inst.MatchRune, for bytes that are no characters too.
func matchRune(in *syntax.Inst, r rune) bool {
	if r < odd {
		return in.MatchRune(r)
	}
	switch in.Op {
	case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	case syntax.InstRune, syntax.InstRune1:
		return len(in.Rune) == 1 && in.Rune[0] == r
	}
	return false
}

// holds reports whether a text is in the language.
func (l *language) holds(text string) bool {
	id := int32(0)
	for _, r := range runes(text) {
		id = l.step(id, r)
		if l.all[id].ever {
			return true
		}
		if len(l.all[id].pcs) == 0 {
			return false
		}
	}
	return l.all[id].ends
}

// letters adds the characters that the language names, and the borders of the
// sets of characters that it treats alike.
func (l *language) letters(named map[rune]int, borders map[rune]bool) {
	for i := range l.prog.Inst {
		in := &l.prog.Inst[i]
		if in.Op != syntax.InstRune && in.Op != syntax.InstRune1 {
			continue
		}
		if len(in.Rune) == 1 {
			r := in.Rune[0]
			if _, ok := named[r]; !ok {
				named[r] = len(named)
			}
			borders[r], borders[r+1] = true, true
			if in.Op == syntax.InstRune && syntax.Flags(in.Arg)&syntax.FoldCase != 0 && r <= unicode.MaxRune {
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					borders[f], borders[f+1] = true, true
				}
			}
			continue
		}
		for j := 0; j+1 < len(in.Rune); j += 2 {
			lo, hi := in.Rune[j], in.Rune[j+1]
			borders[lo], borders[hi+1] = true, true
			r := nice(lo, hi)
			if _, ok := named[r]; !ok {
				named[r] = len(named)
			}
		}
	}
}

// nice picks a character of a range that people can read.
func nice(lo, hi rune) rune {
	for _, r := range [...][2]rune{{'a', 'z'}, {'0', '9'}, {'A', 'Z'}, {' ', ' '}, {'!', '~'}, {0xa1, 0xd7ff}} {
		if m := max(lo, r[0]); m <= min(hi, r[1]) {
			return m
		}
	}
	return lo
}
