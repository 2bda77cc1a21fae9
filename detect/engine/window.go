package engine

import (
	"math"
	"regexp/syntax"
	"slices"
)

// window is a row of characters, each of a class, that every match of a regular
// expression has somewhere, if the text is ASCII. It is looked for as Horspool
// looks for a word (R. N. Horspool, Practical fast searching in strings, 1980).
type window struct {
	size  int
	fits  [128]uint64 // by character: a bit for each place where it may stand
	shift [128]uint8  // by character: how far to go on if it stands last
	// exact says that a text with the window matches.
	exact bool
	// row is set instead if the expression is nothing but size characters of one
	// class.
	row *class
	// chain is set instead if the expression is nothing but rows with anything
	// between them; then a text of one line with all of them, one behind the
	// other, matches.
	chain []*window
	// either is set instead if every match has one of some windows.
	either []*window
	// line says that only texts of one line may be asked for it.
	line bool
	// asked says that asks are pairs that every text with the window has, folded.
	asks  threeGrams
	asked bool
}

// class is a set of ASCII characters.
type class [2]uint64

func (c *class) add(lo, hi rune) {
	for r := lo; r <= min(hi, 127); r++ {
		c[r>>6] |= 1 << (r & 63)
	}
}

func (c *class) has(r int) bool { return c[r>>6]>>(r&63)&1 != 0 }

func (c *class) count() (n int) {
	for r := range 128 {
		if c.has(r) {
			n++
		}
	}
	return n
}

const maxWindow = 64

// row is characters that stand side by side in every match. Its last ones, as
// many as again says, may repeat; then they begin the next row.
type row struct {
	classes []class
	again   int
}

// rows cuts an expression into them.
type rows struct {
	list []row
	now  row
	// odd is set if the expression asks for more than its rows.
	odd bool
}

// cut ends a row; the next begins with its last characters that repeat.
func (r *rows) cut(again []class, odd bool) {
	r.now.again = len(again)
	r.list = append(r.list, r.now)
	r.now = row{classes: append([]class(nil), again...)}
	r.odd = r.odd || odd
}

func (r *rows) char(c class) {
	if len(r.now.classes) < 4*maxWindow {
		r.now.classes = append(r.now.classes, c)
		return
	}
	r.odd = true
	r.cut(nil, true)
}

// classOf returns the characters of an expression that is one character long.
func classOf(re *syntax.Regexp) (c class, ok bool) {
	switch re.Op {
	case syntax.OpLiteral:
		if len(re.Rune) != 1 {
			return c, false
		}
		return letterClass(re.Rune[0], re.Flags&syntax.FoldCase != 0), true
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			c.add(re.Rune[i], re.Rune[i+1])
		}
		return c, true
	case syntax.OpAnyChar:
		c.add(0, 127)
		return c, true
	case syntax.OpAnyCharNotNL:
		c.add(0, '\n'-1)
		c.add('\n'+1, 127)
		return c, true
	case syntax.OpCapture:
		return classOf(re.Sub[0])
	}
	return c, false
}

func letterClass(r rune, folded bool) (c class) {
	c.add(r, r)
	if lower := r | 0x20; folded && lower >= 'a' && lower <= 'z' {
		c.add(lower, lower)
		c.add(lower-0x20, lower-0x20)
	}
	return c
}

func (r *rows) walk(re *syntax.Regexp) {
	if c, ok := classOf(re); ok {
		r.char(c)
		return
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
	case syntax.OpLiteral:
		for _, x := range re.Rune {
			r.char(letterClass(x, re.Flags&syntax.FoldCase != 0))
		}
	case syntax.OpCapture:
		r.walk(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			r.walk(sub)
		}
	case syntax.OpPlus:
		r.repeat(re.Sub[0], 1, -1)
	case syntax.OpRepeat:
		r.repeat(re.Sub[0], re.Min, re.Max)
	default:
		r.cut(nil, true)
	}
}

func (r *rows) repeat(re *syntax.Regexp, least, most int) {
	c, ok := classOf(re)
	if !ok || least == 0 {
		r.cut(nil, true)
		return
	}
	var again []class
	for range min(least, maxWindow) {
		again = append(again, c)
		r.char(c)
	}
	if least > maxWindow {
		r.odd = true
	}
	if least != most {
		r.cut(again, false)
	}
}

// windowOf finds the window of an expression that fewest texts have; nil if it
// has none that is worth looking for. An expression with few ways to be written
// without "?" and "|" has a window for each of them, if that says more.
func windowOf(expr string) *window {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	re = trimmed(re)
	w := windowIn(re)
	if w != nil && w.exact {
		return w
	}
	ways := waysOf(re)
	if len(ways) < 2 {
		return w
	}
	any := &window{exact: true}
	for _, way := range ways {
		one := windowIn(way)
		if one == nil || w != nil && !one.exact {
			return w
		}
		one.asks, one.asked = rarest(longest(way.Simplify()))
		any.either = append(any.either, one)
		any.exact, any.line = any.exact && one.exact, any.line || one.line
	}
	return any
}

// trimmed takes off both ends of an expression what a text need not have for the
// expression to match somewhere in it.
func trimmed(re *syntax.Regexp) *syntax.Regexp {
	if re.Op != syntax.OpConcat {
		return re
	}
	sub := slices.Clone(re.Sub)
	optional := func(x *syntax.Regexp) bool {
		return x.Op == syntax.OpQuest || x.Op == syntax.OpStar || x.Op == syntax.OpRepeat && x.Min == 0
	}
	for len(sub) > 1 && optional(sub[len(sub)-1]) {
		sub = sub[:len(sub)-1]
	}
	for len(sub) > 1 && optional(sub[0]) {
		sub = sub[1:]
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: sub}
}

