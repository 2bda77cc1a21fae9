package engine

import (
	"slices"
	"strings"

	"holdfast"
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

// quick is a predicate in a form that is fast to work out.
type quick struct {
	slot     int32
	from, to int32 // its values; of a slow one its place, and where its gates end
	kind     quickKind
	negated  bool
	gates    uint16 // how many
}

type quickKind uint8

const (
	slowly  quickKind = iota // ask the predicate itself, if one of its gates is open
	slowAll                  // the same, if all are
	anyText                  // one of the values, compared with folded texts
	allText                  // each of them
	anyCased
	allCased
	nothing // the field is missing, or null
)

// value is a plain text.
type value struct {
	at, size uint32 // where in the view's texts it stands
	place    place
	asked    bool // asks are pairs of the text, and it is looked for anywhere
	asks     threeGrams
}

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

// number is that of a predicate in the view, in its quick form.
func (a *assembler) number(p *predicate) int32 {
	if n := a.v.numbers[p.number]; n != 0 {
		return n - 1
	}
	n := int32(len(a.v.quicks))
	a.v.numbers[p.number] = n + 1
	q := quick{slot: p.slot, negated: p.negated, from: int32(len(a.v.values)), kind: p.quickKind()}
	switch q.kind {
	case slowly, slowAll:
		q.from = int32(len(a.v.slow))
		a.v.slow = append(a.v.slow, p)
		gates := p.gates()
		a.v.gates = append(a.v.gates, gates...)
		q.to, q.gates = int32(len(a.v.gates)), uint16(len(gates))
	case nothing:
	default:
		for i := range p.tests {
			text, where := p.tests[i].globs[0].needs()
			v := value{at: uint32(len(a.texts)), size: uint32(len(text)), place: where}
			a.texts = append(a.texts, text...)
			if where == inside && !p.cased {
				v.asks, v.asked = rarest(text)
			}
			a.v.values = append(a.v.values, v)
		}
		q.to = int32(len(a.v.values))
	}
	a.v.quicks = append(a.v.quicks, q)
	return n
}

// mostGates is how many gates a predicate may have.
const mostGates = 64

// gates are pairs that the texts have for which a predicate may hold: all of them
// if all of its tests must hold, else one; nothing if that cannot be said of each.
func (p *predicate) gates() []threeGrams {
	if p.field == "" || p.ref || p.part != sigma.Whole || p.cased || p.among != nil || len(p.tests) == 0 {
		return nil
	}
	var out []threeGrams
	for i := range p.tests {
		t := &p.tests[i]
		switch {
		case t.re != nil && t.asked:
			out = append(out, t.asks)
			continue
		case t.null || t.re != nil || len(t.globs) == 0 || p.all && len(t.globs) > 1:
			return nil
		}
		for j := range t.globs {
			if !t.globs[j].asked {
				return nil
			}
			out = append(out, t.globs[j].asks)
		}
	}
	if len(out) > mostGates {
		return nil
	}
	return out
}

// shut reports whether a slow predicate cannot hold, by its gates.
func (s *subject) shut(q *quick) bool {
	first := s.first[q.slot]
	if first == 0 || s.next[first-1] != 0 || s.event.Fields[first-1].Kind == holdfast.Null {
		return false
	}
	g := s.gramsOf(int(first - 1))
	if g == nil {
		return false
	}
	gates := s.view.gates[q.to-int32(q.gates) : q.to]
	for i := range gates {
		if g.may(&gates[i]) != (q.kind == slowAll) {
			return q.kind == slowAll
		}
	}
	return q.kind == slowly
}

func (p *predicate) quickKind() quickKind {
	slow := slowly
	if p.all {
		slow = slowAll
	}
	if p.field != "" && !p.ref && len(p.tests) == 1 && p.tests[0].null && p.op != sigma.Exists {
		return nothing
	}
	if p.field == "" || p.ref || p.part != sigma.Whole || p.among != nil || len(p.tests) == 0 {
		return slow
	}
	for i := range p.tests {
		t := &p.tests[i]
		if t.null || t.re != nil || len(t.globs) != 1 || !t.globs[0].plain {
			return slow
		}
	}
	switch {
	case p.cased && p.all:
		return allCased
	case p.cased:
		return anyCased
	case p.all:
		return allText
	}
	return anyText
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

// holds works a predicate out once for an event, however many rules have it.
func (s *subject) holds(n int32) bool {
	if k := s.known[n]; k>>1 == s.epoch {
		return k&1 != 0
	}
	var held bool
	if q := &s.view.quicks[n]; q.kind <= slowAll {
		if q.gates != 0 && s.shut(q) {
			held = q.negated
		} else {
			held = s.view.slow[q.from].decide(s)
		}
	} else {
		held = s.quickly(q) != q.negated
	}
	k := s.epoch << 1
	if held {
		k |= 1
	}
	s.known[n] = k
	return held
}

func (s *subject) quickly(q *quick) bool {
	if q.kind == nothing {
		return !s.each(q.slot, func(i int) bool { return s.event.Fields[i].Kind != holdfast.Null })
	}
	values := s.view.values[q.from:q.to]
	first := s.first[q.slot]
	if first == 0 {
		if natives := s.view.native[q.slot]; len(natives) > 0 {
			return s.quicklyNative(q, values, natives)
		}
		return false
	}
	if q.kind == anyText || q.kind == anyCased {
		for i := range values {
			if s.one(q, &values[i], first) {
				return true
			}
		}
		return false
	}
	for i := range values {
		if !s.one(q, &values[i], first) {
			return false
		}
	}
	return true
}

// one reports whether a value of a field is as v asks; first is that of its
// field's.
func (s *subject) one(q *quick, v *value, first int32) bool {
	for i := first; i != 0; i = s.next[i-1] {
		f := &s.event.Fields[i-1]
		if f.Kind == holdfast.Null {
			continue
		}
		text := f.Text
		if q.kind < anyCased {
			if text = s.lower(int(i - 1)); v.asked && !s.may(int(i-1), &v.asks) {
				continue
			}
		}
		if v.in(text, s.view.texts[v.at:v.at+v.size]) {
			return true
		}
	}
	return false
}

// in reports whether want, the text of v, is where it must be.
func (v *value) in(text, want string) bool {
	switch v.place {
	case whole:
		return text == want
	case atStart:
		return strings.HasPrefix(text, want)
	case atEnd:
		return strings.HasSuffix(text, want)
	case inside:
	}
	return strings.Contains(text, want)
}

// quicklyNative is quickly for a name that stands for several of the source's.
func (s *subject) quicklyNative(q *quick, values []value, natives []int32) bool {
	every := q.kind == allText || q.kind == allCased
	for i := range values {
		held := slices.ContainsFunc(natives, func(n int32) bool { return s.one(q, &values[i], s.first[n]) })
		if held != every {
			return held
		}
	}
	return every
}
