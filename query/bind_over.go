package query

import "strings"

// over is a column of summarize that is computed from aggregates, such as
// round(avg(n), 1), with columns in their places; at is where it stands among the columns.
type over struct {
	of Expr
	at int
}

// aggregateOf is an aggregate that is there already, as a column.
type aggregateOf struct {
	span
	column visible
}

func isAggregate(e Expr) bool {
	c, ok := e.(Call)
	return ok && functions[c.Name].use == aggregate
}

// lifted puts a column in the place of each aggregate of an expression; made
// makes it.
func lifted(e Expr, made func(Call) (Expr, error)) (Expr, error) {
	if c, ok := e.(Call); ok && isAggregate(e) {
		return made(c)
	}
	var err error
	lift := func(of Expr) Expr {
		if err != nil || of == nil {
			return of
		}
		of, err = lifted(of, made)
		return of
	}
	all := func(of []Expr) []Expr {
		out := make([]Expr, len(of))
		for i, x := range of {
			out[i] = lift(x)
		}
		return out
	}
	switch x := e.(type) {
	case Call:
		x.Args = all(x.Args)
		e = x
	case Binary:
		x.Left, x.Right = lift(x.Left), lift(x.Right)
		e = x
	case Not:
		x.Of = lift(x.Of)
		e = x
	case Between:
		x.Of, x.Low, x.High = lift(x.Of), lift(x.Low), lift(x.High)
		e = x
	case In:
		x.Of, x.List = lift(x.Of), all(x.List)
		e = x
	case Any:
		x.Of = lift(x.Of)
		e = x
	case Index:
		x.Of = lift(x.Of)
		e = x
	case Member:
		x.Of = lift(x.Of)
		e = x
	}
	return e, err
}

// summed binds a column of summarize, which is an aggregate or computed from
// some.
func (b *binder) summed(n Named, step, group *relation, at int, overs *[]over) ([]visible, error) {
	if isAggregate(n.Expr) {
		return b.aggregates(n, step, group, at)
	}
	found := false
	e, err := lifted(n.Expr, func(c Call) (Expr, error) {
		found = true
		made, err := b.aggregates(Named{c.Name, c}, step, group, at)
		if err == nil && len(made) != 1 {
			err = fault(c, c.Name+" makes several columns, and one value should stand here", "leave it by itself, and compute with its columns in an extend after")
		}
		if err != nil {
			return nil, err
		}
		return aggregateOf{c.span, made[0]}, nil
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fault(n.Expr, "summarize wants an aggregate here", "use one of "+strings.Join(aggregateNames(), ", "))
	}
	if n.Name == "" {
		n.Name = defaultName(n.Expr, at)
	}
	if badName(n.Name) {
		return nil, fault(n.Expr, "the name of a column is not empty and holds no NUL", "")
	}
	*overs = append(*overs, over{e, at})
	return []visible{{name: n.Name}}, nil
}

// overs adds the columns that are computed from aggregates. They see what is
// grouped by and the other aggregates, but not one another.
func (b *binder) overs(group *relation, overs []over) (*relation, error) {
	sc := b.scope
	b.scope = scope{}
	for _, c := range sc.cols {
		if c.physical != "" {
			b.scope.cols = append(b.scope.cols, c)
		}
	}
	step := &relation{op: "compute", in: []*relation{group}}
	for _, o := range overs {
		x, err := b.scalar(o.of)
		if err != nil {
			return nil, err
		}
		sc.cols[o.at] = visible{sc.cols[o.at].name, b.place(step, x), x.kind, x.null && x.kind != truth}
	}
	b.scope = sc
	return used(step), nil
}
