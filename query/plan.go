package query

import (
	"fmt"
	"strings"
)

// planner rewrites a plan into one that gives the same rows for less work. It
// notes what it did.
type planner struct{ notes []string }

func (pl *planner) plan(top *relation) *relation { return top }

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