// maxWays bounds how many ways an expression may be written in.
const maxWays = 8

// waysOf lists expressions without "?" and "|" of which one matches where re
// does; nil if they are too many.
func waysOf(re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpCapture:
		return waysOf(re.Sub[0])
	case syntax.OpQuest:
		ways := waysOf(re.Sub[0])
		if ways == nil || len(ways) == maxWays {
			return nil
		}
		return append(ways, &syntax.Regexp{Op: syntax.OpEmptyMatch})
	case syntax.OpAlternate:
		var out []*syntax.Regexp
		for _, sub := range re.Sub {
			ways := waysOf(sub)
			if ways == nil || len(out)+len(ways) > maxWays {
				return nil
			}
			out = append(out, ways...)
		}
		return out
	case syntax.OpConcat:
		out := []*syntax.Regexp{{Op: syntax.OpConcat}}
		for _, sub := range re.Sub {
			ways := waysOf(sub)
			if ways == nil || len(out)*len(ways) > maxWays {
				return nil
			}
			var longer []*syntax.Regexp
			for _, head := range out {
				for _, tail := range ways {
					longer = append(longer, &syntax.Regexp{Op: syntax.OpConcat, Sub: append(slices.Clone(head.Sub), partsOf(tail)...)})
				}
			}
			out = longer
		}
		return out
	}
	return []*syntax.Regexp{re}
}

func partsOf(re *syntax.Regexp) []*syntax.Regexp {
	if re.Op == syntax.OpConcat {
		return re.Sub
	}
	return []*syntax.Regexp{re}
}

// windowIn is windowOf for one way.
func windowIn(re *syntax.Regexp) *window {
	if re.Op == syntax.OpRepeat && re.Min > maxWindow {
		if c, ok := classOf(re.Sub[0]); ok {
			return &window{size: re.Min, row: &c, exact: true}
		}
	}
	if chain := chainOf(re); len(chain) > 1 {
		return &window{chain: chain, exact: true, line: true}
	}
	var r rows
	r.walk(re)
	r.list = append(r.list, r.now)
	var best []class
	rarest := 3.0 // in bits
	from := 0
	for i := range r.list {
		all := r.list[i].classes
		for start := 0; start < len(all); start += maxWindow / 2 {
			part := all[start:min(len(all), start+maxWindow)]
			bits := 0.0
			for j := range part {
				bits += math.Log2(100 / float64(1+part[j].count()))
			}
			if bits > rarest {
				best, rarest, from = part, bits, i
			}
			if start+maxWindow >= len(all) {
				break
			}
		}
	}
	if best == nil {
		return nil
	}
	w := newWindow(best)
	w.exact = !r.odd && len(best) == len(r.list[from].classes)
	// What repeats at the far ends of the expression asks for nothing more.
	last := len(r.list) - 1
	for i := range r.list {
		head := i == 0 && from == 1 && len(r.list[0].classes) == r.list[0].again
		tail := i == last && from == last-1 && len(r.list[last].classes) == r.list[from].again
		w.exact = w.exact && (i == from || head || tail)
	}
	return w
}

// chainOf returns the rows of an expression in which they are parted by ".*" and
// by nothing else; nil for every other one.
func chainOf(re *syntax.Regexp) []*window {
	if re.Op != syntax.OpConcat {
		return nil
	}
	var out []*window
	var r rows
	end := func() bool {
		all := r.now.classes
		if r.odd || len(r.list) > 0 || len(all) > maxWindow {
			return false
		}
		if len(all) > 0 {
			out = append(out, newWindow(all))
		}
		r = rows{}
		return true
	}
	for _, sub := range re.Sub {
		if sub.Op != syntax.OpStar || sub.Sub[0].Op != syntax.OpAnyCharNotNL {
			r.walk(sub)
		} else if !end() {
			return nil
		}
	}
	if !end() {
		return nil
	}
	return out
}

// newWindow makes the tables of one.
func newWindow(best []class) *window {
	w := &window{size: len(best)}
	for c := range 128 {
		w.shift[c] = uint8(len(best))
		for j := range best {
			if !best[j].has(c) {
				continue
			}
			w.fits[c] |= 1 << j
			if j < len(best)-1 {
				w.shift[c] = uint8(len(best) - 1 - j)
			}
		}
	}
	return w
}

// in reports whether a text of ASCII, and of one line if it asks for that, has the
// window; g are the pairs of the folded text, if they are known.
func (w *window) in(text string, g *grams) bool {
	for _, one := range w.either {
		if (g == nil || !one.asked || g.may(&one.asks)) && one.in(text, g) {
			return true
		}
	}
	if w.either != nil {
		return false
	}
	for _, part := range w.chain {
		end := part.find(text)
		if end < 0 {
			return false
		}
		text = text[end:]
	}
	return w.chain != nil || w.find(text) >= 0
}

// find returns where the first place with the window ends, or -1.
func (w *window) find(text string) int {
	last := w.size - 1
	if w.row != nil {
		for i := last; i < len(text); { // from the far end of where it could be
			n := 0
			for n < w.size && w.row.has(int(text[i-n]&127)) {
				n++
			}
			if n == w.size {
				return i + 1
			}
			i += w.size - n
		}
		return -1
	}
	for i := last; i < len(text); {
		c := text[i] & 127
		j := last
		for w.fits[text[i-last+j]&127]>>j&1 != 0 {
			if j == 0 {
				return i + 1
			}
			j--
		}
		i += int(w.shift[c])
	}
	return -1
}
