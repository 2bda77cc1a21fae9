package query

import (
	"fmt"
	"strings"
	"unicode"
)

// cond binds an expression that must be true or false.
func (b *binder) cond(e Expr) (*scalar, error) {
	x, err := b.scalar(e)
	if err != nil {
		return nil, err
	}
	if x.kind != truth {
		return nil, fault(e, "this is a value, not a condition", "compare it: == \"…\", contains \"…\", > 0")
	}
	return x, nil
}

// scalar binds an expression over one row.
func (b *binder) scalar(e Expr) (*scalar, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case Field:
		return b.field(e)
	case Text:
		return textOf(e.Value), nil
	case Number:
		if !isNumber(e.Value) || len(e.Value) > 40 {
			return nil, fault(e, "this is no number", "")
		}
		return number(e.Value), nil
	case Boolean:
		return boolean(e.Value), nil
	case Span:
		return &scalar{op: "span", kind: period, us: e.Value.Microseconds()}, nil
	case Instant:
		return &scalar{op: "instant", kind: instant, at: e.Value}, nil
	case Not:
		x, err := b.cond(e.Of)
		if err != nil {
			return nil, err
		}
		return negate(x), nil
	case In:
		return b.in(e)
	case Any:
		return b.any(e)
	case Between:
		return b.between(e)
	case Like:
		return b.like(e)
	case Anywhere:
		return b.anywhere(e)
	case Call:
		return b.call(e)
	case Binary:
		return b.binary(e)
	case Index:
		return b.index(e)
	case Member:
		return b.member(e)
	case Scalar:
		return b.first(e)
	case aggregateOf:
		return column(e.column.physical, e.column.kind, e.column.null), nil
	case List:
		return nil, fault(e, "a list stands in in (…), has_any (…) and has_all (…) only", "")
	case Star:
		return nil, fault(e, "* stands in distinct and arg_max only", "")
	}
	return nil, fmt.Errorf("query: no such expression %T", e)
}

func toNumber(x *scalar) *scalar {
	switch x.kind {
	case numeric:
		return x
	case truth:
		return apply("bit", numeric, sure(x))
	case period:
		return asSeconds(x)
	case instant:
		return apply("micros", numeric, x)
	case texts, numbers:
		return nullable(apply("num", numeric, toText(x)))
	}
	if x.op == "text" && isNumber(x.text) && strings.Count(x.text, ".") < 2 && len(x.text) < 40 {
		return number(x.text)
	}
	return nullable(apply("num", numeric, x))
}

func asSeconds(x *scalar) *scalar {
	switch {
	case x.kind != period:
		return toNumber(x)
	case x.op == "seconds":
		return x.args[0]
	}
	return apply("asseconds", numeric, x)
}

// toText turns a value into text, and null into nothing.
func toText(x *scalar) *scalar {
	switch x.kind {
	case text, native:
		if x.null {
			return &scalar{op: "ortext", kind: x.kind, args: []*scalar{x}}
		}
		return x
	}
	op := map[byte]string{numeric: "numtext", instant: "timetext", truth: "truthtext", period: "numtext", texts: "listtext", numbers: "listtext"}[x.kind]
	if x.kind == period {
		x = asSeconds(x)
	}
	out := apply(op, text, x)
	if out.null {
		out = &scalar{op: "ortext", kind: text, args: []*scalar{out}}
	}
	return out
}

func toInstant(x *scalar) *scalar { return nullable(apply("totime", instant, x)) }

func (b *binder) anywhere(e Anywhere) (*scalar, error) {
	raw, ok := b.scope.find("raw")
	if !ok {
		return nil, fault(e, "a bare term searches events, and here are none any more", "")
	}
	of := column(raw.physical, text, raw.null)
	if strings.ContainsAny(e.Value, "*?") && e.len == len(e.Value) { // not in quotes
		return apply("like", truth, apply("lower", text, of), textOf(likePattern("*"+e.Value+"*"))), nil
	}
	return holds(of, textOf(e.Value)), nil
}

// holds is contains without case.
func holds(of, what *scalar) *scalar {
	if what.op == "text" {
		return apply("icontains", truth, of, textOf(strings.ToLower(what.text)))
	}
	return apply("contains", truth, apply("lower", text, of), apply("lower", text, what))
}

