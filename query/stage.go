package query

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var operators = []string{
	"where", "filter", "extend", "project", "project-away", "project-rename", "project-reorder", "project-keep", "summarize", "distinct", "order", "sort", "top",
	"take", "limit", "count", "join", "lookup", "union", "parse", "mv-expand", "serialize", "render",
}

func (p *parser) stage() ([]Stage, error) {
	if p.sign("|") && p.tok.pos == p.last {
		return nil, &Error{Pos: p.last - 1, Len: 2, What: "a step of the pipe should stand here", Suggest: "to ask for one of two write or"}
	}
	if p.tok.kind != tokWord {
		return nil, p.unexpected("one of " + strings.Join(operators, ", "))
	}
	op := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	// project-away and the like: a hyphen without blanks.
	if p.sign("-") && p.tok.pos == op.end && p.tok.end < len(p.s) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		op.text, op.end = op.text+"-"+p.tok.text, p.tok.end
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	switch strings.ToLower(op.text) {
	case "where", "filter":
		e, err := p.expr()
		return []Stage{Where{e}}, err
	case "extend":
		cols, err := p.named()
		return []Stage{Extend{cols}}, err
	case "project":
		cols, err := p.named()
		return []Stage{Project{cols}}, err
	case "project-away":
		f, err := p.patterns()
		return []Stage{Away{f}}, err
	case "project-keep":
		f, err := p.patterns()
		return []Stage{Keep{f}}, err
	case "project-reorder":
		f, err := p.patterns()
		return []Stage{Reorder{f}}, err
	case "project-rename":
		return p.renames()
	case "distinct":
		if p.sign("*") {
			at := span{p.tok.pos, 1}
			return []Stage{Summarize{By: []Named{{Expr: Star{at}}}}}, p.advance()
		}
		cols, err := p.named()
		return []Stage{Summarize{By: cols}}, err
	case "summarize":
		return p.summarize()
	}
	return p.stage2(op)
}

func (p *parser) stage2(op token) ([]Stage, error) {
	switch strings.ToLower(op.text) {
	case "order", "sort":
		if err := p.expectWord("by"); err != nil {
			return nil, err
		}
		keys, err := p.keys()
		return []Stage{Order{keys}}, err
	case "top":
		n, err := p.rows()
		if err != nil {
			return nil, err
		}
		if err := p.expectWord("by"); err != nil {
			return nil, err
		}
		keys, err := p.keys()
		return []Stage{Order{keys}, Take{n}}, err
	case "take", "limit":
		n, err := p.rows()
		return []Stage{Take{n}}, err
	case "count":
		return []Stage{Count{}}, nil
	case "join", "lookup":
		return p.join(op)
	case "union":
		of, err := p.sources()
		return []Stage{Append{of}}, err
	case "parse":
		return p.parseStage()
	case "mv-expand", "mvexpand":
		return p.expand()
	case "serialize":
		if p.tok.kind != tokWord && !p.sign("[") {
			return nil, nil
		}
		cols, err := p.named()
		return []Stage{Extend{cols}}, err
	}
	return nil, &Error{
		Pos: op.pos, Len: op.end - op.pos, What: fmt.Sprintf("%q is no step of the pipe", op.text),
		Suggest: suggest(op.text, operators, "the steps are "+strings.Join(operators, ", ")),
	}
}

func (p *parser) summarize() ([]Stage, error) {
	var s Summarize
	var err error
	if !p.word("by") {
		if s.Aggregates, err = p.named(); err != nil {
			return nil, err
		}
	}
	if p.word("by") {
		if err = p.advance(); err != nil {
			return nil, err
		}
		if s.By, err = p.named(); err != nil {
			return nil, err
		}
	}
	return []Stage{s}, nil
}

