package query

import (
	"strconv"
	"strings"
	"time"
)

// maxSQL bounds a statement; what comes near it was made to be large.
const maxSQL = 4 << 20

// printer writes a plan as SQL of a dialect, and collects its arguments.
type printer struct {
	dialect Dialect
	span    Range
	args    []any
	wrote   int
	tooLong bool
}

func (p *printer) add(v any) int {
	p.args = append(p.args, p.dialect.argument(v))
	return len(p.args)
}

func (p *printer) instant(t time.Time) string { return p.dialect.instantAt(p.add(t.UTC())) }

// spent counts what is written, and stops what grows without bound.
func (p *printer) spent(s string) string {
	if p.wrote += len(s); p.tooLong || len(s) > maxSQL || p.wrote > 16*maxSQL {
		p.tooLong = true
		return "NULL"
	}
	return s
}

// final is the whole statement: the columns under the names that people gave.
func (p *printer) final(top *relation, sc scope) string {
	list := make([]string, len(sc.cols))
	for i, c := range sc.cols {
		list[i] = p.dialect.shown(c.kind, "t."+p.dialect.quote(c.physical)) + " AS " + p.dialect.quote(c.name)
	}
	return p.spent("SELECT " + strings.Join(list, ", ") + " FROM (" + p.relation(top.in[0]) + ") AS t" + p.order(top.keys, "t.") + " LIMIT " + strconv.FormatInt(top.n, 10) + p.dialect.settings())
}

// find is the statement that says where the rows of the final one lie, and in
// which order, "" where they are not events as a store has them.
func (p *printer) find(top *relation) string {
	places := p.dialect.places()
	if len(places) == 0 || !stored(top.in[0], 0) {
		return ""
	}
	list := make([]string, len(places))
	for i, n := range places {
		list[i] = "t." + p.dialect.quote(n)
	}
	return p.spent("SELECT " + strings.Join(list, ", ") + " FROM (" + p.relation(top.in[0]) + ") AS t" + p.order(top.keys, "t.") + " LIMIT " + strconv.FormatInt(top.n, 10))
}

// stored tells whether the rows of a step are rows of the store.
func stored(r *relation, depth int) bool {
	switch {
	case r.op == "scan":
		return r.prefix == ""
	case depth > MaxDepth || r.op != "filter" && r.op != "limit" && r.op != "union":
		return false
	}
	for _, in := range r.in {
		if !stored(in, depth+1) {
			return false
		}
	}
	return true
}

