package query

import (
	"strconv"
)

// join binds a join. Columns of the right that the left has as well get a
// number after their name, as in Kusto.
func (b *binder) join(in *relation, j Join) (*relation, error) {
	left, sorted := b.scope, b.sorted
	right, err := b.source(j.Right)
	if err != nil {
		return nil, err
	}
	rs := b.scope
	lstep, rstep := &relation{op: "compute", in: []*relation{in}}, &relation{op: "compute", in: []*relation{right}}
	out := &relation{op: "join", kind: j.Kind}
	ties := map[string]bool{}
	for _, p := range j.On {
		b.scope = left
		x, err := b.scalar(p.Left)
		if err != nil {
			return nil, err
		}
		b.scope = rs
		y, err := b.scalar(p.Right)
		if err != nil {
			return nil, err
		}
		if f, ok := p.Right.(Field); ok && j.Lookup {
			ties[f.Name] = true
		}
		if x, y, err = alike(x, y, p.Left, p.Right); err != nil {
			return nil, err
		}
		out.by = append(out.by, computed{b.place(lstep, x), column(b.place(rstep, y), y.kind, y.null)})
	}
	out.in = []*relation{used(lstep), used(rstep)}
	b.scope, b.sorted = left.copied(), sorted
	if j.Kind == "leftanti" || j.Kind == "leftsemi" {
		return out, nil
	}
	if j.Kind == "innerunique" {
		out.kind = "inner"
		out.in[0] = b.unique(out.in[0], out.by, left)
	}
	b.scope.whole = false
	b.sorted = nil
	b.joined(out, rs, ties)
	return out, nil
}

// joined adds the right's columns, without some, to the scope and to what the
// join gives.
func (b *binder) joined(out *relation, rs scope, without map[string]bool) {
	outer := out.kind == "leftouter"
	for _, c := range rs.cols {
		if without[c.name] {
			continue
		}
		name := c.name
		for i := 1; ; i++ {
			if _, taken := b.exact(name); !taken {
				break
			}
			name = c.name + strconv.Itoa(i)
		}
		x := column(c.physical, c.kind, c.null)
		if outer && (c.kind == text || c.kind == native) {
			x = &scalar{op: "ortext", kind: c.kind, args: []*scalar{x}}
		} else if outer {
			x.null = true
		}
		phys := b.name()
		out.add = append(out.add, computed{phys, x})
		b.scope.cols = append(b.scope.cols, visible{name, phys, c.kind, x.null})
	}
}

func (b *binder) exact(name string) (visible, bool) {
	for _, c := range b.scope.cols {
		if c.name == name {
			return c, true
		}
	}
	return visible{}, false
}

func used(step *relation) *relation {
	if len(step.add) == 0 {
		return step.in[0]
	}
	return step
}

// unique keeps one row of the left for each key: the oldest, if it has a time.
func (b *binder) unique(in *relation, keys []computed, sc scope) *relation {
	row := b.name()
	w := &scalar{op: "rownumber", kind: numeric}
	for _, k := range keys {
		w.list = append(w.list, k.name)
	}
	for _, n := range []string{"time", "id"} {
		if v, ok := sc.find(n); ok && v.name == n {
			w.keys = append(w.keys, sortKey{v.physical, false})
		}
	}
	if len(w.keys) == 0 {
		for _, c := range sc.cols {
			if c.kind != texts && c.kind != numbers {
				w.keys = append(w.keys, sortKey{c.physical, false})
			}
		}
	}
	step := &relation{op: "compute", in: []*relation{in}, add: []computed{{row, w}}}
	return &relation{op: "filter", in: []*relation{step}, cond: apply("eq", truth, column(row, numeric, false), number("1"))}
}

// alike makes two values comparable.
func alike(x, y *scalar, xe, ye Expr) (*scalar, *scalar, error) {
	switch {
	case x.kind == y.kind:
	case isText(x) && isText(y):
	case x.kind == numeric || y.kind == numeric:
		if x.kind == period || y.kind == period { // a number beside a duration is seconds
			return asSeconds(x), asSeconds(y), nil
		}
		if x.kind == instant || y.kind == instant {
			return nil, nil, fault(ye, "this compares a time with a number", "write datetime(2026-01-31T12:00:00Z) or ago(1h)")
		}
		return toNumber(x), toNumber(y), nil
	case x.kind == instant && isText(y):
		return x, toInstant(y), nil
	case y.kind == instant && isText(x):
		return toInstant(x), y, nil
	case x.kind == instant || y.kind == instant:
		return nil, nil, fault(ye, "this compares a time with something that is none", "write datetime(2026-01-31T12:00:00Z) or ago(1h)")
	case x.kind == period || y.kind == period:
		return nil, nil, fault(ye, "this compares a duration with something that is none", "write 5m or 1h")
	case x.kind == truth && isText(y):
		return toText(x), apply("lower", text, y), nil
	case y.kind == truth && isText(x):
		return apply("lower", text, x), toText(y), nil
	default:
		return toText(x), toText(y), nil
	}
	if x.kind == texts || x.kind == numbers {
		return toText(x), toText(y), nil
	}
	return x, y, nil
}

func isText(x *scalar) bool { return x.kind == text || x.kind == native }
