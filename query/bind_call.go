package query

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

func (b *binder) call(e Call) (*scalar, error) {
	f := functions[e.Name]
	switch f.use {
	case aggregate:
		return nil, fault(e, e.Name+" counts over many rows", "use it in summarize")
	case window:
		return b.window(e)
	}
	switch e.Name {
	case "iff", "case":
		return b.choose(e)
	case "column_ifexists":
		return b.ifExists(e)
	case "datetime_add", "extract", "replace_regex", "trim", "format_datetime", "split", "substring", "datetime_diff":
		return b.literalCall(e)
	}
	args := make([]*scalar, len(e.Args))
	for i, a := range e.Args {
		x, err := b.scalar(a)
		if err != nil {
			return nil, err
		}
		if f.in != "" {
			if x, err = b.argument(x, f.in[min(i, len(f.in)-1)], a); err != nil {
				return nil, err
			}
		}
		args[i] = x
	}
	if f.op != "" {
		out := apply(f.op, f.out, args...)
		switch f.op {
		case "sqrt", "ln", "log2", "log10", "pow", "int", "countof":
			out.null = true
		}
		return out, nil
	}
	return b.special(e, args)
}

func (b *binder) argument(x *scalar, want byte, e Expr) (*scalar, error) {
	switch want {
	case 't':
		return toText(x), nil
	case 'n':
		if x.kind == instant || x.kind == texts || x.kind == numbers {
			return nil, fault(e, "this is "+kindName(x.kind)+" where a number should stand", "")
		}
		return toNumber(x), nil
	case 'i':
		if x.kind != instant && !isText(x) {
			return nil, fault(e, "this is "+kindName(x.kind)+" where a time should stand", "")
		}
		return b.as(x, instant, e)
	}
	return x, nil
}

const day = 24 * 3600e6 // in microseconds

// toTruth is true for the word, and for numbers other than 0.
func toTruth(x *scalar) *scalar {
	if x.kind == truth {
		return x
	}
	n := toNumber(x)
	word := apply("eq", truth, apply("lower", text, toText(x)), textOf("true"))
	return apply("or", truth, word, apply("or", truth, sure(apply("lt", truth, n, number("0"))), sure(apply("gt", truth, n, number("0")))))
}

// special binds the functions whose kind depends on what they are given.
func (b *binder) special(e Call, args []*scalar) (*scalar, error) {
	x := args[0]
	switch e.Name {
	case "bin":
		return b.bin(e, x)
	case "round":
		places := number("0")
		if len(args) == 2 {
			n, ok := e.Args[1].(Number)
			if !ok || len(n.Value) != 1 {
				return nil, fault(e.Args[1], "the places are a number from 0 to 9", "")
			}
			places = args[1]
		}
		return apply("round", numeric, toNumber(x), places), nil
	case "tostring":
		return toText(x), nil
	case "parse_json":
		return parsed(x), nil
	case "todouble", "toreal":
		return toNumber(x), nil
	case "todatetime":
		if x.kind == instant {
			return x, nil
		}
		return b.as(x, instant, e.Args[0])
	case "isempty", "isnull":
		return empty(x), nil
	case "isnotempty", "isnotnull":
		return negate(empty(x)), nil
	case "coalesce":
		return coalesce(args), nil
	case "tobool":
		return toTruth(x), nil
	case "startofday":
		return bucket(x, day), nil
	case "endofday":
		return apply("time+", instant, bucket(x, day), &scalar{op: "span", kind: period, us: day - 1}), nil
	case "startofweek": // the first of January 1970 was a Thursday
		four := &scalar{op: "span", kind: period, us: 4 * day}
		return apply("time-", instant, bucket(apply("time+", instant, x, four), 7*day), four), nil
	case "ipv4_is_private":
		return b.networks(x, []Expr{Text{Value: "10.0.0.0/8"}, Text{Value: "172.16.0.0/12"}, Text{Value: "192.168.0.0/16"}})
	case "ipv4_is_in_range", "ipv4_is_in_any_range":
		return b.networks(x, e.Args[1:])
	case "array_length":
		if x.kind == native {
			x = &scalar{op: "elements", kind: texts, args: []*scalar{x}}
		}
		if x.kind != texts && x.kind != numbers {
			return nil, fault(e.Args[0], "this is "+kindName(x.kind)+", not a list", "")
		}
		return apply("listlen", numeric, x), nil
	case "strcat_array":
		if x.kind == native {
			x = &scalar{op: "elements", kind: texts, args: []*scalar{x}}
		}
		if x.kind != texts {
			return nil, fault(e.Args[0], "this is "+kindName(x.kind)+", not a list of texts", "")
		}
		return apply("joined", text, x, toText(args[1])), nil
	}
	return nil, fmt.Errorf("query: no such function %q", e.Name)
}

