package engine

import (
	"regexp/syntax"
	"slices"
	"strings"

	"holdfast/detect/sigma"
)

// place says where in a value a literal must stand.
type place uint8

const (
	inside place = iota
	whole
	atStart
	atEnd
)

// witness is a literal in a field. Of a rule's witnesses at least one must be
// in an event for which the rule holds: an event with none of them need not be
// looked at. The field is a slot, or anywhere for keywords.
type witness struct {
	slot  int32
	place place
	text  string // folded
}

// anywhere stands for every field and the record itself.
const anywhere int32 = -1

// witnesses is a set, with what it is expected to cost: about how many events
// in one have one of them.
type witnesses struct {
	set   []witness
	cost  float64
	preds []int32 // the predicates that they come from
}

func (w *witnesses) add(o witnesses) {
	w.set = append(w.set, o.set...)
	w.preds = append(w.preds, o.preds...)
	w.cost += o.cost
}

// witnesses finds the cheapest witnesses of a rule; false if it has none.
func (x *search) witnesses() (witnesses, bool) { return x.ofExpr(x.condition) }

func (x *search) ofExpr(e sigma.Expr) (witnesses, bool) {
	switch e := e.(type) {
	case sigma.And:
		l, lok := x.ofExpr(e.Left)
		r, rok := x.ofExpr(e.Right)
		if !lok || rok && r.cost < l.cost {
			return r, rok
		}
		return l, lok
	case sigma.Or:
		l, lok := x.ofExpr(e.Left)
		r, rok := x.ofExpr(e.Right)
		l.add(r)
		return l, lok && rok
	case sigma.Ref:
		return x.selections[e.Selection].witnesses()
	case sigma.Of:
		return x.ofSelections(e)
	}
	return witnesses{}, false // what stands under a "not" says nothing
}

// ofSelections takes the cheapest selection if all must hold; else any may be
// the one that does.
func (x *search) ofSelections(e sigma.Of) (witnesses, bool) {
	var best, union witnesses
	found, every := false, len(e.Selections) > 0 && e.Least > 0
	for _, i := range e.Selections {
		w, ok := x.selections[i].witnesses()
		every = every && ok
		if !ok {
			continue
		}
		union.add(w)
		if !found || w.cost < best.cost {
			best, found = w, true
		}
	}
	if e.Least >= len(e.Selections) {
		return best, found
	}
	return union, every
}

func (sel *selection) witnesses() (witnesses, bool) {
	var union witnesses
	for _, clause := range sel.clauses {
		var best witnesses
		found := false
		for _, p := range clause {
			if w, ok := p.witnesses(); ok && (!found || w.cost < best.cost) {
				best, found = w, true
			}
		}
		if !found {
			return witnesses{}, false
		}
		union.add(best)
	}
	return union, len(sel.clauses) > 0
}

func (p *predicate) witnesses() (witnesses, bool) {
	if p.negated || p.ref || p.part != sigma.Whole || len(p.tests) == 0 {
		return witnesses{}, false
	}
	var best, union witnesses
	found := false
	for i := range p.tests {
		w, ok := p.ofTest(&p.tests[i])
		if !ok && !p.all {
			return witnesses{}, false
		}
		if !ok {
			continue
		}
		union.add(w)
		if !found || w.cost < best.cost {
			best, found = w, true
		}
	}
	if p.all {
		best.preds = []int32{p.number}
		return best, found
	}
	union.preds = []int32{p.number}
	return union, true
}

// chanceOf guesses how often a predicate holds.
func chanceOf(p *predicate) float64 {
	w, ok := p.witnesses()
	switch {
	case p.negated || !ok:
		return 0.5
	case p.op == sigma.Regex:
		return min(w.cost, 0.2)
	}
	return min(w.cost, 0.9)
}

func (p *predicate) ofTest(t *test) (witnesses, bool) {
	if t.null || p.op == sigma.Exists {
		return witnesses{}, false
	}
	var out witnesses
	if t.re != nil {
		text := required(t.re.String())
		if text == "" {
			return out, false
		}
		out.add(p.witness(text, inside))
		return out, true
	}
	if len(t.globs) == 0 {
		return out, false
	}
	for i := range t.globs {
		text, where := t.globs[i].needs()
		if p.cased {
			text = fold(text)
		}
		if p.field == "" {
			where = inside // a keyword may also stand in the record
		}
		if text == "" && where != whole {
			return witnesses{}, false
		}
		out.add(p.witness(text, where))
	}
	return out, true
}

func (p *predicate) witness(text string, where place) witnesses {
	slot := p.slot
	if p.field == "" {
		slot = anywhere
	}
	return witnesses{set: []witness{{slot, where, text}}, cost: cost(p.field, text, where)}
}

