package engine

import (
	"slices"

	"holdfast/detect/sigma"
)

// A view's rules as programs: each step asks one predicate and names the step
// that follows for either answer. What a rule needs stands side by side in
// memory, which is where the time of matching goes.

// step asks a predicate.
type step struct {
	pred    int32
	yes, no int32
}

// Ends of a program, and the sign that a rule has none.
const (
	accept int32 = -1 - iota
	reject
	byTree // the program would be too long
)

// maxSteps bounds the program of one rule.
const maxSteps = 1 << 15

// assembler makes the programs of one view.
type assembler struct {
	v      *view
	texts  []byte
	start  int     // of the rule's steps
	likely []int32 // predicates that hold for most of the rule's candidates
}

// rule adds a rule's program and returns where it begins.
func (a *assembler) rule(c *compiled) int32 {
	a.start, a.likely = len(a.v.steps), c.witnesses.preds
	entry, ok := a.expr(&c.search, c.search.condition, accept, reject)
	if !ok {
		a.v.steps = a.v.steps[:a.start]
		return byTree
	}
	return entry
}

// done gives the values their texts, which lie one after the other.
func (a *assembler) done() {
	a.v.texts = string(a.texts)
	a.v.steps, a.v.quicks, a.v.values = slices.Clip(a.v.steps), slices.Clip(a.v.quicks), slices.Clip(a.v.values)
}

// guess is how likely something holds, and what it takes to know.
type guess struct{ chance, work float64 }

func (a *assembler) ofPredicate(p *predicate) guess {
	g := guess{p.chance, 1 + 0.2*float64(len(p.tests))}
	switch {
	case p.field == "":
		g.work = 50
	case p.op == sigma.Regex || p.part != sigma.Whole:
		g.work = 20 * float64(len(p.tests))
	case p.among != nil:
		g.work = 4
	}
	if slices.Contains(a.likely, p.number) {
		g.chance = max(g.chance, 0.8)
	}
	return g
}

// all is the guess for parts that must all hold, asked in order.
func all(parts []guess) guess {
	g := guess{chance: 1}
	for _, p := range parts {
		g.work += g.chance * p.work
		g.chance *= p.chance
	}
	return g
}

func not(g guess) guess { return guess{1 - g.chance, g.work} }

// any is the guess for parts of which one must hold, asked in order.
func anyOf(parts []guess) guess {
	inverse := make([]guess, len(parts))
	for i, p := range parts {
		inverse[i] = not(p)
	}
	return not(all(inverse))
}

// part is something to ask, with the guess about it.
type part struct {
	guess
	emit func(yes, no int32) (int32, bool)
}

// order puts first what most likely settles the matter for the least work.
func order(parts []part, settles func(g guess) float64) []guess {
	slices.SortStableFunc(parts, func(x, y part) int {
		a, b := x.work/(settles(x.guess)+0.001), y.work/(settles(y.guess)+0.001)
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	out := make([]guess, len(parts))
	for i := range parts {
		out[i] = parts[i].guess
	}
	return out
}

func every(parts []part) part {
	g := all(order(parts, func(g guess) float64 { return 1 - g.chance }))
	return part{g, func(yes, no int32) (int32, bool) {
		at, ok := yes, true
		for i := len(parts) - 1; i >= 0 && ok; i-- {
			at, ok = parts[i].emit(at, no)
		}
		return at, ok
	}}
}

func some(parts []part) part {
	g := anyOf(order(parts, func(g guess) float64 { return g.chance }))
	return part{g, func(yes, no int32) (int32, bool) {
		at, ok := no, true
		for i := len(parts) - 1; i >= 0 && ok; i-- {
			at, ok = parts[i].emit(yes, at)
		}
		return at, ok
	}}
}

func (a *assembler) expr(x *search, e sigma.Expr, yes, no int32) (int32, bool) {
	return a.partOf(x, e).emit(yes, no)
}

func (a *assembler) partOf(x *search, e sigma.Expr) part {
	switch e := e.(type) {
	case sigma.And:
		return every(a.chain(x, e, nil))
	case sigma.Or:
		return some(a.chain(x, e, nil))
	case sigma.Not:
		p := a.partOf(x, e.X)
		return part{not(p.guess), func(yes, no int32) (int32, bool) { return p.emit(no, yes) }}
	case sigma.Ref:
		return a.selection(&x.selections[e.Selection])
	case sigma.Of:
		return a.of(x, e)
	}
	return some(nil)
}

// chain lists the operands of "a and b and c", which is a tree.
func (a *assembler) chain(x *search, e sigma.Expr, out []part) []part {
	switch e := e.(type) {
	case sigma.And:
		for _, side := range []sigma.Expr{e.Left, e.Right} {
			if inner, ok := side.(sigma.And); ok {
				out = a.chain(x, inner, out)
			} else {
				out = append(out, a.partOf(x, side))
			}
		}
	case sigma.Or:
		for _, side := range []sigma.Expr{e.Left, e.Right} {
			if inner, ok := side.(sigma.Or); ok {
				out = a.chain(x, inner, out)
			} else {
				out = append(out, a.partOf(x, side))
			}
		}
	}
	return out
}

func (a *assembler) of(x *search, e sigma.Of) part {
	parts := make([]part, len(e.Selections))
	for i, sel := range e.Selections {
		parts[i] = a.selection(&x.selections[sel])
	}
	switch {
	case e.Least <= 0:
		return every(nil)
	case e.Least > len(parts):
		return some(nil)
	case e.Least == len(parts):
		return every(parts)
	case e.Least == 1:
		return some(parts)
	}
	return part{guess{0.1, float64(len(parts))}, func(yes, no int32) (int32, bool) { return a.counted(parts, e.Least, yes, no) }}
}

// counted asks one part after the other until enough have held, or too few are
// left. There is a step for each part and number that may have held by then.
func (a *assembler) counted(parts []part, least int, yes, no int32) (int32, bool) {
	n := len(parts)
	next := make([]int32, least+1) // by how many have held: where to go on
	for h := range next {
		next[h] = no
	}
	next[least] = yes
	for i := n - 1; i >= 0; i-- {
		now := slices.Clone(next)
		for h := range least {
			switch {
			case h > i:
				continue // more than there were
			case h+n-i < least:
				now[h] = no
				continue
			}
			at, ok := parts[i].emit(next[h+1], next[h])
			if !ok {
				return 0, false
			}
			now[h] = at
		}
		next = now
	}
	return next[0], true
}

func (a *assembler) selection(sel *selection) part {
	clauses := make([]part, len(sel.clauses))
	for i, c := range sel.clauses {
		asks := make([]part, len(c))
		for j, p := range c {
			asks[j] = part{a.ofPredicate(p), func(yes, no int32) (int32, bool) { return a.ask(p, yes, no) }}
		}
		clauses[i] = every(asks)
	}
	if len(clauses) == 1 {
		return clauses[0]
	}
	return some(clauses)
}

func (a *assembler) ask(p *predicate, yes, no int32) (int32, bool) {
	if yes == no {
		return yes, true
	}
	if len(a.v.steps)-a.start >= maxSteps {
		return 0, false
	}
	a.v.steps = append(a.v.steps, step{a.number(p), yes, no})
	return int32(len(a.v.steps) - 1), true
}

// run reports whether the program at a step accepts the event.
func (s *subject) run(at int32) bool {
	steps := s.view.steps
	for at >= 0 {
		x := &steps[at]
		if s.holds(x.pred) {
			at = x.yes
		} else {
			at = x.no
		}
	}
	return at == accept
}
