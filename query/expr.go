package query

import (
	"fmt"
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
		case "and", "or", "by", "asc", "desc":
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

func (p *parser) textOperand(left Expr, name string) (Expr, error) {
	switch name {
	case "in", "in~":
		if err := p.expect("("); err != nil {
			return nil, err
		}
		list, err := p.list()
		if err != nil {
			return nil, err
		}
		pos, _ := left.At()
		return In{span{pos, p.last - pos}, left, list, name == "in~"}, nil
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

func (p *parser) product() (Expr, error) { return p.arithmetic("*/%", p.primary) }

func (p *parser) arithmetic(ops string, operand func() (Expr, error)) (Expr, error) {
	left, err := operand()
	for err == nil && p.tok.kind == tokSign && len(p.tok.text) == 1 && strings.Contains(ops, p.tok.text) {
		op := p.tok.text
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
		return p.named1(t, at)
	case tokSign:
		return p.signed(t, at)
	}
	return nil, p.unexpected("a field or a value")
}

func (p *parser) signed(t token, at span) (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	switch t.text {
	case "(":
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case "[":
		if err := p.advance(); err != nil {
			return nil, err
		}
		name := p.tok
		if name.kind != tokText {
			return nil, p.unexpected("a field name in quotes")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		f := Field{span{at.pos, p.tok.end - at.pos}, name.text}
		return f, p.expect("]")
	case "-":
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.primary()
		if err != nil {
			return nil, err
		}
		if n, ok := e.(Number); ok {
			return Number{span{at.pos, n.pos + n.len - at.pos}, "-" + n.Value}, nil
		}
		pos, l := e.At()
		return nil, &Error{Pos: at.pos, Len: pos + l - at.pos, What: "only a number can be negative"}
	}
	return nil, p.unexpected("a field or a value")
}

func (p *parser) named1(t token, at span) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	low := strings.ToLower(t.text)
	if !p.sign("(") {
		switch low {
		case "true", "false":
			return Boolean{at, low == "true"}, nil
		case "and", "or", "by", "asc", "desc", "where", "summarize":
			return nil, &Error{Pos: t.pos, Len: at.len, What: fmt.Sprintf("%q stands where a field or a value should", t.text), Suggest: "a field of that name is written ['" + t.text + "']"}
		}
		return Field{at, t.text}, nil
	}
	if low == "datetime" {
		return p.datetime(t)
	}
	if _, ok := functions[low]; !ok {
		return nil, &Error{Pos: t.pos, Len: at.len, What: fmt.Sprintf("there is no function %q", t.text), Suggest: suggest(low, functionNames(), "")}
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.advance(); err != nil {
		return nil, err
	}
	args, err := p.list()
	if err != nil {
		return nil, err
	}
	c := Call{span{t.pos, p.last - t.pos}, low, args}
	return p.checkCall(c)
}

// datetime reads datetime(2026-01-31T12:00:00Z), whose inside is no expression.
func (p *parser) datetime(t token) (Expr, error) {
	end := strings.IndexByte(p.s[p.tok.pos:], ')')
	if end < 0 {
		return nil, &Error{Pos: t.pos, Len: len(p.s) - t.pos, What: "datetime( has no closing )"}
	}
	inside := strings.Trim(strings.TrimSpace(p.s[p.tok.pos+1:p.tok.pos+end]), `"'`)
	p.pos = p.tok.pos + end + 1
	e, err := p.instant(inside, span{t.pos, p.pos - t.pos})
	if err != nil {
		return nil, err
	}
	return e, p.advance()
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
