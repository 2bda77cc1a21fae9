package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// Statement is a query compiled for DuckDB: one SELECT over the relation
// "events", with its arguments. Nothing a person wrote stands in SQL but
// through an argument or a quoted name.
type Statement struct {
	SQL  string
	Args []any
	// Events says that the rows are whole events, with the columns of Columns.
	Events bool
}

// Range is the span of event time a query looks at, From inclusive, To
// exclusive. Both are always set.
type Range struct{ From, To time.Time }

// columns of the relation "events", with their type: t text, i instant, b bytes.
var columns = func() map[string]byte {
	m := map[string]byte{
		"id": 't', "time": 'i', "received": 'i', "dataset": 't', "source": 't', "asset": 't',
		"trouble": 't', "drill": 't', "fields": 't', "raw": 't',
	}
	for _, k := range holdfast.EntityKinds() {
		m[k] = 't'
	}
	return m
}()

// aliases are other names people use for columns.
var aliases = map[string]string{
	"timestamp": "time", "_time": "time", "@timestamp": "time", "timegenerated": "time", "event.dataset": "dataset",
	"message_raw": "raw", "host": "host.name", "src": "source.ip", "dst": "destination.ip",
}

// EventColumns are the columns of a result of whole events, in order.
func EventColumns() []string {
	out := []string{"id", "time", "received", "dataset", "asset", "source"}
	out = append(out, holdfast.EntityKinds()...)
	return append(out, "trouble", "drill", "fields", "raw")
}

// kinds of value an expression gives.
const (
	text    = 't' // text of a column
	native  = 'j' // text of a native field, which may hold a number or a time
	numeric = 'n'
	instant = 'i'
	period  = 'd'
	truth   = 'b'
)

// scope is what names mean at one step: over events any field may be asked
// for; after project or summarize only the columns made there.
type scope struct {
	events bool
	kind   map[string]byte // columns made so far
	order  []string        // their names, in order
}

func (s *scope) add(name string, kind byte) {
	if _, ok := s.kind[name]; !ok {
		s.order = append(s.order, name)
	}
	s.kind[name] = kind
}

type sortKey struct {
	column string
	desc   bool
}

type compiler struct {
	args   []any
	scope  scope
	sorted []sortKey
	hidden int
}

// Compile makes the statement for a query over a range, with at most
// maxRows+1 rows, so that the reader can tell that there were more. Faults (an
// unknown column, an aggregate out of place) are *Error.
func Compile(q *Query, r Range, maxRows int) (Statement, error) {
	c := newCompiler()
	sql := c.base(r)
	var err error
	for _, s := range q.Stages {
		if sql, err = c.stage(sql, s); err != nil {
			return Statement{}, err
		}
	}
	return c.finish(sql, maxRows), nil
}

// Histogram counts the events of a query in buckets of step, up to the first
// step of its pipe that is no longer about events.
func Histogram(q *Query, r Range, step time.Duration) (Statement, error) {
	c := newCompiler()
	sql := c.base(r)
	var err error
	for _, s := range q.Stages {
		switch s.(type) {
		case Where, Extend:
		default:
			s = nil
		}
		if s == nil {
			break
		}
		if sql, err = c.stage(sql, s); err != nil {
			return Statement{}, err
		}
	}
	sql = fmt.Sprintf("SELECT time_bucket(to_microseconds(%d), time, TIMESTAMP '1970-01-01') AS bucket, count(*) AS count FROM (%s) GROUP BY bucket ORDER BY bucket",
		max(step.Microseconds(), 1), sql)
	return Statement{SQL: sql, Args: c.args}, nil
}

func newCompiler() *compiler {
	return &compiler{scope: scope{events: true, kind: map[string]byte{}}}
}

func (c *compiler) base(r Range) string {
	return "SELECT * FROM events WHERE time >= " + c.arg(r.From.UTC()) + " AND time < " + c.arg(r.To.UTC())
}

// arg adds an argument and returns its place.
func (c *compiler) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (c *compiler) stage(sql string, s Stage) (string, error) {
	switch s := s.(type) {
	case Where:
		cond, err := c.cond(s.Cond)
		if err != nil {
			return "", err
		}
		return "SELECT * FROM (" + sql + ") WHERE " + cond, nil
	case Extend:
		return c.extend(sql, s.Columns)
	case Project:
		return c.project(sql, s.Columns)
	case Summarize:
		return c.summarize(sql, s)
	case Order:
		return c.order(sql, s.Keys)
	case Take:
		return "SELECT * FROM (" + sql + ")" + c.orderBy() + " LIMIT " + strconv.FormatInt(s.N, 10), nil
	case Count:
		c.scope, c.sorted = scope{kind: map[string]byte{}}, nil
		c.scope.add("Count", numeric)
		return `SELECT count(*) AS "Count" FROM (` + sql + ")", nil
	}
	return "", fmt.Errorf("query: no such stage %T", s)
}

func (c *compiler) extend(sql string, cols []Named) (string, error) {
	list := make([]string, len(cols))
	kinds := make([]byte, len(cols))
	for i, n := range cols {
		x, k, err := c.scalar(n.Expr)
		if err != nil {
			return "", err
		}
		if err := c.nameFree(n); err != nil {
			return "", err
		}
		list[i], kinds[i] = x+" AS "+quoted(n.Name), k
	}
	for i, n := range cols {
		c.scope.add(n.Name, kinds[i])
	}
	return "SELECT *, " + strings.Join(list, ", ") + " FROM (" + sql + ")", nil
}

