package query

import (
	"fmt"
	"strconv"
	"strings"
)

func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return &Error{Pos: p.tok.pos, Len: 1, What: fmt.Sprintf("this nests deeper than %d levels", MaxDepth)}
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) expr() (Expr, error) { return p.chain("or", p.conjunction) }

func (p *parser) conjunction() (Expr, error) { return p.chain("and", p.comparison) }

func (p *parser) chain(op string, operand func() (Expr, error)) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := operand()
	for err == nil && p.word(op) {
		if err = p.advance(); err != nil {
			break
		}
		var right Expr
		if right, err = operand(); err == nil {
			left = Binary{join(left, right), op, left, right}
		}
	}
	return left, err
}

func join(a, b Expr) span {
	ap, _ := a.At()
	bp, bl := b.At()
	return span{ap, bp + bl - ap}
}

var textOps = []string{
	"contains", "has", "startswith", "endswith", "contains_cs", "has_cs", "startswith_cs", "endswith_cs", "in", "in~", "between", "matches",
	"hasprefix", "hassuffix", "hasprefix_cs", "hassuffix_cs", "has_any", "has_all",
}

func (p *parser) comparison() (Expr, error) {
	if p.word("not") {
		at := p.tok
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.comparison()
		return Not{span{at.pos, p.last - at.pos}, e}, err
	}
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	op := p.tok
	switch op.kind {
	case tokSign:
		switch op.text {
		case "==", "!=", "=~", "!~", "<", "<=", ">", ">=":
			if err := p.advance(); err != nil {
				return nil, err
			}
			right, err := p.sum()
			if err != nil {
				return nil, err
			}
			return Binary{join(left, right), op.text, left, right}, nil
		}
	case tokWord:
		return p.textOp(left, op)
	}
	return left, nil
}

