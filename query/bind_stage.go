package query

import (
	"fmt"
	"strconv"
	"strings"
)

func (b *binder) stage(in *relation, s Stage) (*relation, error) {
	switch s := s.(type) {
	case Where:
		cond, err := b.cond(s.Cond)
		return &relation{op: "filter", in: []*relation{in}, cond: cond}, err
	case Extend:
		return b.extend(in, s.Columns)
	case Project:
		return b.project(in, s.Columns)
	case Away:
		return b.away(in, s.Patterns)
	case Reorder:
		return b.reorder(in, s.Patterns)
	case Keep:
		return b.keep(in, s.Patterns)
	case Rename:
		return b.rename(in, s.Columns)
	case Summarize:
		return b.summarize(in, s)
	case Order:
		return b.order(in, s.Keys)
	case Take:
		return &relation{op: "limit", in: []*relation{in}, keys: b.sorted, n: s.N}, nil
	case Count:
		name := b.name()
		b.scope, b.sorted = scope{cols: []visible{{"Count", name, numeric, false}}}, nil
		return &relation{op: "group", in: []*relation{in}, agg: []aggregated{{name: name, op: "count"}}}, nil
	case Join:
		return b.join(in, s)
	case Append:
		return b.union(in, s.Of)
	case ParseBy:
		return b.parse(in, s)
	case Expand:
		return b.expand(in, s)
	}
	return nil, fmt.Errorf("query: no such stage %T", s)
}

// named gives columns without a name the one that Kusto gives them.
func (b *binder) named(cols []Named) ([]Named, error) {
	out := make([]Named, 0, len(cols))
	taken := map[string]bool{}
	for _, n := range cols {
		if n.Name == "" {
			n.Name = defaultName(n.Expr, len(out))
			for i := 1; taken[n.Name] && i <= maxColumns; i++ {
				if _, ok := n.Expr.(Field); ok {
					break
				}
				n.Name = defaultName(n.Expr, len(out)) + strconv.Itoa(i)
			}
		}
		if taken[n.Name] {
			return nil, fault(n.Expr, fmt.Sprintf("two columns are called %q", n.Name), "give one another name: name = expression")
		}
		if badName(n.Name) {
			return nil, fault(n.Expr, "the name of a column is not empty and holds no NUL", "")
		}
		taken[n.Name] = true
		out = append(out, n)
	}
	return out, nil
}

func defaultName(e Expr, i int) string {
	switch e := e.(type) {
	case Field:
		return e.Name
	case Call:
		prefix := e.Name
		switch prefix {
		case "make_set", "make_list", "make_set_if", "make_list_if":
			prefix = strings.TrimSuffix(strings.TrimPrefix(prefix, "make_"), "_if")
		}
		if len(e.Args) > 0 {
			if f, ok := e.Args[0].(Field); ok {
				if e.Name == "bin" || e.Name == "take_any" {
					return f.Name
				}
				return prefix + "_" + f.Name
			}
		}
		return prefix + "_"
	}
	return "Column" + strconv.Itoa(i+1)
}

// compute adds expressions as physical columns; plain columns are used as they
// are.
func (b *binder) compute(in *relation, cols []Named) (*relation, []visible, error) {
	step := &relation{op: "compute", in: []*relation{in}}
	out := make([]visible, len(cols))
	for i, n := range cols {
		x, err := b.scalar(n.Expr)
		if err != nil {
			return nil, nil, err
		}
		out[i] = visible{n.Name, b.place(step, x), x.kind, x.null && x.kind != truth}
	}
	if len(step.add) == 0 {
		return in, out, nil
	}
	return step, out, nil
}

// place is the physical column of an expression, computed by step if need be.
func (b *binder) place(step *relation, x *scalar) string {
	if x.op == "column" {
		return x.text
	}
	if x.kind == truth {
		x = sure(x)
	}
	name := b.name()
	step.add = append(step.add, computed{name, x})
	return name
}

func (b *binder) extend(in *relation, cols []Named) (*relation, error) {
	cols, err := b.named(cols)
	if err != nil {
		return nil, err
	}
	out, made, err := b.compute(in, cols)
	if err != nil {
		return nil, err
	}
	sc := b.scope.copied()
	for i, v := range made {
		if _, ok := columns[v.name]; ok && sc.whole {
			return nil, fault(cols[i].Expr, fmt.Sprintf("there is a column %q already", v.name), "choose another name")
		}
		sc.set(v)
	}
	b.scope = sc
	return out, nil
}

func (b *binder) project(in *relation, cols []Named) (*relation, error) {
	cols, err := b.named(cols)
	if err != nil {
		return nil, err
	}
	out, made, err := b.compute(in, cols)
	if err != nil {
		return nil, err
	}
	b.scope = scope{cols: made}
	return out, nil
}

func (b *binder) matching(patterns []Field) (map[string]bool, error) {
	out := map[string]bool{}
	for _, f := range patterns {
		found := false
		prefix, wild := strings.CutSuffix(f.Name, "*")
		for _, c := range b.scope.cols {
			if c.name == f.Name || wild && strings.HasPrefix(c.name, prefix) {
				out[c.name], found = true, true
			}
		}
		if !found {
			return nil, fault(f, fmt.Sprintf("there is no column %q at this step", f.Name), suggest(f.Name, b.scope.names(), "the columns are "+shortened(b.scope.names())))
		}
	}
	return out, nil
}

