package query

import (
	"fmt"
	"strings"

	"holdfast"
)

// planner rewrites a plan into one that gives the same rows for less work. It
// notes what it did.
type planner struct {
	dialect Dialect
	notes   []string
}

func (pl *planner) plan(top *relation) *relation {
	pl.walk(top, 0)
	return top
}

func (pl *planner) walk(r *relation, depth int) {
	if depth > 1000 {
		return
	}
	if r.op == "group" && pl.count(r) {
		pl.note("events are counted from the counts that the store keeps of whole segments")
		return
	}
	for _, in := range r.in {
		pl.walk(in, depth+1)
	}
	if r.op != "filter" {
		return
	}
	if cond, n := asKept(r.cond, 0); n > 0 {
		r.cond = cond
		pl.note("hashes are kept in small letters, so the filters of the store are asked")
	}
	if cond, n := glance(r.cond, 0); n > 0 {
		r.cond = cond
		pl.note("the fields of an event are searched as text before one of them is taken out")
	}
	if cond, n := firmly(r.cond, 0); n > 0 {
		r.cond = cond
		pl.note("what has no case is looked for first, before a text is made small")
	}
	if pl.split(r) {
		pl.note("or over several columns is a search of its own for each, put together")
	}
}

func (pl *planner) note(s string) {
	for _, n := range pl.notes {
		if n == s {
			return
		}
	}
	pl.notes = append(pl.notes, s)
}

// asKept compares a hash as it is where it would be compared in small letters, in
// which the stores keep it. It returns how many it found.
func asKept(x *scalar, depth int) (*scalar, int) {
	if depth > MaxDepth {
		return x, 0
	}
	switch x.op {
	case "and", "or", "not":
		args, n := make([]*scalar, len(x.args)), 0
		for i, a := range x.args {
			kept, m := asKept(a, depth+1)
			args[i], n = kept, n+m
		}
		if n == 0 {
			return x, 0
		}
		y := *x
		y.args = args
		return &y, n
	case "eq", "oneof":
		of := x.args[0]
		if of.op != "lower" || of.args[0].op != "column" || of.args[0].text != holdfast.EntityHash || x.op == "eq" && x.args[1].op != "text" {
			return x, 0
		}
		y := *x
		y.args = append([]*scalar{of.args[0]}, x.args[1:]...)
		return &y, 1
	}
	return x, 0
}

// glance puts before each condition on a native field that names a text the
// cheaper one that the text stands somewhere in the fields at all. It returns
// how many it put. Only what must hold is looked at, never what is negated.
func glance(x *scalar, depth int) (*scalar, int) {
	if depth > MaxDepth {
		return x, 0
	}
	switch x.op {
	case "and", "or":
		a, n := glance(x.args[0], depth+1)
		b, m := glance(x.args[1], depth+1)
		if n+m == 0 {
			return x, 0
		}
		return apply(x.op, truth, a, b), n + m
	case "eq", "contains", "icontains", "startswith", "endswith":
		of, what := x.args[0], x.args[1]
		if what.op != "text" || !plainJSON(what.text) {
			return x, 0
		}
		op := "contains"
		if x.op == "icontains" {
			op = "icontains"
		}
		fields := of
		if of.op == "lower" {
			fields, op = of.args[0], "icontains"
		}
		if fields.op != "field" {
			return x, 0
		}
		return apply("and", truth, apply(op, truth, fields.args[0], what), x), 1
	}
	return x, 0
}

// plainJSON tells whether a text stands in JSON as it is. A short one is in
// every event and not worth a look.
func plainJSON(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != ' ' && c != '-' && c != '_' && c != '.' && c != ':' && c != ',' && c != '=' {
			return false
		}
	}
	return len(s) > 2
}

// mostSides is the most searches that one "or" becomes.
const mostSides = 4

// split makes a search for each side of an "or" whose sides ask for one value
// of a column of the events each, so that the store's filters can be asked; a
// row that two sides find is left to the first. The engines do not.
func (pl *planner) split(r *relation) bool {
	if r.in[0].op != "scan" || r.cond.op != "or" {
		return false
	}
	sides := orSides(r.cond, nil)
	if len(sides) > mostSides {
		return false
	}
	over := map[string]bool{}
	for _, s := range sides {
		if s.op != "eq" && s.op != "oneof" || s.args[0].op != "column" || len(s.args) > 1 && s.args[1].op != "text" {
			return false
		}
		over[s.args[0].text] = true
	}
	if len(over) < 2 {
		return false
	}
	u := &relation{op: "union"}
	var before *scalar
	for _, s := range sides {
		cond := s
		if before != nil {
			cond = both(s, negate(before))
		}
		u.in = append(u.in, &relation{op: "filter", in: r.in, cond: cond})
		if before == nil {
			before = s
		} else {
			before = apply("or", truth, before, s)
		}
	}
	*r = *u
	return true
}

func orSides(x *scalar, out []*scalar) []*scalar {
	if x.op == "or" && len(out) <= mostSides {
		return orSides(x.args[1], orSides(x.args[0], out))
	}
	return append(out, x)
}

// describe is a plan for people, the last step first.
func describe(r *relation) string {
	var b strings.Builder
	var walk func(r *relation, depth int)
	walk = func(r *relation, depth int) {
		line := r.op
		switch r.op {
		case "limit":
			line = fmt.Sprintf("limit %d", r.n)
			if len(r.keys) > 0 {
				line += " in order of " + keyNames(r.keys)
			}
		case "join":
			line = "join " + r.kind
		case "compute", "pick", "expand":
			line = fmt.Sprintf("%s %d columns", r.op, len(r.add))
		case "group":
			line = fmt.Sprintf("group by %d columns, %d aggregates", len(r.by), len(r.agg))
		case "rows":
			line = fmt.Sprintf("%d rows written in the query", len(r.rows))
		case "filter":
			line = "filter " + say(r.cond, 0)
		}
		if r.note != "" {
			line += "  -- " + r.note
		}
		b.WriteString(strings.Repeat("  ", depth) + line + "\n")
		if depth < 30 {
			for _, in := range r.in {
				walk(in, depth+1)
			}
		}
	}
	walk(r, 0)
	return b.String()
}

func keyNames(keys []sortKey) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.column
		if k.desc {
			out[i] += " desc"
		}
	}
	return strings.Join(out, ", ")
}

// say is an expression in short.
func say(x *scalar, depth int) string {
	switch x.op {
	case "column", "number":
		return x.text
	case "text":
		return fmt.Sprintf("%q", cut(x.text, 40))
	case "field":
		return cut(x.text, 40)
	case "instant":
		return x.at.Format("2006-01-02T15:04:05Z")
	}
	if depth > 3 {
		return "…"
	}
	args := make([]string, 0, len(x.args))
	for _, a := range x.args {
		args = append(args, say(a, depth+1))
	}
	if len(x.list) > 0 {
		args = append(args, fmt.Sprintf("%d values", len(x.list)))
	}
	return x.op + "(" + strings.Join(args, ", ") + ")"
}

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