func (p *parser) textOp(left Expr, op token) (Expr, error) {
	name := strings.ToLower(op.text)
	name, negated := strings.CutPrefix(name, "!")
	if !contains(textOps, name) {
		switch name {
		case "and", "or", "by", "asc", "desc", "with", "on", "nulls", "to":
			return left, nil
		}
		return nil, &Error{Pos: op.pos, Len: op.end - op.pos, What: fmt.Sprintf("%q is no operator", op.text), Suggest: suggest(name, textOps, "compare with ==, !=, =~, <, >, contains, has, startswith, endswith, in, between")}
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.textOperand(left, name)
	if err != nil {
		return nil, err
	}
	if negated {
		return Not{join(left, e), e}, nil
	}
	return e, nil
}

// listOf reads (a, b), (name given by let) or (query).
func (p *parser) listOf() (list []Expr, from Source, err error) {
	if err := p.expect("("); err != nil {
		return nil, nil, err
	}
	if p.startsTabular() {
		if from, err = p.sub(); err != nil {
			return nil, nil, err
		}
		return nil, from, p.expect(")")
	}
	if list, err = p.list(); err != nil {
		return nil, nil, err
	}
	var flat []Expr
	for _, e := range list {
		if l, ok := e.(List); ok {
			flat = append(flat, l.Items...)
		} else {
			flat = append(flat, e)
		}
	}
	if len(flat) > maxList {
		pos, l := flat[0].At()
		return nil, nil, &Error{Pos: pos, Len: l, What: fmt.Sprintf("a list has at most %d values", maxList)}
	}
	return flat, nil, nil
}

const maxList = 5000

func (p *parser) textOperand(left Expr, name string) (Expr, error) {
	switch name {
	case "in", "in~":
		list, from, err := p.listOf()
		if err != nil {
			return nil, err
		}
		pos, _ := left.At()
		return In{span{pos, p.last - pos}, left, list, from, name == "in~"}, nil
	case "has_any", "has_all":
		list, from, err := p.listOf()
		if err == nil && from != nil {
			err = &Error{Pos: p.last - 1, Len: 1, What: name + " takes texts, not rows", Suggest: `write ` + name + ` ("a", "b")`}
		}
		if err != nil {
			return nil, err
		}
		pos, _ := left.At()
		return Any{span{pos, p.last - pos}, "has", left, list, name == "has_all"}, nil
	case "between":
		if err := p.expect("("); err != nil {
			return nil, err
		}
		low, err := p.sum()
		if err != nil {
			return nil, err
		}
		if err := p.expect(".."); err != nil {
			return nil, err
		}
		high, err := p.sum()
		if err != nil {
			return nil, err
		}
		return Between{join(left, high), left, low, high}, p.expect(")")
	case "matches":
		if !p.word("regex") {
			return nil, p.unexpected("regex")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	right, err := p.sum()
	if err != nil {
		return nil, err
	}
	return Binary{join(left, right), name, left, right}, nil
}

// list reads expressions up to and with the closing parenthesis.
func (p *parser) list() ([]Expr, error) {
	var out []Expr
	for !p.sign(")") {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		if p.sign(",") {
			if err := p.advance(); err != nil {
				return nil, err
			}
			continue
		}
		if !p.sign(")") {
			return nil, p.unexpected(`"," or ")"`)
		}
	}
	return out, p.advance()
}

func (p *parser) sum() (Expr, error) { return p.arithmetic("+-", p.product) }

func (p *parser) product() (Expr, error) { return p.arithmetic("*/%", p.postfix) }

// postfix reads what follows a value: [0] of a list, ["name"] of a field.
func (p *parser) postfix() (Expr, error) {
	e, err := p.primary()
	for err == nil && (p.sign("[") || p.sign(".")) && p.tok.pos == p.last {
		pos, _ := e.At()
		if p.sign(".") {
			if e, err = p.members(e); err != nil {
				return nil, err
			}
			continue
		}
		if err = p.advance(); err != nil {
			return nil, err
		}
		key, sign := p.tok, 1
		if err = p.advance(); err != nil {
			return nil, err
		}
		if key.kind == tokSign && key.text == "-" && p.tok.kind == tokNumber { // from the end
			key, sign = p.tok, -1
			if err = p.advance(); err != nil {
				return nil, err
			}
		}
		at := span{pos, p.tok.end - pos}
		f, isField := e.(Field)
		switch {
		case key.kind == tokText && isField && strings.EqualFold(f.Name, "fields"):
			e = Field{at, key.text}
		case key.kind == tokText && isField:
			e = Field{at, f.Name + "." + key.text}
		case key.kind == tokText:
			e = Member{at, e, key.text}
		case key.kind == tokNumber && len(key.text) < 6 && !strings.Contains(key.text, "."):
			n, _ := strconv.Atoi(key.text)
			e = Index{at, e, sign * n}
		default:
			return nil, &Error{Pos: key.pos, Len: max(key.end-key.pos, 1), What: "a number or a name in quotes should stand here"}
		}
		err = p.expect("]")
	}
	return e, err
}

// members reads .name.name after a value.
func (p *parser) members(of Expr) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind != tokWord || p.tok.pos != p.last {
		return nil, p.unexpected("a name")
	}
	pos, _ := of.At()
	for _, name := range strings.Split(p.tok.text, ".") {
		of = Member{span{pos, p.tok.end - pos}, of, name}
	}
	return of, p.advance()
}

func (p *parser) arithmetic(ops string, operand func() (Expr, error)) (Expr, error) {
	left, err := operand()
	for err == nil && p.tok.kind == tokSign && len(p.tok.text) == 1 && strings.Contains(ops, p.tok.text) {
		op := p.tok.text
		if err = p.advance(); err != nil {
			break
		}
		var right Expr
		if right, err = operand(); err == nil {
			left = constant(Binary{join(left, right), op, left, right})
		}
	}
	return left, err
}

func (p *parser) primary() (Expr, error) {
	t := p.tok
	at := span{t.pos, t.end - t.pos}
	switch t.kind {
	case tokText:
		return Text{at, t.text}, p.advance()
	case tokNumber:
		return Number{at, t.text}, p.advance()
	case tokSpan:
		return Span{at, t.dur}, p.advance()
	case tokWord:
		return p.worded(t, at)
	case tokSign:
		return p.signed(t, at)
	}
	return nil, p.unexpected("a field or a value")
}

// negative is a value below nothing.
func (p *parser) negative(at span) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	pos, l := e.At()
	whole := span{at.pos, pos + l - at.pos}
	switch e := e.(type) {
	case Number:
		if !strings.HasPrefix(e.Value, "-") {
			return Number{whole, "-" + e.Value}, nil
		}
	case Span:
		return Span{whole, -e.Value}, nil
	}
	return Binary{whole, "-", Number{at, "0"}, e}, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