func (b *binder) binary(e Binary) (*scalar, error) {
	switch e.Op {
	case "and", "or":
		left, err := b.cond(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := b.cond(e.Right)
		if err != nil {
			return nil, err
		}
		return apply(e.Op, truth, left, right), nil
	}
	left, err := b.scalar(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := b.scalar(e.Right)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case "==", "!=", "<", "<=", ">", ">=":
		return b.compare(e, left, right)
	case "+", "-", "*", "/", "%":
		return arithmetic(e, left, right)
	}
	var at Expr = e
	if right.op == "text" {
		at = e.Right
	}
	return textOp(at, e.Op, left, right)
}

var compareOps = map[string]string{"==": "eq", "!=": "eq", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

func (b *binder) compare(e Binary, left, right *scalar) (*scalar, error) {
	var ok bool
	if left, right, ok = literalTimes(left, right); !ok {
		return nil, fault(e, "this compares a time with something that is none", "write datetime(2026-01-31T12:00:00Z) or ago(1h)")
	}
	x, y, err := alike(left, right, e.Left, e.Right)
	if err != nil {
		return nil, err
	}
	out := apply(compareOps[e.Op], truth, x, y)
	if e.Op == "!=" {
		return negate(out), nil
	}
	return out, nil
}

// literalTimes reads a text as a time where it is compared with one.
func literalTimes(left, right *scalar) (x, y *scalar, ok bool) {
	for _, side := range []struct{ at, other **scalar }{{&left, &right}, {&right, &left}} {
		if (*side.at).op != "text" || (*side.other).kind != instant {
			continue
		}
		e, err := (&parser{}).instant((*side.at).text, span{})
		i, isInstant := e.(Instant)
		if err != nil || !isInstant {
			return left, right, false
		}
		*side.at = &scalar{op: "instant", kind: instant, at: i.Value}
	}
	return left, right, true
}

func arithmetic(e Binary, left, right *scalar) (*scalar, error) {
	lk, rk := left.kind, right.kind
	switch {
	case lk == instant && rk == period && (e.Op == "+" || e.Op == "-"):
		return apply("time"+e.Op, instant, left, right), nil
	case lk == period && rk == instant && e.Op == "+":
		return apply("time+", instant, right, left), nil
	case lk == instant && rk == instant && e.Op == "-":
		return apply("between", period, left, right), nil
	case lk == period && rk == period:
		switch e.Op {
		case "+", "-":
			return apply(e.Op, period, left, right), nil
		case "/":
			return nullable(apply("/", numeric, left, right)), nil
		}
	case lk == period && rk == numeric && (e.Op == "*" || e.Op == "/"):
		return nullable(apply("period"+e.Op, period, left, right)), nil
	case lk == numeric && rk == period && e.Op == "*":
		return nullable(apply("period*", period, right, left)), nil
	}
	for _, k := range []byte{lk, rk} {
		switch k {
		case instant, period, texts, numbers:
			return nil, fault(e, "times, durations and lists do not go together like this", "write time - 5m, or (time - other) / 1s for seconds")
		}
	}
	out := apply(e.Op, numeric, toNumber(left), toNumber(right))
	if e.Op == "/" || e.Op == "%" {
		out.null = true
	}
	return out, nil
}

func (b *binder) any(e Any) (*scalar, error) {
	left, err := b.scalar(e.Of)
	if err != nil {
		return nil, err
	}
	op := "or"
	if e.All {
		op = "and"
	}
	var out *scalar
	for _, item := range e.List {
		if err := b.spend(8); err != nil {
			return nil, err
		}
		right, err := b.scalar(item)
		if err != nil {
			return nil, err
		}
		x, err := textOp(item, e.Op, left, right)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = x
		} else {
			out = apply(op, truth, out, x)
		}
	}
	if out == nil {
		return boolean(e.All), nil
	}
	return out, nil
}

func (b *binder) between(e Between) (*scalar, error) {
	low, err := b.binary(Binary{e.span, ">=", e.Of, e.Low})
	if err != nil {
		return nil, err
	}
	if width, ok := e.High.(Span); ok { // time between (start .. 5m)
		if start, ok := e.Low.(Instant); ok {
			e.High = Instant{width.span, start.Value.Add(width.Value)}
		}
	}
	high, err := b.binary(Binary{e.span, "<=", e.Of, e.High})
	if err != nil {
		return nil, err
	}
	return apply("and", truth, low, high), nil
}

func (b *binder) in(e In) (*scalar, error) {
	left, err := b.scalar(e.Of)
	if err != nil {
		return nil, err
	}
	if e.From != nil {
		return b.inRows(e, left)
	}
	if len(e.List) == 0 {
		return boolean(false), nil
	}
	if list, ok := plainTexts(e.List); ok && isText(left) { // the usual case as one operation
		x := left
		if e.Fold {
			letters := false
			for i, t := range list {
				letters = letters || strings.IndexFunc(t, unicode.IsLetter) >= 0
				list[i] = strings.ToLower(t)
			}
			if letters {
				x = folded(x)
			}
		}
		if err := b.spend(len(list)); err != nil {
			return nil, err
		}
		return &scalar{op: "oneof", kind: truth, args: []*scalar{x}, list: list, null: x.null}, nil
	}
	var out *scalar
	for _, v := range e.List {
		op := "=="
		if e.Fold {
			op = "=~"
		}
		x, err := b.binary(Binary{e.span, op, e.Of, v})
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = x
		} else {
			out = apply("or", truth, out, x)
		}
	}
	return out, nil
}