func (c *compiler) nameFree(n Named) error {
	_, made := c.scope.kind[n.Name]
	_, column := columns[n.Name]
	if made || c.scope.events && column || strings.HasPrefix(n.Name, "__") {
		pos, l := n.Expr.At()
		return &Error{Pos: pos, Len: l, What: fmt.Sprintf("there is a column %q already", n.Name), Suggest: "choose another name"}
	}
	return nil
}

func (c *compiler) project(sql string, cols []Named) (string, error) {
	next := scope{kind: map[string]byte{}}
	var list []string
	for _, n := range cols {
		x, k, err := c.scalar(n.Expr)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(n.Name, "__") {
			pos, l := n.Expr.At()
			return "", &Error{Pos: pos, Len: l, What: "names that start with __ are taken", Suggest: "choose another name"}
		}
		list = append(list, x+" AS "+quoted(n.Name))
		next.add(n.Name, k)
	}
	for i, k := range c.sorted { // carry the order along
		name := c.hide()
		list = append(list, quoted(k.column)+" AS "+quoted(name))
		c.sorted[i].column = name
	}
	c.scope = next
	return "SELECT " + strings.Join(list, ", ") + " FROM (" + sql + ")", nil
}

func (c *compiler) hide() string {
	c.hidden++
	return "__" + strconv.Itoa(c.hidden)
}

// summarize computes the groups and the aggregates' arguments first, so that
// grouping is by plain columns.
func (c *compiler) summarize(sql string, s Summarize) (string, error) {
	next := scope{kind: map[string]byte{}}
	var inner, outer, group []string
	for _, n := range s.By {
		x, k, err := c.scalar(n.Expr)
		if err != nil {
			return "", err
		}
		name := c.hide()
		inner = append(inner, x+" AS "+quoted(name))
		outer = append(outer, quoted(name)+" AS "+quoted(n.Name))
		group = append(group, quoted(name))
		next.add(n.Name, k)
	}
	for _, n := range s.Aggregates {
		x, k, err := c.aggregate(n.Expr, &inner)
		if err != nil {
			return "", err
		}
		if _, ok := next.kind[n.Name]; ok {
			pos, l := n.Expr.At()
			return "", &Error{Pos: pos, Len: l, What: fmt.Sprintf("two columns are called %q", n.Name), Suggest: "give one another name: name = expression"}
		}
		outer = append(outer, x+" AS "+quoted(n.Name))
		next.add(n.Name, k)
	}
	if len(inner) == 0 {
		inner = []string{"1 AS __none"}
	}
	if len(outer) == 0 {
		return "", &Error{What: "summarize has nothing to count", Suggest: "write summarize count() by field"}
	}
	c.scope, c.sorted = next, nil
	sql = "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(inner, ", ") + " FROM (" + sql + "))"
	if len(group) > 0 {
		sql += " GROUP BY " + strings.Join(group, ", ")
	}
	return sql, nil
}

func (c *compiler) aggregate(e Expr, inner *[]string) (string, byte, error) {
	pos, l := e.At()
	call, ok := e.(Call)
	if !ok || !functions[call.Name].aggregate {
		return "", 0, &Error{Pos: pos, Len: l, What: "summarize wants an aggregate here", Suggest: "use count(), dcount(field), countif(condition), sum, avg, min, max or make_set"}
	}
	if call.Name == "count" {
		return "count(*)", numeric, nil
	}
	if call.Name == "countif" {
		cond, err := c.cond(call.Args[0])
		if err != nil {
			return "", 0, err
		}
		name := c.hide()
		*inner = append(*inner, cond+" AS "+quoted(name))
		return "count(*) FILTER (WHERE " + quoted(name) + ")", numeric, nil
	}
	x, k, err := c.scalar(call.Args[0])
	if err != nil {
		return "", 0, err
	}
	if call.Name == "sum" || call.Name == "avg" {
		x, k = toNumber(x, k), numeric
	}
	name := c.hide()
	*inner = append(*inner, x+" AS "+quoted(name))
	n := quoted(name)
	switch call.Name {
	case "dcount":
		return "count(DISTINCT " + n + ")", numeric, nil
	case "make_set":
		return "list_sort(list_distinct(list(" + n + ")))[1:1000]", text, nil
	case "sum", "avg":
		return call.Name + "(" + n + ")", numeric, nil
	}
	return call.Name + "(" + n + ")", k, nil
}

func (c *compiler) order(sql string, keys []Key) (string, error) {
	var list []string
	var sorted []sortKey
	for _, k := range keys {
		x, _, err := c.scalar(k.Expr)
		if err != nil {
			return "", err
		}
		name := c.hide()
		list = append(list, x+" AS "+quoted(name))
		sorted = append(sorted, sortKey{name, k.Desc})
	}
	c.sorted = sorted
	return "SELECT *, " + strings.Join(list, ", ") + " FROM (" + sql + ")", nil
}

func (c *compiler) orderBy() string {
	if len(c.sorted) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(" ORDER BY ")
	for i, k := range c.sorted {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoted(k.column))
		if k.desc {
			b.WriteString(" DESC NULLS LAST")
		} else {
			b.WriteString(" ASC NULLS FIRST")
		}
	}
	return b.String()
}

func (c *compiler) finish(sql string, maxRows int) Statement {
	names := c.scope.order
	if c.scope.events {
		names = append(EventColumns(), names...)
		if len(c.sorted) == 0 {
			c.sorted = []sortKey{{"time", true}, {"id", false}}
		}
	}
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = quoted(n)
	}
	return Statement{
		SQL:    "SELECT " + strings.Join(list, ", ") + " FROM (" + sql + ")" + c.orderBy() + " LIMIT " + strconv.Itoa(maxRows+1),
		Args:   c.args,
		Events: c.scope.events,
	}
}
