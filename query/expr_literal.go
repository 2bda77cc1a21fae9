package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
	if low == "toscalar" {
		return p.toscalar(t)
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

// toscalar reads toscalar(query).
func (p *parser) toscalar(t token) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	from, err := p.sub()
	if err != nil {
		return nil, err
	}
	at := span{t.pos, p.tok.end - t.pos}
	return Scalar{at, from}, p.expect(")")
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
