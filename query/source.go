package query

import (
	"fmt"
	"strings"
)

// let reads let name = a value, or rows, and the semicolon.
func (p *parser) let() error {
	if err := p.advance(); err != nil { // the word let
		return err
	}
	if err := p.advance(); err != nil {
		return err
	}
	name := p.tok
	if _, ok := p.lets[name.text]; ok || name.text == "events" {
		return &Error{Pos: name.pos, Len: name.end - name.pos, What: fmt.Sprintf("%q has a meaning already", name.text), Suggest: "choose another name"}
	}
	if len(p.lets) == 100 {
		return &Error{Pos: name.pos, Len: name.end - name.pos, What: "a query has at most 100 names given by let"}
	}
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect("="); err != nil {
		return err
	}
	if p.takesArguments() {
		return &Error{Pos: name.pos, Len: name.end - name.pos, What: "let makes no functions", Suggest: "give a name to rows or to a value, and write the rest where it is used"}
	}
	var l let
	var err error
	if p.startsTabular() {
		l.from, err = p.sub()
	} else {
		l.expr, err = p.expr()
	}
	if err != nil {
		return err
	}
	if !p.sign(";") {
		return p.unexpected("; after what let gives a name to")
	}
	p.lets[name.text] = l
	p.pos, p.tok = p.tok.end, token{}
	return nil
}

// takesArguments tells () and (name: type from a value in parentheses.
func (p *parser) takesArguments() bool {
	if !p.sign("(") {
		return false
	}
	l := lexer{s: p.s, pos: p.tok.end}
	first, err := l.next()
	if err != nil || first.kind == tokSign {
		return err == nil && first.text == ")"
	}
	colon, err := l.next()
	return err == nil && first.kind == tokWord && colon.kind == tokSign && colon.text == ":"
}

// startsTabular tells rows from a value.
func (p *parser) startsTabular() bool {
	if p.tok.kind == tokSign && p.tok.text == "(" {
		l := lexer{s: p.s, pos: p.tok.end}
		t, err := l.next()
		return err == nil && p.tabularWord(t)
	}
	return p.tabularWord(p.tok)
}

func (p *parser) tabularWord(t token) bool {
	return t.kind == tokWord && (t.text == "events" || t.text == "union" || t.text == "datatable" || t.text == "materialize" || p.lets[t.text].from != nil)
}

// sub reads a source and the steps after it.
func (p *parser) sub() (Source, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	from, err := p.tabular()
	if err != nil {
		return nil, err
	}
	q := &Query{From: from}
	if err := p.pipe(q); err != nil {
		return nil, err
	}
	if q.Render != "" {
		return nil, &Error{Pos: p.last, What: "render stands at the end of the whole query only"}
	}
	return Sub{q}, nil
}

// tabular reads a source: events, a name, union, datatable or a query in
// parentheses.
func (p *parser) tabular() (Source, error) {
	t := p.tok
	if p.sign("(") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		s, err := p.sub()
		if err != nil {
			return nil, err
		}
		return s, p.expect(")")
	}
	if t.kind != tokWord {
		return nil, p.unexpected("a query in parentheses or a name")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch t.text {
	case "events":
		return Events{}, nil
	case "union":
		of, err := p.sources()
		return Union{of}, err
	case "datatable":
		return p.datatable(t)
	case "materialize": // a hint of Kusto's, which changes nothing here
		if !p.sign("(") {
			return nil, p.unexpected(`"("`)
		}
		return p.tabular()
	}
	if l := p.lets[t.text]; l.from != nil {
		return l.from, nil
	}
	names := []string{"events", "union", "datatable"}
	for n, l := range p.lets {
		if l.from != nil {
			names = append(names, n)
		}
	}
	return nil, &Error{
		Pos: t.pos, Len: t.end - t.pos, What: fmt.Sprintf("there are no rows called %q", t.text),
		Suggest: suggest(t.text, names, "rows come from events; others may be given a name: let name = events | where …;"),
	}
}

// sources reads the operands of union.
func (p *parser) sources() ([]Source, error) {
	for p.word("kind") || p.word("isfuzzy") || p.word("withsource") { // a hint that changes nothing here, or what is not known
		t := p.tok
		if err := p.advance(); err != nil {
			return nil, err
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		if v := strings.ToLower(p.tok.text); v != "outer" && !strings.EqualFold(t.text, "isfuzzy") {
			return nil, &Error{Pos: p.tok.pos, Len: p.tok.end - p.tok.pos, What: fmt.Sprintf("union knows no %s=%s", t.text, v), Suggest: "leave it out: all columns of all are kept"}
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	var of []Source
	for {
		s, err := p.tabular()
		if err != nil {
			return nil, err
		}
		of = append(of, s)
		if !p.sign(",") {
			return of, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// datatable reads datatable(name:type, …)[value, …].
func (p *parser) datatable(t token) (Source, error) {
	out := Table{span: span{t.pos, t.end - t.pos}}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	for {
		c, err := p.typed()
		if err != nil {
			return nil, err
		}
		out.Columns = append(out.Columns, c)
		if !p.sign(",") {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	cells, err := p.bracketed()
	if err != nil {
		return nil, err
	}
	n := len(out.Columns)
	if len(cells)%n != 0 {
		return nil, &Error{Pos: t.pos, Len: p.last - t.pos, What: fmt.Sprintf("%d values do not fill rows of %d columns", len(cells), n)}
	}
	for i := 0; i < len(cells); i += n {
		out.Rows = append(out.Rows, cells[i:i+n])
	}
	return out, nil
}

var types = []string{"string", "int", "long", "real", "double", "datetime", "bool", "timespan", "dynamic"}

// typed reads name:type.
func (p *parser) typed() (TableColumn, error) {
	f, err := p.name()
	if err != nil {
		return TableColumn{}, err
	}
	c := TableColumn{f.Name, "string"}
	if !p.sign(":") {
		return c, nil
	}
	if err := p.advance(); err != nil {
		return c, err
	}
	c.Type = strings.ToLower(p.tok.text)
	if p.tok.kind != tokWord || !contains(types[:8], c.Type) {
		return c, &Error{Pos: p.tok.pos, Len: max(p.tok.end-p.tok.pos, 1), What: fmt.Sprintf("%s is no type", p.tok), Suggest: suggest(p.tok.text, types[:8], "the types are "+strings.Join(types[:8], ", "))}
	}
	return c, p.advance()
}

// bracketed reads [value, …].
func (p *parser) bracketed() ([]Expr, error) {
	if err := p.expect("["); err != nil {
		return nil, err
	}
	var out []Expr
	for !p.sign("]") {
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		if !p.sign(",") && !p.sign("]") {
			return nil, p.unexpected(`"," or "]"`)
		}
		if p.sign(",") {
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
	}
	return out, p.advance()
}