func (p *printer) order(keys []sortKey, table string) string {
	if len(keys) == 0 {
		return ""
	}
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = table + p.dialect.quote(k.column) + " ASC NULLS FIRST"
		if k.desc {
			list[i] = table + p.dialect.quote(k.column) + " DESC NULLS LAST"
		}
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

func (p *printer) from(r *relation) string { return " FROM (" + p.relation(r) + ")" }

// relation writes one step as a SELECT.
func (p *printer) relation(r *relation) string {
	switch r.op {
	case "scan":
		return p.spent(p.scan(r))
	case "rows":
		return p.spent(p.rows(r))
	case "filter":
		return p.spent("SELECT *" + p.from(r.in[0]) + " WHERE " + p.scalar(r.cond))
	case "compute":
		return p.spent("SELECT *, " + p.computed(r.add, false) + p.from(r.in[0]))
	case "pick":
		return p.spent("SELECT " + p.computed(r.add, true) + p.from(r.in[0]))
	case "expand":
		x := r.add[0]
		return p.spent("SELECT *, " + p.dialect.unnest(p.scalar(x.expr)) + " AS " + p.dialect.quote(x.name) + p.from(r.in[0]))
	case "limit":
		return p.spent("SELECT *" + p.from(r.in[0]) + p.order(r.keys, "") + " LIMIT " + strconv.FormatInt(r.n, 10))
	case "group":
		return p.spent(p.group(r))
	case "union":
		sides := make([]string, len(r.in))
		for i, in := range r.in {
			sides[i] = p.relation(in)
		}
		return p.spent(strings.Join(sides, " UNION ALL "))
	case "join":
		return p.spent(p.join(r))
	}
	p.tooLong = true
	return ""
}

func (p *printer) scan(r *relation) string {
	list := "*"
	if r.prefix != "" {
		names := EventColumns()
		if r.counts != "" {
			names = append(strings.Split(r.counts, ", "), Counted)
		} else if kept := p.dialect.kept(KeptCommandLine); kept != "" {
			names = append(names, kept)
		}
		for i, n := range names {
			names[i] = p.dialect.quote(n) + " AS " + p.dialect.quote(r.scanColumn(n))
		}
		list = strings.Join(names, ", ")
	}
	if r.counts != "" {
		return "SELECT " + list + " FROM " + p.dialect.quote(p.dialect.counts(r.counts))
	}
	if within := p.dialect.within(); within != "" {
		return "SELECT " + list + " FROM " + p.dialect.quote(within)
	}
	at := p.dialect.quote("time")
	return "SELECT " + list + " FROM events WHERE " + at + " >= " + p.instant(p.span.From) + " AND " + at + " < " + p.instant(p.span.To)
}

func (p *printer) rows(r *relation) string {
	out := make([]string, len(r.rows))
	for i, row := range r.rows {
		cells := make([]string, len(row))
		for j, x := range row {
			cells[j] = p.wide(x) + " AS " + p.dialect.quote(r.pick[j])
		}
		out[i] = "SELECT " + strings.Join(cells, ", ")
	}
	return strings.Join(out, " UNION ALL ")
}

// wide is an expression that stands beside others of its kind.
func (p *printer) wide(x *scalar) string {
	if x.kind == numeric {
		return p.dialect.number(p.scalar(x))
	}
	return p.scalar(x)
}

func (p *printer) computed(list []computed, wide bool) string {
	out := make([]string, len(list))
	for i, c := range list {
		var sql string
		if wide {
			sql = p.wide(c.expr)
		} else {
			sql = p.scalar(c.expr)
		}
		out[i] = sql + " AS " + p.dialect.quote(c.name)
	}
	return strings.Join(out, ", ")
}

func (p *printer) group(r *relation) string {
	var list, by []string
	for _, c := range r.by {
		list = append(list, p.scalar(c.expr)+" AS "+p.dialect.quote(c.name))
		by = append(by, p.scalar(c.expr))
	}
	var keys []sortKey
	for _, a := range r.agg {
		args := make([]string, len(a.args))
		for i, c := range a.args {
			args[i] = p.dialect.quote(c)
		}
		if len(a.keys) > 0 {
			keys = a.keys
		}
		op, filled := strings.CutSuffix(a.op, orText)
		sql := strings.NewReplacer("#n", a.num, "#o", p.order(a.keys, "")).Replace(filledIn(p.dialect.grouped(op), args))
		if filled {
			sql = "coalesce(" + sql + ", '')"
		}
		list = append(list, sql+" AS "+p.dialect.quote(a.name))
	}
	from := p.from(r.in[0])
	if len(keys) > 0 { // for the engine whose lists follow the order of their rows
		from = " FROM (SELECT *" + from + p.order(keys, "") + ")"
	}
	sql := "SELECT " + strings.Join(list, ", ") + from
	if len(by) > 0 {
		sql += " GROUP BY " + strings.Join(by, ", ")
	}
	return sql
}

func (p *printer) join(r *relation) string {
	list := "l.*"
	if len(r.add) > 0 {
		list += ", " + p.computed(r.add, false)
	}
	left, right := p.relation(r.in[0]), p.relation(r.in[1])
	on := make([]string, len(r.by))
	for i, c := range r.by {
		on[i] = "l." + p.dialect.quote(c.name) + " = r." + p.dialect.quote(c.expr.text)
	}
	return "SELECT " + list + " FROM (" + left + ") AS l " + p.dialect.join(r.kind) + " (" + right + ") AS r ON " + strings.Join(on, " AND ")
}

// scalar writes an expression.
func (p *printer) scalar(x *scalar) string {
	if p.tooLong {
		return "NULL"
	}
	switch x.op {
	case "column":
		return p.dialect.quote(x.text)
	case "text":
		return p.dialect.place(p.add(x.text))
	case "number":
		return numberText(x.text)
	case "true", "false":
		return x.op
	case "null":
		return p.dialect.null(x.kind)
	case "empty":
		return p.dialect.empty(x.kind)
	case "span":
		return strconv.FormatInt(x.us, 10)
	case "instant":
		return p.instant(x.at)
	case "field":
		of := p.scalar(x.args[0])
		n := p.add(nil)
		sql, arg := p.dialect.field(n, of, x.text)
		p.args[n-1] = arg
		return sql
	case "member":
		return p.spent(p.dialect.member(p.scalar(x.args[0]), x.list, func(v any) string { return p.dialect.place(p.add(v)) }))
	case "bucket":
		return p.spent(p.dialect.bucket(x.us, p.scalar(x.args[0]), isEventTime(x.args[0])))
	case "first row":
		return p.spent("(" + p.relation(x.in) + ")")
	case "insub":
		return p.spent("(" + p.scalar(x.args[0]) + " IN (" + p.relation(x.in) + "))")
	case "below": // the cut-off of the planner: at least the least of a few
		return p.spent("(" + p.scalar(x.args[0]) + " >= (" + p.relation(x.in) + "))")
	}
	return p.spent(p.operation(x))
}

func isEventTime(x *scalar) bool {
	return x.op == "column" && (x.text == "time" || x.text == "received")
}

func (p *printer) operation(x *scalar) string {
	args := make([]string, len(x.args))
	for i, a := range x.args {
		args[i] = p.scalar(a)
	}
	switch x.op {
	case "oneof":
		list := make([]string, len(x.list))
		for i, t := range x.list {
			list[i] = p.dialect.place(p.add(t))
		}
		return "(" + args[0] + " IN (" + strings.Join(list, ", ") + "))"
	case "firsttext":
		for i := range args {
			args[i] = "nullif(" + args[i] + ", '')"
		}
		return "coalesce(" + strings.Join(args, ", ") + ", '')"
	case "first", "least", "greatest":
		if x.kind == numeric {
			for i := range args {
				args[i] = p.dialect.number(args[i])
			}
		}
	case "case":
		return p.choice(x, args)
	case "format":
		return filledIn(p.dialect.format(append([]string(nil), x.list...)), args)
	case "prev", "next":
		return p.dialect.window(x.op, args[0], args[1], strings.TrimSpace(p.order(x.keys, "")))
	case "rownumber":
		part := ""
		if len(x.list) > 0 {
			quoted := make([]string, len(x.list))
			for i, c := range x.list {
				quoted[i] = p.dialect.quote(c)
			}
			part = "PARTITION BY " + strings.Join(quoted, ", ")
		}
		return "row_number() OVER (" + part + p.order(x.keys, "") + ")"
	}
	return filledIn(p.dialect.operation(x.op), args)
}

func (p *printer) choice(x *scalar, args []string) string {
	var b strings.Builder
	b.WriteString("CASE")
	value := func(i int) string {
		if x.kind == numeric {
			return p.dialect.number(args[i])
		}
		return args[i]
	}
	for i := 0; i+1 < len(args); i += 2 {
		b.WriteString(" WHEN " + args[i] + " THEN " + value(i+1))
	}
	b.WriteString(" ELSE " + value(len(args)-1) + " END")
	return b.String()
}

// numberText is a number literal that no engine takes for a decimal of its own
// making.
func numberText(s string) string {
	if len(s) > 15 || strings.Contains(s, ".") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "0"
		}
		s = strconv.FormatFloat(f, 'e', -1, 64)
	}
	if strings.HasPrefix(s, "-") {
		return "(" + s + ")"
	}
	return s
}