// named reads columns with or without a name.
func (p *parser) named() ([]Named, error) {
	var out []Named
	for {
		n, err := p.named1()
		if err != nil {
			return nil, err
		}
		out = append(out, n)
		if len(out) > maxColumns {
			return nil, &Error{Pos: p.tok.pos, Len: 1, What: fmt.Sprintf("a step makes at most %d columns", maxColumns)}
		}
		if !p.sign(",") {
			return out, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) named1() (n Named, err error) {
	if p.names() { // also where let gave the name to something else
		n.Name = p.tok.text
		for range 2 {
			if err := p.advance(); err != nil {
				return n, err
			}
		}
		n.Expr, err = p.expr()
		return n, err
	}
	if n.Expr, err = p.expr(); err != nil || !p.sign("=") {
		return n, err
	}
	f, ok := n.Expr.(Field)
	if !ok {
		return n, fault(n.Expr, "what stands before = is the new column's name", "")
	}
	if err := p.advance(); err != nil {
		return n, err
	}
	n.Name = f.Name
	n.Expr, err = p.expr()
	return n, err
}

const maxColumns = 200

// names tells whether a word with = after it stands here.
func (p *parser) names() bool {
	if p.tok.kind != tokWord {
		return false
	}
	l := p.lexer
	t, err := l.next()
	return err == nil && t.kind == tokSign && t.text == "="
}

// patterns reads names of columns, which may end in *.
func (p *parser) patterns() ([]Field, error) {
	var out []Field
	for {
		f, err := p.name()
		if err != nil {
			return nil, err
		}
		if p.sign("*") && p.tok.pos == f.pos+f.len {
			f.Name, f.len = f.Name+"*", f.len+1
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		out = append(out, f)
		if !p.sign(",") {
			return out, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) renames() ([]Stage, error) {
	cols, err := p.named()
	if err != nil {
		return nil, err
	}
	for _, c := range cols {
		if _, ok := c.Expr.(Field); !ok || c.Name == "" {
			pos, l := c.Expr.At()
			return nil, &Error{Pos: pos, Len: l, What: "project-rename takes new = old", Suggest: "to compute a column use extend"}
		}
	}
	return []Stage{Rename{cols}}, nil
}

func (p *parser) keys() ([]Key, error) {
	var out []Key
	for {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		k := Key{Expr: e, Desc: true} // Kusto sorts descending unless told otherwise
		if p.word("asc") || p.word("desc") {
			k.Desc = p.word("desc")
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		if p.word("nulls") {
			if err := p.advance(); err != nil {
				return nil, err
			}
			if !p.word("first") && !p.word("last") {
				return nil, p.unexpected("first or last")
			}
			k.Turned = p.word("first") == k.Desc
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		out = append(out, k)
		if !p.sign(",") {
			return out, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

var joinKinds = []string{"inner", "innerunique", "leftouter", "leftanti", "leftsemi"}

func (p *parser) join(op token) ([]Stage, error) {
	j := Join{span: span{op.pos, op.end - op.pos}, Kind: "innerunique"}
	kinds := joinKinds
	if strings.EqualFold(op.text, "lookup") {
		j.Kind, j.Lookup, kinds = "leftouter", true, []string{"leftouter", "inner"}
	}
	if p.word("kind") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		j.Kind = strings.ToLower(p.tok.text)
		if j.Kind == "anti" || j.Kind == "semi" {
			j.Kind = "left" + j.Kind
		}
		if !contains(kinds, j.Kind) {
			return nil, &Error{Pos: p.tok.pos, Len: max(p.tok.end-p.tok.pos, 1), What: fmt.Sprintf("%s is no kind of %s", p.tok, op.text), Suggest: suggest(j.Kind, kinds, "the kinds are "+strings.Join(kinds, ", "))}
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	var err error
	if j.Right, err = p.tabular(); err != nil {
		return nil, err
	}
	if err := p.expectWord("on"); err != nil {
		return nil, err
	}
	for {
		pair, err := p.pair()
		if err != nil {
			return nil, err
		}
		j.On = append(j.On, pair)
		if !p.sign(",") && !p.word("and") {
			return []Stage{j}, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// pair reads a column both sides have, or $left.a == $right.b.
func (p *parser) pair() (Pair, error) {
	a, err := p.name()
	if err != nil {
		return Pair{}, err
	}
	if !p.sign("==") {
		if strings.HasPrefix(a.Name, "$") {
			return Pair{}, p.unexpected("==")
		}
		return Pair{a, a}, nil
	}
	if err := p.advance(); err != nil {
		return Pair{}, err
	}
	b, err := p.name()
	if err != nil {
		return Pair{}, err
	}
	al, aLeft := strings.CutPrefix(a.Name, "$left.")
	bl, bLeft := strings.CutPrefix(b.Name, "$left.")
	ar, aRight := strings.CutPrefix(a.Name, "$right.")
	br, bRight := strings.CutPrefix(b.Name, "$right.")
	switch {
	case aLeft && bRight:
		a.Name, b.Name = al, br
		return Pair{a, b}, nil
	case aRight && bLeft:
		a.Name, b.Name = ar, bl
		return Pair{b, a}, nil
	}
	return Pair{}, &Error{Pos: a.pos, Len: b.pos + b.len - a.pos, What: "a join compares a column of the left with one of the right", Suggest: "write $left.a == $right.b"}
}

// parseStage reads parse field with * "literal" name:type …, and makes a
// regular expression of it.
func (p *parser) parseStage() ([]Stage, error) {
	if p.word("kind") {
		return nil, &Error{Pos: p.tok.pos, Len: p.tok.end - p.tok.pos, What: "parse has one kind only", Suggest: "leave kind out; for a regular expression use extract"}
	}
	of, err := p.sum()
	if err != nil {
		return nil, err
	}
	if err := p.expectWord("with"); err != nil {
		return nil, err
	}
	s := ParseBy{Of: of}
	pattern, open := strings.Builder{}, false
	pattern.WriteString("(?s)^")
	for {
		switch {
		case p.sign("*"):
			pattern.WriteString(".*?")
			open = true
			err = p.advance()
		case p.tok.kind == tokText:
			pattern.WriteString(regexp.QuoteMeta(p.tok.text))
			open = false
			err = p.advance()
		case p.tok.kind == tokWord || p.sign("["):
			at := span{p.tok.pos, p.tok.end - p.tok.pos}
			if open {
				return nil, &Error{Pos: at.pos, Len: at.len, What: "a text in quotes should stand between two columns"}
			}
			var c TableColumn
			if c, err = p.typed(); err == nil {
				s.Columns, s.At = append(s.Columns, c), append(s.At, at)
				pattern.WriteString("(.*?)")
				open = true
			}
		default:
			if len(s.Columns) == 0 {
				return nil, p.unexpected("a text in quotes, * or the name of a column")
			}
			if len(s.Columns) > 30 || pattern.Len() > 4000 {
				return nil, &Error{Pos: s.At[0].pos, Len: s.At[0].len, What: "this pattern is too long"}
			}
			s.Pattern = pattern.String() + "$"
			if !open {
				s.Pattern = pattern.String()
			}
			return []Stage{s}, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) expand() ([]Stage, error) {
	cols, err := p.named()
	if err != nil {
		return nil, err
	}
	out := make([]Stage, len(cols))
	for i, c := range cols {
		if i > 0 {
			pos, l := c.Expr.At()
			return nil, &Error{Pos: pos, Len: l, What: "mv-expand takes one column", Suggest: "use it twice"}
		}
		if f, ok := c.Expr.(Field); ok && c.Name == "" {
			c.Name = f.Name
		}
		if c.Name == "" {
			pos, l := c.Expr.At()
			return nil, &Error{Pos: pos, Len: l, What: "a column needs a name", Suggest: "write name = expression"}
		}
		out[i] = Expand{c}
	}
	if p.word("to") { // to typeof(string): elements are texts, or numbers, anyway
		for range 2 {
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		if err := p.expect("("); err != nil {
			return nil, err
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		return out, p.expect(")")
	}
	return out, nil
}

var renders = []string{"table", "timechart", "barchart", "columnchart", "piechart", "linechart", "areachart", "scatterchart", "card"}

// render reads render kind [with (name=value, …)]. It is a hint for whoever
// shows the answer.
func (p *parser) render(q *Query) error {
	if err := p.advance(); err != nil {
		return err
	}
	q.Render = strings.ToLower(p.tok.text)
	if p.tok.kind != tokWord || !contains(renders, q.Render) {
		return &Error{Pos: p.tok.pos, Len: max(p.tok.end-p.tok.pos, 1), What: fmt.Sprintf("%s is nothing that can be drawn", p.tok), Suggest: suggest(q.Render, renders, "write render timechart, barchart or table")}
	}
	if err := p.advance(); err != nil || !p.word("with") {
		return err
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.sign(")") {
		if p.tok.kind == tokEnd {
			return p.unexpected(strconv.Quote(")"))
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}