func plainTexts(list []Expr) ([]string, bool) {
	out := make([]string, len(list))
	for i, e := range list {
		t, ok := e.(Text)
		if !ok {
			return nil, false
		}
		out[i] = t.Value
	}
	return out, true
}

// inRows is membership of the first column of other rows.
func (b *binder) inRows(e In, left *scalar) (*scalar, error) {
	scope, sorted := b.scope, b.sorted
	rel, err := b.source(e.From)
	inner := b.scope
	b.scope, b.sorted = scope, sorted
	if err != nil {
		return nil, err
	}
	if inner.whole {
		return nil, fault(e, "these rows are whole events, not a list of values", "end the query in the parentheses with | project field, or distinct field")
	}
	first := column(inner.cols[0].physical, inner.cols[0].kind, inner.cols[0].null)
	if kind := (map[byte]byte{texts: native, numbers: numeric})[first.kind]; kind != 0 { // as of make_set: what is in the lists
		name := b.name()
		rel = &relation{op: "expand", in: []*relation{rel}, add: []computed{{name, first}}}
		first = column(name, kind, true)
	}
	x, y, err := alike(left, first, e.Of, e)
	if err != nil {
		return nil, err
	}
	if e.Fold && isText(x) {
		x, y = folded(x), folded(y)
	}
	step := &relation{op: "pick", in: []*relation{rel}, add: []computed{{b.name(), y}}}
	return &scalar{op: "insub", kind: truth, args: []*scalar{x}, in: step, null: true}, nil
}

// first is the first value of the first row of other rows.
func (b *binder) first(e Scalar) (*scalar, error) {
	sc, sorted := b.scope, b.sorted
	rel, err := b.source(e.From)
	inner, order := b.scope, b.sorted
	b.scope, b.sorted = sc, sorted
	if err != nil {
		return nil, err
	}
	if inner.whole {
		return nil, fault(e, "these rows are whole events, not a value", "end the query in the parentheses with | summarize, | count or | project field")
	}
	c := inner.cols[0]
	if c.kind == texts || c.kind == numbers {
		return nil, fault(e, "this is a list, not a value", "look for what is in it: in ((events | …))")
	}
	rel = &relation{op: "limit", in: []*relation{rel}, keys: order, n: 1}
	rel = &relation{op: "pick", in: []*relation{rel}, add: []computed{{b.name(), column(c.physical, c.kind, c.null)}}}
	x := &scalar{op: "first row", kind: c.kind, in: rel, null: true}
	if isText(x) {
		return toText(x), nil
	}
	return x, nil
}

func (b *binder) index(e Index) (*scalar, error) {
	x, err := b.scalar(e.Of)
	if err != nil {
		return nil, err
	}
	return element(x, e.N, e)
}

func element(x *scalar, n int, e Expr) (*scalar, error) {
	at := number(fmt.Sprint(n + 1))
	if n < 0 { // the last is -1
		at = number(fmt.Sprint(n))
	}
	switch x.kind {
	case texts:
		return &scalar{op: "element", kind: native, args: []*scalar{x, at}}, nil
	case numbers:
		return nullable(apply("elementnum", numeric, x, at)), nil
	case native:
		return &scalar{op: "element", kind: native, args: []*scalar{{op: "elements", kind: texts, args: []*scalar{x}}, at}}, nil
	}
	return nil, fault(e, "this is "+kindName(x.kind)+", not a list", "")
}