func (b *binder) away(in *relation, patterns []Field) (*relation, error) {
	gone, err := b.matching(patterns)
	if err != nil {
		return nil, err
	}
	sc := scope{fields: b.scope.fields, kept: b.scope.kept, scan: b.scope.scan}
	for _, c := range b.scope.cols {
		if !gone[c.name] {
			sc.cols = append(sc.cols, c)
		}
	}
	if len(sc.cols) == 0 {
		return nil, fault(patterns[0], "this leaves no column", "")
	}
	b.scope = sc
	return in, nil
}

func (b *binder) keep(in *relation, patterns []Field) (*relation, error) {
	kept, err := b.matching(patterns)
	if err != nil {
		return nil, err
	}
	var sc scope
	for _, c := range b.scope.cols {
		if kept[c.name] {
			sc.cols = append(sc.cols, c)
		}
	}
	b.scope = sc
	return in, nil
}

func (b *binder) reorder(in *relation, patterns []Field) (*relation, error) {
	sc := scope{fields: b.scope.fields, kept: b.scope.kept, scan: b.scope.scan}
	done := map[string]bool{}
	for _, f := range patterns {
		front, err := b.matching([]Field{f})
		if err != nil {
			return nil, err
		}
		for _, c := range b.scope.cols {
			if front[c.name] && !done[c.name] {
				sc.cols, done[c.name] = append(sc.cols, c), true
			}
		}
	}
	for _, c := range b.scope.cols {
		if !done[c.name] {
			sc.cols = append(sc.cols, c)
		}
	}
	b.scope = sc
	return in, nil
}

func (b *binder) rename(in *relation, cols []Named) (*relation, error) {
	sc := b.scope.copied()
	sc.whole = false
	for _, n := range cols {
		f, ok := n.Expr.(Field)
		if !ok {
			return nil, fault(n.Expr, "project-rename takes new = old", "")
		}
		v, ok := b.scope.find(f.Name)
		if !ok {
			return nil, fault(f, fmt.Sprintf("there is no column %q at this step", f.Name), suggest(f.Name, b.scope.names(), "for a native field write extend "+n.Name+" = "+f.Name))
		}
		if _, taken := sc.find(n.Name); taken || badName(n.Name) {
			return nil, fault(f, fmt.Sprintf("there is a column %q already", n.Name), "choose another name")
		}
		for i := range sc.cols {
			if sc.cols[i].name == v.name {
				sc.cols[i].name = n.Name
			}
		}
	}
	b.scope = sc
	return in, nil
}

func (b *binder) order(in *relation, keys []Key) (*relation, error) {
	step := &relation{op: "compute", in: []*relation{in}}
	var sorted []sortKey
	for _, k := range keys {
		x, err := b.scalar(k.Expr)
		if err != nil {
			return nil, err
		}
		if k.Turned {
			sorted = append(sorted, sortKey{b.place(step, empty(x)), k.Desc})
		}
		if x.kind == native { // numbers among themselves by size, the rest as text
			sorted = append(sorted, sortKey{b.place(step, toNumber(x)), k.Desc})
		}
		sorted = append(sorted, sortKey{b.place(step, x), k.Desc})
	}
	b.sorted = sorted
	if len(step.add) == 0 {
		return in, nil
	}
	return step, nil
}

func (b *binder) parse(in *relation, s ParseBy) (*relation, error) {
	of, err := b.scalar(s.Of)
	if err != nil {
		return nil, err
	}
	of = toText(of)
	step := &relation{op: "compute", in: []*relation{in}}
	sc := b.scope.copied()
	sc.whole = false
	for i, c := range s.Columns {
		x := &scalar{op: "group", kind: native, args: []*scalar{of, textOf(s.Pattern), number(strconv.Itoa(i + 1))}}
		if c.Type != "string" {
			if x, err = b.as(x, typeKinds[c.Type], Field{s.At[i], c.Name}); err != nil {
				return nil, err
			}
			if c.Type == "int" || c.Type == "long" {
				x = nullable(apply("int", numeric, x))
			}
		}
		if badName(c.Name) {
			return nil, fault(Field{s.At[i], c.Name}, "the name of a column is not empty and holds no NUL", "")
		}
		sc.set(visible{c.Name, b.place(step, x), x.kind, x.null})
	}
	b.scope = sc
	if len(step.add) == 0 {
		return in, nil
	}
	return step, nil
}

func (b *binder) expand(in *relation, s Expand) (*relation, error) {
	x, err := b.scalar(s.Column.Expr)
	if err != nil {
		return nil, err
	}
	kind := byte(native)
	switch x.kind {
	case numbers:
		kind = numeric
	case texts:
	case text, native: // an empty list gives no row, what is missing one
		x = apply("filled", texts, apply("elements", texts, x), x)
	default:
		return nil, fault(s.Column.Expr, "this is "+kindName(x.kind)+", not a list", "mv-expand takes a list, as of make_set or split, or a field that holds one")
	}
	if badName(s.Column.Name) {
		return nil, fault(s.Column.Expr, "the name of a column is not empty and holds no NUL", "")
	}
	name := b.name()
	sc := b.scope.copied()
	sc.whole = false
	sc.set(visible{s.Column.Name, name, kind, kind == numeric})
	b.scope = sc
	return &relation{op: "expand", in: []*relation{in}, add: []computed{{name, x}}}, nil
}

func badName(s string) bool { return s == "" || strings.ContainsRune(s, 0) }
