package engine

import (
	"strings"
	"unsafe"

	"holdfast"
	"holdfast/detect/sigma"
)

// Why a rule holds. Reasons are put together in the subject's memory, where their
// texts are still the event's; what is handed out takes three pieces of memory
// for all rules that hold for an event.

// held is a rule that holds, and where its reasons are.
type held struct {
	rule     *sigma.Rule
	from, to int
}

// hits hands out the rules that hold, and forgets them.
func (s *subject) hits() []Hit {
	if len(s.held) == 0 {
		return nil
	}
	out, because := make([]Hit, len(s.held)), make([]holdfast.Predicate, len(s.because))
	copy(because, s.because)
	s.keepTexts(because)
	for i, h := range s.held {
		out[i] = Hit{h.rule, because[h.from:h.to:h.to]}
	}
	clear(s.because)
	clear(s.held)
	s.held, s.because = s.held[:0], s.because[:0]
	return out
}

// keepTexts gives reasons texts that outlive the event, each of them once.
func (s *subject) keepTexts(because []holdfast.Predicate) {
	size := 0
	for i := range because {
		if s.sameGot(i) < 0 {
			size += len(because[i].Got)
		}
	}
	all := make([]byte, 0, size)
	for i := range because {
		got := because[i].Got
		if j := s.sameGot(i); j >= 0 {
			because[i].Got = because[j].Got
			continue
		}
		from := len(all)
		all = append(all, got...)
		because[i].Got = unsafe.String(unsafe.SliceData(all[from:]), len(got)) //nolint:gosec // nobody writes there again
	}
}

// sameGot returns which of the reasons shortly before one has its text; -1 if
// none does.
func (s *subject) sameGot(i int) int {
	for j := max(0, i-lookBack); j < i; j++ {
		if same(s.because[j].Got, s.because[i].Got) {
			return j
		}
	}
	return -1
}

// lookBack is among how many reasons the same text is looked for.
const lookBack = 8

// explain lists the predicates of all selections that the condition asked for
// and that held; what stands under a "not" is no reason.
func (x *search) explain(s *subject) {
	var few [32]bool
	r := reasons{x: x, s: s, done: few[:0]}
	if len(x.selections) > len(few) {
		r.done = make([]bool, len(x.selections))
	} else {
		r.done = few[:len(x.selections)]
	}
	r.walk(x.condition)
}

// reasons collects them.
type reasons struct {
	x    *search
	s    *subject
	done []bool // by selection
}

func (r *reasons) walk(e sigma.Expr) {
	switch e := e.(type) {
	case sigma.And:
		r.walk(e.Left)
		r.walk(e.Right)
	case sigma.Or:
		for _, side := range []sigma.Expr{e.Left, e.Right} {
			if r.x.eval(side, r.s) {
				r.walk(side)
			}
		}
	case sigma.Ref:
		r.add(e.Selection)
	case sigma.Of:
		for _, i := range e.Selections {
			r.add(i)
		}
	}
}

func (r *reasons) add(i int) {
	if r.done[i] {
		return
	}
	r.done[i] = true
	sel := &r.x.selections[i]
	c := sel.clause(r.s)
	if c < 0 {
		return
	}
	for _, p := range sel.clauses[c] {
		p.explain(r.s, sel.name)
	}
}

// maxGot bounds what a reason repeats of an event.
const maxGot = 500

func (s *subject) add(p *predicate, name, want, got string) {
	if len(got) > maxGot {
		got = strings.ToValidUTF8(got[:maxGot], "") + "…"
	}
	s.because = append(s.because, holdfast.Predicate{Selection: name, Field: p.field, Op: p.says, Want: want, Got: got})
}

// explain adds what held of a predicate that holds.
func (p *predicate) explain(s *subject, name string) {
	if p.negated {
		var want, got []string
		for i := range p.tests {
			want = append(want, p.tests[i].text)
		}
		s.each(p.slot, func(i int) bool { got = append(got, s.event.Fields[i].Text); return false })
		s.add(p, name, strings.Join(want, ", "), strings.Join(got, ", "))
		return
	}
	if got, ok := p.only(s); ok {
		s.add(p, name, p.tests[0].text, got)
		return
	}
	if p.explainQuick(s, name) {
		return
	}
	var bits [8]uint64
	listed := p.listed(s, bits[:])
	for i, rest := 0, p.rest; i < len(p.tests); i++ {
		if len(rest) > 0 && int(rest[0]) == i {
			rest = rest[1:]
		} else if listed != nil && listed[i>>6]>>(i&63)&1 == 0 {
			continue
		}
		if ok, got := p.try(&p.tests[i], s); ok {
			s.add(p, name, p.tests[i].text, got)
			if !p.all {
				break
			}
		}
	}
}

// explainQuick is explain for a predicate of plain texts over a field with one
// value.
func (p *predicate) explainQuick(s *subject, name string) bool {
	n := s.view.numbers[p.number]
	if n == 0 {
		return false
	}
	q, first := &s.view.quicks[n-1], s.first[p.slot]
	if q.kind <= slowAll || q.kind >= nothing || first == 0 || s.next[first-1] != 0 {
		return false
	}
	for i := range s.view.values[q.from:q.to] {
		if s.one(q, &s.view.values[int(q.from)+i], first) {
			s.add(p, name, p.tests[i].text, s.event.Fields[first-1].Text)
			if !p.all {
				break
			}
		}
	}
	return true
}

// only returns the value for which a predicate holds, if nothing else can be it:
// there is one test, and the field has one value.
func (p *predicate) only(s *subject) (string, bool) {
	if len(p.tests) != 1 || p.field == "" || p.op == sigma.Exists || p.tests[0].null {
		return "", false
	}
	first := s.first[p.slot]
	if first == 0 || s.next[first-1] != 0 {
		return "", false
	}
	return s.event.Fields[first-1].Text, true
}

// says is how a predicate's operator is told.
func says(p *predicate) string {
	op := p.op.String()
	if p.part != sigma.Whole {
		op = [...]string{"", "minute", "hour", "day", "week", "month", "year"}[p.part] + " " + op
	}
	if p.ref {
		op += " field"
	}
	if p.negated {
		op = "not " + op
	}
	return op
}
