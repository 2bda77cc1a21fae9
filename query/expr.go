package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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
	for err == nil && p.sign("[") && p.tok.pos == p.last {
		pos, _ := e.At()
		if err = p.advance(); err != nil {
			return nil, err
		}
		key := p.tok
		if err = p.advance(); err != nil {
			return nil, err
		}
		at := span{pos, p.tok.end - pos}
		f, isField := e.(Field)
		switch {
		case key.kind == tokText && isField && strings.EqualFold(f.Name, "fields"):
			e = Field{at, key.text}
		case key.kind == tokText && isField:
			e = Field{at, f.Name + "." + key.text}
		case key.kind == tokNumber && len(key.text) < 6 && !strings.Contains(key.text, "."):
			n, _ := strconv.Atoi(key.text)
			e = Index{at, e, n}
		default:
			return nil, &Error{Pos: key.pos, Len: max(key.end-key.pos, 1), What: "a number or a name in quotes should stand here"}
		}
		err = p.expect("]")
	}
	return e, err
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
		return p.negative(at)
	case "*":
		return Star{at}, p.advance()
	}
	return nil, p.unexpected("a field or a value")
}

func (p *parser) worded(t token, at span) (Expr, error) {
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
		if l, ok := p.lets[t.text]; ok {
			if l.expr == nil { // rows; as a value it is a column of that name
				return Field{at, t.text}, nil
			}
			return moved(l.expr, at), nil
		}
		return Field{at, t.text}, nil
	}
	switch low {
	case "datetime":
		return p.datetime(t)
	case "timespan", "time":
		return p.timespan(t)
	case "dynamic":
		return p.dynamic(t)
	case "typeof":
		if err := p.advance(); err != nil {
			return nil, err
		}
		f, err := p.name()
		if err != nil {
			return nil, err
		}
		return Field{at, f.Name}, p.expect(")")
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

// timespan reads timespan(5m) and timespan(1.02:03:04).
func (p *parser) timespan(t token) (Expr, error) {
	end := strings.IndexByte(p.s[p.tok.pos:], ')')
	if end < 0 {
		return nil, &Error{Pos: t.pos, Len: len(p.s) - t.pos, What: t.text + "( has no closing )"}
	}
	inside := strings.Trim(strings.TrimSpace(p.s[p.tok.pos+1:p.tok.pos+end]), `"'`)
	p.pos = p.tok.pos + end + 1
	at := span{t.pos, p.pos - t.pos}
	l := lexer{s: inside}
	if v, err := l.next(); err == nil && v.kind == tokSpan && l.pos == len(inside) {
		return Span{at, v.dur}, p.advance()
	}
	d, ok := clockSpan(inside)
	if !ok {
		return nil, &Error{Pos: at.pos, Len: at.len, What: fmt.Sprintf("%q is no duration", inside), Suggest: "write 5m, 1h, 7d or timespan(1.02:03:04)"}
	}
	return Span{at, d}, p.advance()
}

// clockSpan reads [days.]hours:minutes[:seconds].
func clockSpan(s string) (time.Duration, bool) {
	var d time.Duration
	if days, rest, ok := strings.Cut(s, "."); ok && !strings.Contains(days, ":") {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, false
		}
		d, s = time.Duration(n)*24*time.Hour, rest
	}
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second}[:len(parts)] {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, true
}

// dynamic reads dynamic([…]) with plain values inside.
func (p *parser) dynamic(t token) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	items, err := p.bracketed()
	if err != nil {
		return nil, err
	}
	if len(items) > maxList {
		return nil, &Error{Pos: t.pos, Len: p.last - t.pos, What: fmt.Sprintf("a list has at most %d values", maxList)}
	}
	for _, e := range items {
		switch e.(type) {
		case Text, Number, Boolean:
		default:
			pos, l := e.At()
			return nil, &Error{Pos: pos, Len: l, What: "dynamic holds texts and numbers only"}
		}
	}
	l := List{span{t.pos, p.tok.end - t.pos}, items}
	return l, p.expect(")")
}

// moved is a value given by let, at the place where its name stands.
func moved(e Expr, at span) Expr {
	switch e := e.(type) {
	case Text:
		return Text{at, e.Value}
	case Number:
		return Number{at, e.Value}
	case Boolean:
		return Boolean{at, e.Value}
	case Span:
		return Span{at, e.Value}
	case Instant:
		return Instant{at, e.Value}
	case List:
		return List{at, e.Items}
	}
	return e
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