// needs returns the literal that a glob cannot do without, and where it stands.
func (g *glob) needs() (string, place) {
	if g.plain {
		switch {
		case len(g.parts) == 0 && (g.openLeft || g.openRight):
			return "", inside
		case g.openLeft && g.openRight:
			return g.literal, inside
		case g.openLeft:
			return g.literal, atEnd
		case g.openRight:
			return g.literal, atStart
		}
		return g.literal, whole
	}
	best, where := "", inside
	for i, part := range g.parts {
		for j, tok := range part {
			if tok.Kind != sigma.Literal || len(tok.Text) <= len(best) {
				continue
			}
			best, where = tok.Text, inside
			if i == 0 && j == 0 && !g.openLeft {
				where = atStart
			}
			if i == len(g.parts)-1 && j == len(part)-1 && !g.openRight {
				where = atEnd
			}
		}
	}
	return best, where
}

// required returns the longest literal that every match of an expression has,
// folded; "" if there is none.
func required(expr string) string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return ""
	}
	return longest(re.Simplify())
}

// shortest returns how many bytes every match of an expression has at least.
func shortest(expr string) int {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return 0
	}
	return leastBytes(re)
}

// leastBytes counts a character as one byte, which any can be that a match has
// for it.
func leastBytes(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return leastBytes(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * leastBytes(re.Sub[0])
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n += leastBytes(sub)
		}
		return n
	case syntax.OpAlternate:
		n := leastBytes(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = min(n, leastBytes(sub))
		}
		return n
	default:
		return 0
	}
}

func longest(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase == 0 {
			return fold(text)
		}
		// Beyond ASCII, letters may be equal in more ways than fold knows.
		best := ""
		for _, run := range strings.FieldsFunc(fold(text), func(r rune) bool { return r >= 0x80 }) {
			if len(run) > len(best) {
				best = run
			}
		}
		return best
	case syntax.OpCapture, syntax.OpPlus:
		return longest(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return longest(re.Sub[0])
		}
	case syntax.OpCharClass:
		return letter(re)
	case syntax.OpConcat:
		best, row := "", ""
		for _, sub := range re.Sub {
			text := longest(sub)
			switch {
			case sub.Op == syntax.OpCharClass && text != "" || sub.Op == syntax.OpLiteral && sub.Flags&syntax.FoldCase == 0:
				row += text // they stand side by side
				text = row
			default:
				row = ""
			}
			if len(text) > len(best) {
				best = text
			}
		}
		return best
	}
	return ""
}

// letter is the folded letter of a class that has it in both cases and nothing
// else; "" for every other class.
func letter(re *syntax.Regexp) string {
	if len(re.Rune) > 4 {
		return ""
	}
	one := ""
	for i := 0; i+1 < len(re.Rune); i += 2 {
		if re.Rune[i] != re.Rune[i+1] || re.Rune[i] >= 0x80 {
			return ""
		}
		text := fold(string(re.Rune[i]))
		if one != "" && text != one {
			return ""
		}
		one = text
	}
	return one
}

// frequent are parts of values that many events have.
var frequent = []string{
	`c:\`, `c:\windows\system32\`, `c:\program files (x86)\`, `\windows\`, `\system32\`, `\users\`, `\program files`, `\appdata\`, `\temp\`, `.exe`, `.dll`, `microsoft`, `hklm\`, `\software\`,
	`\currentversion\`, `\services\`, `http`, `powershell`, `cmd.exe`, `rundll32`, `svchost`, `explorer`, ` /c `,
	`microsoft corporation`, `microsoft® windows® operating system`, `microsoft windows`, `nt authority\system`, `valid`, `true`, `false`, `medium`,
	`high`, `system`, `conhost.exe`, `services.exe`, `whoami.exe`,
}

// everywhere are programs that run, or start others, on every machine.
var everywhere = []string{
	`cmd.exe`, `powershell.exe`, `svchost.exe`, `explorer.exe`, `rundll32.exe`, `conhost.exe`, `services.exe`, `whoami.exe`, `lsass.exe`, `net.exe`, `reg.exe`,
}

// cost guesses how many events in one have a literal. Only the order matters.
func cost(field, text string, where place) float64 {
	c := 0.3
	switch n := len(text); {
	case n >= 10:
		c = 0.002
	case n >= 7:
		c = 0.005
	case n >= 5:
		c = 0.02
	case n >= 4:
		c = 0.1
	case n == 3:
		c = 0.25
	case n > 0 && where == inside:
		c = 0.6
	}
	if text != "" && text[0] >= 0x80 {
		c = 0.0005
	}
	if where == whole {
		c /= 2
	}
	switch field {
	case "EventID", "Provider_Name", "Channel", "Initiated", "IntegrityLevel":
		c = 0.3
	}
	for _, f := range frequent {
		if strings.Contains(f, text) || where != atEnd && len(text) < len(f)+3 && strings.Contains(text, f) {
			c = max(c, 0.2)
		}
	}
	if where == atEnd && slices.Contains(everywhere, strings.TrimPrefix(text, `\`)) {
		c = max(c, 0.1)
	}
	return c
}
