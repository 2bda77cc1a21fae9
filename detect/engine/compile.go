package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"regexp"
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

// compiler gives fields and predicates their numbers. Predicates that say the
// same are one.
type compiler struct {
	names map[string]int32
	same  map[string]*predicate // by what a predicate says
	key   []byte
	mem   *arena
}

func (c *compiler) slot(name string) int32 {
	n, ok := c.names[name]
	if !ok {
		n = int32(len(c.names))
		c.names[name] = n
	}
	return n
}

// keyOf writes down what an item says.
func keyOf(b []byte, it *sigma.Item) []byte {
	flag := func(is bool) byte {
		if is {
			return 1
		}
		return 0
	}
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(it.Field)
	b = append(b, byte(it.Op), flag(it.All), flag(it.Cased), flag(it.Negated), flag(it.FieldRef), byte(it.Part))
	for i := range it.Values {
		v := &it.Values[i]
		b = append(b, byte(v.Kind), flag(v.True), byte(len(v.Patterns)))
		text(v.Text)
		text(v.Regex)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.Number))
		b = v.Net.AppendTo(append(b, ' '))
		for _, p := range v.Patterns {
			b = binary.AppendUvarint(b, uint64(len(p)))
			for _, t := range p {
				b = append(b, byte(t.Kind))
				text(t.Text)
			}
		}
	}
	return b
}

// search is selections and a condition over them.
type search struct {
	selections []selection
	condition  sigma.Expr
}

type selection struct {
	name    string
	clauses [][]*predicate
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
	says    string // the operator, for reasons
	tests   []test
	// among is an index of the texts of a long list, of which any will do, by
	// test; but for the tests that rest names, in order.
	among *fieldIndex
	rest  []int32
	// chance guesses in how many of the events in one, for which the rule is a
	// candidate, it holds.
	chance float64
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
	// asked says that asks are pairs that every match of re has, folded.
	asks  threeGrams
	asked bool
	// shortest is how many bytes every match of re has at least.
	shortest int
	// window is what every match of re has, in texts of ASCII.
	window *window
}

func (c *compiler) search(selections []sigma.Selection, condition sigma.Expr) (search, error) {
	s := search{condition: condition}
	if condition == nil {
		return s, fmt.Errorf("the rule has no condition")
	}
	for _, sel := range selections {
		out := selection{name: sel.Name}
		for _, clause := range sel.Clauses {
			ps := make([]*predicate, 0, len(clause))
			for i := range clause {
				p, err := c.item(&clause[i])
				if err != nil {
					return s, fmt.Errorf("selection %s: %w", sel.Name, err)
				}
				ps = append(ps, p)
			}
			out.clauses = append(out.clauses, ps)
		}
		s.selections = append(s.selections, out)
	}
	return s, nil
}

func (c *compiler) item(it *sigma.Item) (*predicate, error) {
	c.key = keyOf(c.key[:0], it)
	if p := c.same[string(c.key)]; p != nil {
		return p, nil
	}
	p := &predicate{
		field: it.Field, slot: c.slot(it.Field), number: int32(len(c.same)), op: it.Op, all: it.All, cased: it.Cased,
		negated: it.Negated, ref: it.FieldRef, part: it.Part, tests: make([]test, 0, len(it.Values)),
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
			t.re, t.needs, t.window = re, required(v.Regex), windowOf(v.Regex)
			t.asks, t.asked = rarest(t.needs)
			t.shortest = shortest(v.Regex)
		}
		for _, pattern := range v.Patterns {
			t.globs = append(t.globs, compileGlob(pattern, it.Op, it.Cased))
		}
		p.tests = append(p.tests, t)
	}
	p.says = says(p)
	p.indexList(c.mem)
	p.chance = chanceOf(p)
	c.same[string(c.key)] = p
	return p, nil
}

// long is from how many values on a list gets an index of its own.
const long = 8

// indexList makes the index of a long list of plain texts.
func (p *predicate) indexList(mem *arena) {
	if p.all || p.cased || p.ref || p.field == "" || p.part != sigma.Whole || len(p.tests) < long {
		return
	}
	b := newBuilder()
	var rest []int32
	for i := range p.tests {
		if t := &p.tests[i]; t.isPlain() {
			for j := range t.globs {
				text, where := t.globs[j].needs()
				b.add(int32(i), witness{0, where, text})
			}
		} else {
			rest = append(rest, int32(i))
		}
	}
	if len(p.tests)-len(rest) >= long {
		p.among, p.rest = b.done(mem)[0], rest
	}
}

// isPlain reports whether a test asks for nothing but texts, none of them empty.
func (t *test) isPlain() bool {
	if t.null || t.re != nil || len(t.globs) == 0 {
		return false
	}
	for i := range t.globs {
		if text, _ := t.globs[i].needs(); !t.globs[i].plain || text == "" {
			return false
		}
	}
	return true
}

// glob is a pattern cut at its "*"s. The first part is bound to the start of
// the text and the last to its end, unless open says otherwise.
type glob struct {
	parts               [][]sigma.Token
	openLeft, openRight bool
	// literal is set if the glob is one plain text.
	literal string
	plain   bool
	// asked says that asks are pairs of bytes that every match has.
	asks  threeGrams
	asked bool
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
	g.asks, g.asked = g.asks3()
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
