package engine

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"holdfast/detect/sigma"
)

// compiled is a rule ready to match.
type compiled struct {
	rule   *sigma.Rule
	search search
	except []search // filters

	witnesses witnesses
	indexed   bool // else it is a candidate for every event
}

// compiler gives fields and predicates their numbers.
type compiler struct {
	names map[string]int32
	same  map[string]int32 // by what a predicate says
}

func (c *compiler) slot(name string) int32 {
	if _, ok := c.names[name]; !ok {
		c.names[name] = int32(len(c.names))
	}
	return c.names[name]
}

// number is the same for predicates that say the same.
func (c *compiler) number(it *sigma.Item) int32 {
	one := *it
	one.Pos = sigma.Pos{}
	one.Values = slices.Clone(it.Values)
	for i := range one.Values {
		one.Values[i].Pos = sigma.Pos{}
	}
	key := fmt.Sprintf("%+v", one)
	if _, ok := c.same[key]; !ok {
		c.same[key] = int32(len(c.same))
	}
	return c.same[key]
}

// search is selections and a condition over them.
type search struct {
	selections []selection
	condition  sigma.Expr
}

type selection struct {
	name    string
	clauses [][]predicate
	orders  [][]int32 // in which to try each clause's predicates
}

// predicate is one item.
type predicate struct {
	field   string
	slot    int32
	number  int32
	op      sigma.Op
	all     bool
	cased   bool
	negated bool
	ref     bool
	part    sigma.TimePart
	tests   []test
	// among is an index of the texts of a long list, of which any will do.
	among *fieldIndex
}

// test is one value of an item.
type test struct {
	text   string // as written
	null   bool
	globs  []glob
	re     *regexp.Regexp
	net    netip.Prefix
	number float64
	exists bool
	slot   int32 // of the field that it names
	// needs is a text that every match of re has, folded.
	needs string
	run   run
}

func (c *compiler) search(selections []sigma.Selection, condition sigma.Expr) (search, error) {
	s := search{condition: condition}
	if condition == nil {
		return s, fmt.Errorf("the rule has no condition")
	}
	for _, sel := range selections {
		out := selection{name: sel.Name}
		for _, clause := range sel.Clauses {
			var ps []predicate
			for i := range clause {
				p, err := c.item(&clause[i])
				if err != nil {
					return s, fmt.Errorf("selection %s: %w", sel.Name, err)
				}
				ps = append(ps, p)
			}
			order := make([]int32, len(ps))
			for i := range order {
				order[i] = int32(i)
			}
			slices.SortStableFunc(order, func(a, b int32) int { return ps[a].effort() - ps[b].effort() })
			out.clauses, out.orders = append(out.clauses, ps), append(out.orders, order)
		}
		s.selections = append(s.selections, out)
	}
	return s, nil
}

func (c *compiler) item(it *sigma.Item) (predicate, error) {
	p := predicate{
		field: it.Field, slot: c.slot(it.Field), number: c.number(it), op: it.Op, all: it.All, cased: it.Cased,
		negated: it.Negated, ref: it.FieldRef, part: it.Part,
	}
	for i := range it.Values {
		v := &it.Values[i]
		t := test{text: v.Text, null: v.Kind == sigma.Null, net: v.Net, number: v.Number, exists: v.True}
		if it.FieldRef {
			t.slot = c.slot(v.Text)
		}
		if v.Regex != "" || it.Op == sigma.Regex {
			re, err := regexp.Compile(v.Regex)
			if err != nil {
				return p, fmt.Errorf("field %s: %w", it.Field, err)
			}
			t.re, t.needs, t.run = re, required(v.Regex), runOf(v.Regex)
		}
		for _, pattern := range v.Patterns {
			t.globs = append(t.globs, compileGlob(pattern, it.Op, it.Cased))
		}
		p.tests = append(p.tests, t)
	}
	p.indexList()
	return p, nil
}

// effort orders predicates by what it takes to work them out.
func (p *predicate) effort() int {
	switch {
	case p.field == "":
		return 3
	case p.op == sigma.Regex || p.part != sigma.Whole:
		return 2
	case len(p.tests) > 1 && p.among == nil:
		return 1
	}
	return 0
}

// long is from how many values on a list gets an index of its own.
const long = 8

// indexList makes the index of a long list of plain texts.
func (p *predicate) indexList() {
	if p.all || p.cased || p.ref || p.field == "" || p.part != sigma.Whole || len(p.tests) < long {
		return
	}
	b := builder{fields: map[int32]*fieldIndex{}, inside: map[int32]map[string][]int32{}}
	for i := range p.tests {
		t := &p.tests[i]
		if t.null || t.re != nil || len(t.globs) == 0 {
			return
		}
		for j := range t.globs {
			text, where := t.globs[j].needs()
			if !t.globs[j].plain || text == "" {
				return
			}
			b.add(0, witness{0, where, text})
		}
	}
	p.among = b.done()[0]
}

// glob is a pattern cut at its "*"s. The first part is bound to the start of
// the text and the last to its end, unless open says otherwise.
type glob struct {
	parts               [][]sigma.Token
	openLeft, openRight bool
	// literal is set if the glob is one plain text.
	literal string
	plain   bool
}

func compileGlob(p sigma.Pattern, op sigma.Op, cased bool) glob {
	g := glob{
		openLeft:  op == sigma.Contains || op == sigma.EndsWith,
		openRight: op == sigma.Contains || op == sigma.StartsWith,
	}
	var part []sigma.Token
	for i, t := range p {
		if t.Kind != sigma.Any {
			if !cased {
				t.Text = fold(t.Text)
			}
			part = append(part, t)
			continue
		}
		if i == 0 {
			g.openLeft = true
		} else if len(part) > 0 {
			g.parts = append(g.parts, part)
			part = nil
		}
		if i == len(p)-1 {
			g.openRight = true
		}
	}
	if len(part) > 0 {
		g.parts = append(g.parts, part)
	}
	switch {
	case len(g.parts) == 0:
		g.plain = true
	case len(g.parts) == 1 && len(g.parts[0]) == 1 && g.parts[0][0].Kind == sigma.Literal:
		g.literal, g.plain = g.parts[0][0].Text, true
	}
	return g
}

// fold makes letters that differ only in case equal. Bytes that are no UTF-8
// stay as they are.
func fold(s string) string {
	ascii, upper := true, false
	for i := range len(s) {
		c := s[i]
		ascii = ascii && c < 0x80
		upper = upper || c >= 'A' && c <= 'Z'
	}
	if ascii {
		if !upper {
			return s
		}
		return strings.ToLower(s)
	}
	return foldUnicode(s)
}