func empty(x *scalar) *scalar {
	if x.kind != text && x.kind != native && x.kind != texts && x.kind != numbers {
		return &scalar{op: "isnull", kind: truth, args: []*scalar{x}}
	}
	if x.kind == texts || x.kind == numbers {
		return apply("eq", truth, apply("listlen", numeric, x), number("0"))
	}
	return apply("eq", truth, toText(x), textOf(""))
}

// ifExists binds column_ifexists: every native field may exist.
func (b *binder) ifExists(e Call) (*scalar, error) {
	name, ok := e.Args[0].(Text)
	if !ok {
		return nil, fault(e.Args[0], "the name of a column is a text in quotes", "write "+functions[e.Name].usage)
	}
	if _, ok := b.scope.find(name.Value); !ok && b.scope.fields == "" {
		return b.scalar(e.Args[1])
	}
	x, err := b.field(Field{name.span, name.Value})
	if err != nil || x.kind != native {
		return x, err
	}
	other, err := b.scalar(e.Args[1])
	if err != nil {
		return nil, err
	}
	return coalesce([]*scalar{x, other}), nil
}

func coalesce(args []*scalar) *scalar {
	kind, mixed := args[0].kind, false
	for _, a := range args {
		mixed = mixed || a.kind != kind
	}
	if mixed || isText(args[0]) {
		out := &scalar{op: "firsttext", kind: native}
		for _, a := range args {
			out.args = append(out.args, toText(a))
		}
		return out
	}
	out := &scalar{op: "first", kind: kind, args: args, null: true}
	for _, a := range args {
		out.null = out.null && a.null
	}
	return out
}

func bucket(x *scalar, us int64) *scalar {
	out := apply("bucket", instant, x)
	out.us = us
	return out
}

func (b *binder) bin(e Call, x *scalar) (*scalar, error) {
	switch step := e.Args[1].(type) {
	case Span:
		switch {
		case x.kind == instant:
			return bucket(x, step.Value.Microseconds()), nil
		case isText(x):
			return bucket(toInstant(x), step.Value.Microseconds()), nil
		case x.kind == period:
			us := number(strconv.FormatInt(step.Value.Microseconds(), 10))
			out := apply("periodbin", period, x, us)
			return out, nil
		}
		return nil, fault(e, "bin with a duration wants a time", "write bin(time, 5m)")
	case Number:
		if x.kind == instant {
			return nil, fault(e, "bin of a time wants a duration", "write bin(time, 5m)")
		}
		return apply("floorto", numeric, toNumber(x), number(step.Value)), nil
	}
	return nil, fmt.Errorf("query: bin without a step")
}

