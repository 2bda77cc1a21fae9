package engine

import (
	"math"
	"slices"
	"strings"

	"holdfast"
	"holdfast/detect/sigma"
)

// Predicates as programs ask them: flat, side by side, and each once an event.

// quick is a predicate in a form that is fast to work out.
type quick struct {
	slot     int32
	from, to int32 // its values; of a slow one its place, and where its gates end
	kind     quickKind
	negated  bool
	gates    uint16 // how many
	shortest uint16 // how long a text must be for a slow one to hold
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
	alike   // folded, the field is as the one whose slot is from; to is the place of a slow one
)

// value is a plain text.
type value struct {
	at, size uint32 // where in the view's texts it stands
	place    place
	asked    bool // asks are pairs of the text, and it is looked for anywhere
	asks     threeGrams
	key      uint64 // its first eight bytes
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
		q.shortest = uint16(min(p.shortest(), math.MaxUint16))
	case alike:
		q.from, q.to = p.tests[0].slot, int32(len(a.v.slow))
		a.v.slow = append(a.v.slow, p)
	case nothing:
	default:
		for i := range p.tests {
			text, where := p.tests[i].globs[0].needs()
			v := value{at: uint32(len(a.texts)), size: uint32(len(text)), place: where, key: pack(text[:min(len(text), 8)])}
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

// shortest is how many bytes a text has at least that the expressions of a
// predicate match; 0 if there are other tests.
func (p *predicate) shortest() int {
	least := 0
	for i := range p.tests {
		n := p.tests[i].shortest
		if n == 0 {
			return 0
		}
		if i == 0 || (n > least) == p.all {
			least = n
		}
	}
	return least
}

// shut reports whether a slow predicate cannot hold, by how long the text is and
// by its gates.
func (s *subject) shut(q *quick) bool {
	first := s.first[q.slot]
	if first == 0 || s.next[first-1] != 0 || s.event.Fields[first-1].Kind == holdfast.Null {
		return false
	}
	if len(s.event.Fields[first-1].Text) < int(q.shortest) {
		return true
	}
	if q.gates == 0 {
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
	if p.ref && p.op == sigma.Equals && !p.cased && len(p.tests) == 1 {
		return alike
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

// holds works a predicate out once for an event, however many rules have it.
func (s *subject) holds(n int32) bool {
	if k := s.known[n]; k>>1 == s.epoch {
		return k&1 != 0
	}
	var held bool
	if q := &s.view.quicks[n]; q.kind <= slowAll {
		if q.gates|q.shortest != 0 && s.shut(q) {
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
	switch q.kind {
	case alike:
		return s.alike(q)
	case nothing:
		return !s.each(q.slot, func(i int) bool { return s.event.Fields[i].Kind != holdfast.Null })
	default:
	}
	values := s.view.values[q.from:q.to]
	first := s.first[q.slot]
	if first == 0 {
		if natives := s.view.native[q.slot]; len(natives) > 0 {
			return s.quicklyNative(q, values, natives)
		}
		return false
	}
	if s.next[first-1] == 0 && q.kind < anyCased {
		return s.single(q, values, int(first-1))
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

// alike reports whether two fields are the same text.
func (s *subject) alike(q *quick) bool {
	a, b := s.first[q.slot], s.first[q.from]
	if a == 0 || b == 0 || s.next[a-1]|s.next[b-1] != 0 {
		p := s.view.slow[q.to]
		return p.decide(s) != p.negated
	}
	x, y := &s.event.Fields[a-1], &s.event.Fields[b-1]
	return x.Kind != holdfast.Null && y.Kind != holdfast.Null && (x.Text == y.Text || s.lower(int(a-1)) == s.lower(int(b-1)))
}

// single is quickly for folded texts and a field with one value, as most are.
func (s *subject) single(q *quick, values []value, i int) bool {
	if s.event.Fields[i].Kind == holdfast.Null {
		return false
	}
	t := &s.folded[i]
	if !t.done {
		t = s.text(i)
	}
	each, texts := q.kind == allText, s.view.texts
	for k := range values {
		v := &values[k]
		if ((!v.asked || s.may(i, &v.asks)) && v.in(t.low, texts)) != each {
			return !each
		}
	}
	return each
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
		if v.in(text, s.view.texts) {
			return true
		}
	}
	return false
}

// in reports whether v's text, which is in texts, is where it must be.
func (v *value) in(text, texts string) bool {
	n := int(v.size)
	switch {
	case n > len(text):
		return false
	case v.place == inside:
		return strings.Contains(text, texts[v.at:v.at+v.size])
	case v.place == whole && n != len(text):
		return false
	case v.place == atEnd:
		text = text[len(text)-n:]
	}
	if n < 8 {
		return pack(text[:n]) == v.key
	}
	return load8(text, 0) == v.key && (n == 8 || text[:n] == texts[v.at:v.at+v.size])
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
