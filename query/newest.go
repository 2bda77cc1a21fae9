package query

import (
	"slices"
	"time"
)

// newestOf is how many rows a plan wants, where they are the newest of the events
// that its conditions hold for, each by itself; 0 where they are others.
func newestOf(top *relation) int {
	r, n := top, top.n
	for ; r.op == "limit"; r = r.in[0] {
		if len(r.keys) == 0 || r.keys[0] != (sortKey{"time", true}) || !slices.Equal(r.keys, top.keys) {
			return 0
		}
		n = min(n, r.n)
	}
	if !single(r, 0) {
		return 0
	}
	return int(n)
}

// single tells whether a step holds or fails for each event by itself.
func single(r *relation, depth int) bool {
	if depth > MaxDepth || r.op != "scan" && r.op != "filter" && r.op != "union" {
		return false
	}
	return ofOne(r.cond, 0) && !slices.ContainsFunc(r.in, func(in *relation) bool { return !single(in, depth+1) })
}

// ofOne tells whether an expression looks at one row and at nothing else.
func ofOne(x *scalar, depth int) bool {
	if x == nil {
		return true
	}
	switch x.op {
	case "prev", "next", "rownumber":
		return false
	}
	return depth <= MaxDepth && x.in == nil && len(x.keys) == 0 && !slices.ContainsFunc(x.args, func(a *scalar) bool { return !ofOne(a, depth+1) })
}

// narrow takes bounds of time out of the conditions on the events themselves, and
// narrows the range by them. It tells whether there were any.
func (pl *planner) narrow(top *relation, span *Range) (did bool) {
	before := *span
	in := &top.in[0]
	for len((*in).in) == 1 && !overScan(*in) {
		in = &(*in).in[0]
	}
	if !overScan(*in) {
		return false
	}
	for (*in).op == "filter" {
		rest, n := within((*in).cond, span, 0)
		if n == 0 {
			in = &(*in).in[0]
			continue
		}
		did = true
		if rest == nil {
			*in = (*in).in[0]
			continue
		}
		r := **in
		r.cond = rest
		*in = &r
		in = &r.in[0]
	}
	if !span.From.Before(span.To) {
		*span = Range{before.From, before.From} // nothing is in it
	}
	return did
}

// overScan tells whether a step is conditions on the events of the range.
func overScan(r *relation) bool {
	for depth := 0; r.op == "filter" && depth < MaxDepth; depth++ {
		r = r.in[0]
	}
	return r.op == "scan" && r.prefix == ""
}

// within narrows a range by what must hold, and returns the rest of that, nil for
// none, and how many bounds there were.
func within(x *scalar, span *Range, depth int) (rest *scalar, n int) {
	if depth > MaxDepth {
		return x, 0
	}
	switch x.op {
	case "and":
		a, n := within(x.args[0], span, depth+1)
		b, m := within(x.args[1], span, depth+1)
		if n+m == 0 {
			return x, 0
		}
		return both(a, b), n + m
	case "ge", "gt", "le", "lt":
		of, at := x.args[0], x.args[1]
		if of.op != "column" || of.text != "time" || at.op != "instant" {
			return x, 0
		}
		bound := at.at.UTC().Truncate(time.Microsecond) // as engines are given it
		if x.op == "gt" || x.op == "le" {
			bound = bound.Add(time.Microsecond)
		}
		switch {
		case x.op[0] == 'g' && bound.After(span.From):
			span.From = bound
		case x.op[0] == 'l' && bound.Before(span.To):
			span.To = bound
		}
		return nil, 1
	}
	return x, 0
}