// choose binds iff and case.
func (b *binder) choose(e Call) (*scalar, error) {
	if len(e.Args)%2 == 0 {
		return nil, fault(e, "case takes a condition and a value by turns, and a last value for the rest", "write "+functions[e.Name].usage)
	}
	args := make([]*scalar, len(e.Args))
	kind, mixed := byte(0), false
	for i, a := range e.Args {
		var err error
		if i%2 == 0 && i < len(e.Args)-1 {
			if args[i], err = b.cond(a); err != nil {
				return nil, err
			}
			args[i] = sure(args[i])
			continue
		}
		if args[i], err = b.scalar(a); err != nil {
			return nil, err
		}
		if kind == 0 {
			kind = args[i].kind
		}
		mixed = mixed || args[i].kind != kind
	}
	out := &scalar{op: "case", kind: kind, args: args}
	if mixed {
		out.kind = native
	}
	for i := range args {
		if i%2 == 1 || i == len(args)-1 {
			if mixed {
				args[i] = toText(args[i])
			}
			out.null = out.null || args[i].null
		}
	}
	return out, nil
}

// window binds prev, next and row_number, for which the rows must have an order.
func (b *binder) window(e Call) (*scalar, error) {
	if len(b.sorted) == 0 {
		return nil, fault(e, e.Name+" needs rows in an order", "put | order by time asc before it")
	}
	if e.Name == "row_number" {
		return &scalar{op: "rownumber", kind: numeric, keys: b.sorted}, nil
	}
	x, err := b.scalar(e.Args[0])
	if err != nil {
		return nil, err
	}
	if hasWindow(x, 0) {
		return nil, fault(e, e.Name+" does not stand inside another", "compute the inner one in an extend before")
	}
	n := number("1")
	if len(e.Args) > 1 {
		at, ok := e.Args[1].(Number)
		if !ok || len(at.Value) > 4 || strings.ContainsAny(at.Value, ".-") {
			return nil, fault(e.Args[1], "how many rows away is a whole number", "")
		}
		n = number(at.Value)
	}
	out := &scalar{op: e.Name, kind: x.kind, args: []*scalar{x, n}, keys: b.sorted, null: true}
	if len(e.Args) > 2 {
		other, err := b.scalar(e.Args[2])
		if err != nil {
			return nil, err
		}
		if other, err = b.as(other, x.kind, e.Args[2]); err != nil {
			return nil, err
		}
		return coalesce([]*scalar{out, other}), nil
	}
	if isText(x) {
		return toText(out), nil
	}
	return out, nil
}

func hasWindow(x *scalar, depth int) bool {
	if len(x.keys) > 0 || depth > MaxDepth {
		return true
	}
	for _, a := range x.args {
		if hasWindow(a, depth+1) {
			return true
		}
	}
	return false
}

// networks tells whether an IPv4 address is in one of some networks.
func (b *binder) networks(x *scalar, nets []Expr) (*scalar, error) {
	var flat []Expr
	for _, n := range nets {
		if l, ok := n.(List); ok {
			flat = append(flat, l.Items...)
		} else {
			flat = append(flat, n)
		}
	}
	address := nullable(apply("ipv4", numeric, toText(x)))
	var out *scalar
	for _, n := range flat {
		t, ok := n.(Text)
		if !ok {
			return nil, fault(n, "a network is a text in quotes", `write "10.0.0.0/8"`)
		}
		s := strings.TrimSpace(t.Value)
		if !strings.Contains(s, "/") {
			s += "/32"
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || !p.Addr().Is4() {
			return nil, fault(n, fmt.Sprintf("%q is no IPv4 network", t.Value), `write "10.0.0.0/8"`)
		}
		a := p.Masked().Addr().As4()
		low := uint64(a[0])<<24 | uint64(a[1])<<16 | uint64(a[2])<<8 | uint64(a[3])
		high := low + 1<<(32-p.Bits()) - 1
		in := apply("and", truth, apply("ge", truth, address, number(strconv.FormatUint(low, 10))), apply("le", truth, address, number(strconv.FormatUint(high, 10))))
		if err := b.spend(8); err != nil {
			return nil, err
		}
		if out == nil {
			out = in
		} else {
			out = apply("or", truth, out, in)
		}
	}
	if out == nil {
		return boolean(false), nil
	}
	return out, nil
}
