package engine

import (
	"slices"

	"holdfast/detect/sigma"
)

// Need is what an event must have for a rule to hold: a text, all of several
// needs, or any of them. It is never more than the rule asks, and mostly less.
type Need struct {
	// Text is in lower case, of ASCII that JSON writes as it is. It stands in the
	// value of a field; or, for a keyword, maybe only in the record.
	Text    string
	Keyword bool
	All     []Need
	Any     []Need
	// Texts counts those below.
	Texts int
}

const (
	// leastText is the shortest text that is worth to be looked for.
	leastText = 3
	// mostTexts is how many texts a rule is looked for by; by more, looking at
	// each event with the engine is no slower.
	mostTexts = 64
)

// Needs returns what a rule needs; false if nothing can be said, so that every
// event has to be looked at.
func (e *Engine) Needs(r *sigma.Rule) (Need, bool) {
	i := slices.IndexFunc(e.rules, func(c *compiled) bool { return c.rule == r })
	if i < 0 {
		return Need{}, false
	}
	s := &e.rules[i].search
	n, ok := s.need(s.condition)
	return n, ok && n.Texts <= mostTexts
}

func needAll(of ...Need) (Need, bool) {
	switch len(of) {
	case 0:
		return Need{}, false
	case 1:
		return of[0], true
	}
	slices.SortStableFunc(of, func(a, b Need) int { return a.Texts - b.Texts })
	out := Need{}
	for _, n := range of {
		if out.All != nil && out.Texts+n.Texts > mostTexts {
			break
		}
		out.All, out.Texts = append(out.All, n), out.Texts+n.Texts
	}
	return out, true
}

func needAny(of ...Need) (Need, bool) {
	switch len(of) {
	case 0:
		return Need{}, false
	case 1:
		return of[0], true
	}
	out := Need{Any: of}
	for _, n := range of {
		out.Texts += n.Texts
	}
	return out, true
}

func (x *search) need(e sigma.Expr) (Need, bool) {
	switch e := e.(type) {
	case sigma.And:
		l, lok := x.need(e.Left)
		r, rok := x.need(e.Right)
		switch {
		case lok && rok:
			return needAll(l, r)
		case lok:
			return l, true
		}
		return r, rok
	case sigma.Or:
		l, lok := x.need(e.Left)
		r, rok := x.need(e.Right)
		if !lok || !rok {
			return Need{}, false
		}
		return needAny(l, r)
	case sigma.Ref:
		return x.selections[e.Selection].need()
	case sigma.Of:
		var each []Need
		for _, i := range e.Selections {
			if n, ok := x.selections[i].need(); ok {
				each = append(each, n)
			}
		}
		switch {
		case e.Least >= len(e.Selections):
			return needAll(each...)
		case e.Least > 0 && len(each) == len(e.Selections):
			return needAny(each...)
		}
	}
	return Need{}, false // what stands under a "not" says nothing
}

func (sel *selection) need() (Need, bool) {
	var out []Need
	for _, clause := range sel.clauses {
		var each []Need
		for _, p := range clause {
			if n, ok := p.need(); ok {
				each = append(each, n)
			}
		}
		n, ok := needAll(each...)
		if !ok {
			return Need{}, false
		}
		out = append(out, n)
	}
	return needAny(out...)
}

func (p *predicate) need() (Need, bool) {
	if p.negated || p.ref || p.part != sigma.Whole {
		return Need{}, false
	}
	var each []Need
	for i := range p.tests {
		if n, ok := p.needOf(&p.tests[i]); ok {
			each = append(each, n)
		} else if !p.all {
			return Need{}, false
		}
	}
	if p.all {
		return needAll(each...)
	}
	return needAny(each...)
}

// needOf takes the witnesses of a test, of which any may be the one.
func (p *predicate) needOf(t *test) (Need, bool) {
	w, ok := p.ofTest(t)
	if !ok {
		return Need{}, false
	}
	var each []Need
	for _, x := range w.set {
		text := plainRun(x.text)
		if len(text) < leastText {
			return Need{}, false
		}
		each = append(each, Need{Text: text, Keyword: p.field == "", Texts: 1})
	}
	return needAny(each...)
}

// plainRun is the longest part of a text that JSON writes as it is, also where
// the letters around it have other cases that are no ASCII.
func plainRun(s string) string {
	best, start := "", 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' && s[i] != '<' && s[i] != '>' && s[i] != '&' {
			continue
		}
		if i-start > len(best) {
			best = s[start:i]
		}
		start = i + 1
	}
	return best
}
