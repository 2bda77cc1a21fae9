package query

import (
	"fmt"
	"strconv"
	"strings"
)

// summarize computes the groups and the aggregates' arguments first, so that
// grouping is by plain columns.
func (b *binder) summarize(in *relation, s Summarize) (*relation, error) {
	if len(s.By) == 1 && len(s.Aggregates) == 0 {
		if _, ok := s.By[0].Expr.(Star); ok {
			s.By = nil
			for _, c := range b.scope.cols {
				s.By = append(s.By, Named{c.name, Field{Name: c.name}})
			}
		}
	}
	by, err := b.named(s.By)
	if err != nil {
		return nil, err
	}
	step := &relation{op: "compute", in: []*relation{in}}
	group := &relation{op: "group", in: []*relation{step}}
	var sc scope
	for _, n := range by {
		x, err := b.scalar(n.Expr)
		if err != nil {
			return nil, err
		}
		name := b.name()
		group.by = append(group.by, computed{name, column(b.place(step, x), x.kind, x.null)})
		sc.cols = append(sc.cols, visible{n.Name, name, x.kind, x.null && x.kind != truth})
	}
	taken := map[string]bool{}
	var overs []over
	for _, n := range s.Aggregates {
		made, err := b.summed(n, step, group, len(sc.cols), &overs)
		if err != nil {
			return nil, err
		}
		for _, v := range made {
			base := v.name
			for i := 1; n.Name == "" && taken[v.name] && i <= maxColumns; i++ {
				v.name = base + strconv.Itoa(i)
			}
			if _, ok := sc.find(v.name); ok {
				if n.Name == "" && len(made) > 1 { // arg_max(time, *) leaves out what is grouped by
					continue
				}
				return nil, fault(n.Expr, fmt.Sprintf("two columns are called %q", v.name), "give one another name: name = expression")
			}
			taken[v.name] = true
			sc.cols = append(sc.cols, v)
		}
	}
	if len(sc.cols) == 0 {
		return nil, &Error{What: "summarize has nothing to count", Suggest: "write summarize count() by field"}
	}
	b.scope, b.sorted = sc, nil
	if len(step.add) == 0 {
		group.in = []*relation{in}
	}
	return b.overs(group, overs)
}

// aggregates binds one aggregate, which may make several columns.
func (b *binder) aggregates(n Named, step, group *relation, at int) ([]visible, error) {
	call, ok := n.Expr.(Call)
	if !ok {
		return nil, fmt.Errorf("query: %T is no aggregate", n.Expr)
	}
	name := n.Name
	if name == "" {
		name = defaultName(call, at)
	}
	if badName(name) {
		return nil, fault(n.Expr, "the name of a column is not empty and holds no NUL", "")
	}
	add := func(name, op string, kind byte, null bool, num string, args ...string) visible {
		a := aggregated{name: b.name(), op: op, num: num, args: args}
		if op == "list" {
			a.keys = b.sorted
		}
		group.agg = append(group.agg, a)
		return visible{name, a.name, kind, null}
	}
	one := func(op string, kind byte, null bool, num string, args ...string) ([]visible, error) {
		return []visible{add(name, op, kind, null, num, args...)}, nil
	}
	if call.Name == "count" {
		return one("count", numeric, false, "")
	}
	if call.Name == "countif" {
		cond, err := b.cond(call.Args[0])
		if err != nil {
			return nil, err
		}
		return one("countif", numeric, false, "", b.place(step, cond))
	}
	if call.Name == "arg_max" || call.Name == "arg_min" {
		return b.argMax(n, call, step, add)
	}
	x, err := b.scalar(call.Args[0])
	if err != nil {
		return nil, err
	}
	switch call.Name {
	case "dcount":
		return one("dcount", numeric, false, "", b.place(step, x))
	case "take_any":
		return one("any", x.kind, true, "", b.place(step, x))
	case "min", "max":
		if x.kind == native {
			return one(call.Name+"native", native, false, "", b.place(step, x), b.place(step, toNumber(x)))
		}
		if x.kind == text {
			return one(call.Name+"text", text, false, "", b.place(step, x))
		}
		return one(call.Name, x.kind, true, "", b.place(step, x))
	case "make_set_if", "make_list_if":
		cond, err := b.cond(call.Args[1])
		if err != nil {
			return nil, err
		}
		op, kind, most, err := listOf(call, x, 2)
		if err != nil {
			return nil, err
		}
		if kind == texts {
			x = toText(x)
		}
		return one(op, kind, false, most, b.place(step, nullable(apply("when", x.kind, sure(cond), x))))
	case "make_set", "make_list":
		op, kind, most, err := listOf(call, x, 1)
		if err != nil {
			return nil, err
		}
		if kind == texts {
			x = toText(x)
		}
		return one(op, kind, false, most, b.place(step, x))
	case "dcountif", "sumif", "avgif":
		cond, err := b.cond(call.Args[1])
		if err != nil {
			return nil, err
		}
		op := strings.TrimSuffix(call.Name, "if")
		kind := byte(numeric)
		if op != "dcount" {
			x, kind = measure(x)
		}
		if kind == period && op == "dcount" {
			kind = numeric
		}
		return one(op, kind, op != "dcount", "", b.place(step, nullable(apply("when", x.kind, sure(cond), x))))
	}
	return b.measured(call, x, step, name, add)
}

// listOf says how a list of values is made, and how long it may be, which is
// what the argument at may say.
func listOf(call Call, x *scalar, at int) (op string, kind byte, most string, err error) {
	op = strings.TrimSuffix(strings.TrimPrefix(call.Name, "make_"), "_if")
	if kind = texts; x.kind == numeric {
		kind = numbers
	}
	most = "1000"
	if len(call.Args) > at {
		n, ok := call.Args[at].(Number)
		if !ok || !isNumber(n.Value) || len(n.Value) > 5 || strings.ContainsAny(n.Value, ".-") {
			return "", 0, "", fault(call.Args[at], "the most elements are a number up to 99999", "")
		}
		most = n.Value
	}
	return op, kind, most, nil
}

// measure makes a number of a value; durations stay durations.
func measure(x *scalar) (*scalar, byte) {
	if x.kind == period {
		return x, period
	}
	return toNumber(x), numeric
}

// measured binds the aggregates over numbers.
func (b *binder) measured(call Call, x *scalar, step *relation, name string, add func(string, string, byte, bool, string, ...string) visible) ([]visible, error) {
	if x.kind == instant || x.kind == texts || x.kind == numbers {
		return nil, fault(call.Args[0], "this is "+kindName(x.kind)+" where a number should stand", "")
	}
	x, kind := measure(x)
	at := b.place(step, x)
	switch call.Name {
	case "percentile", "percentiles":
		var out []visible
		for _, a := range call.Args[1:] {
			p, ok := a.(Number)
			v, err := strconv.ParseFloat(p.Value, 64)
			if !ok || err != nil || v < 0 || v > 100 {
				return nil, fault(a, "a percentile is a number from 0 to 100", "write "+functions[call.Name].usage)
			}
			full := name
			if f, isField := call.Args[0].(Field); isField && (call.Name == "percentiles" || name == defaultName(call, 0)) {
				full = "percentile_" + f.Name + "_" + p.Value
			} else if call.Name == "percentiles" {
				full = name + "_" + p.Value
			}
			out = append(out, add(full, "percentile", kind, true, strconv.FormatFloat(v/100, 'f', -1, 64), at))
		}
		return out, nil
	case "stdev", "variance":
		if kind == period { // in seconds
			at, kind = b.place(step, apply("asseconds", numeric, x)), numeric
		}
	}
	return []visible{add(name, call.Name, kind, true, "", at)}, nil
}

// orText ends the name of an aggregate that gives "" where it would give null.
const orText = " or nothing"

// argMax binds arg_max and arg_min: the key, and the other columns where it is
// largest or smallest, all of one row, whether they have a value there or not.
func (b *binder) argMax(n Named, call Call, step *relation, add func(string, string, byte, bool, string, ...string) visible) ([]visible, error) {
	key, err := b.scalar(call.Args[0])
	if err != nil {
		return nil, err
	}
	name := n.Name
	if f, ok := call.Args[0].(Field); ok && name == "" {
		name = f.Name
	} else if name == "" {
		name = call.Name + "_"
	}
	most := strings.TrimPrefix(call.Name, "arg_")
	at := []string{b.place(step, key)}
	op := "arg" + most
	if key.kind == native { // by size where there are numbers, else as text
		at = append(at, b.place(step, toNumber(key)))
		op += "native"
	}
	var out []visible
	of := func(name, from string, kind byte) {
		switch kind {
		case text, native:
			out = append(out, add(name, op+orText, kind, false, "", append([]string{from}, at...)...))
		case texts, numbers:
			out = append(out, add(name, op, kind, false, "", append([]string{from}, at...)...))
		default: // nothing, where there is no row
			from = b.place(step, apply("maybe", kind, column(from, kind, true)))
			out = append(out, add(name, op, kind, true, "", append([]string{from}, at...)...))
		}
	}
	of(name, at[0], key.kind)
	for _, a := range call.Args[1:] {
		if _, ok := a.(Star); ok {
			for _, c := range b.scope.cols {
				if c.name != name {
					of(c.name, c.physical, c.kind)
				}
			}
			continue
		}
		x, err := b.scalar(a)
		if err != nil {
			return nil, err
		}
		of(defaultName(a, len(out)), b.place(step, x), x.kind)
	}
	return out, nil
}
