package query

import "time"

// kinds of value an expression gives.
const (
	text    = 't' // text of a column, never null
	native  = 'j' // text of a native field, which may hold a number or a time; never null
	numeric = 'n'
	instant = 'i'
	period  = 'd' // whole microseconds
	truth   = 'b'
	texts   = 'l' // a list of texts
	numbers = 'm' // a list of numbers
)

// scalar is an expression of the plan over one row: an operation, whose SQL a
// dialect knows, over others; a column; or a constant.
type scalar struct {
	op   string
	kind byte
	null bool // may be null
	args []*scalar
	text string // the constant, or the column's physical name
	us   int64  // a duration
	at   time.Time
	in   *relation // of op "insub"
	keys []sortKey // of a window
	list []string  // of op "oneof"
}

func column(name string, kind byte, null bool) *scalar {
	return &scalar{op: "column", kind: kind, null: null, text: name}
}
func textOf(s string) *scalar { return &scalar{op: "text", kind: text, text: s} }
func number(s string) *scalar { return &scalar{op: "number", kind: numeric, text: s} }
func boolean(b bool) *scalar {
	if b {
		return &scalar{op: "true", kind: truth}
	}
	return &scalar{op: "false", kind: truth}
}

// apply is an operation over arguments; it may be null if one of them may.
func apply(op string, kind byte, args ...*scalar) *scalar {
	s := &scalar{op: op, kind: kind, args: args}
	for _, a := range args {
		s.null = s.null || a.null
	}
	return s
}

func nullable(s *scalar) *scalar { s.null = true; return s }

func both(a, b *scalar) *scalar {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return apply("and", truth, a, b)
}

// negate is true where s is false or null.
func negate(s *scalar) *scalar { return apply("not", truth, sure(s)) }

// sure is s, and false where s is null.
func sure(s *scalar) *scalar {
	if !s.null {
		return s
	}
	return &scalar{op: "sure", kind: truth, args: []*scalar{s}}
}

// sortKey is one key of an order, by physical column.
type sortKey struct {
	column string
	desc   bool
}

// computed is a column that a step adds, under its physical name.
type computed struct {
	name string
	expr *scalar
}

// aggregated is a column that a summarize makes: an operation over physical
// columns of the step before.
type aggregated struct {
	name string
	op   string
	args []string // physical columns
	num  string   // of a percentile
	keys []sortKey
}

// relation is a step of the plan. Which of its parts count depends on op:
// "scan" (the events of the range; prefix names its columns), "rows" (constant
// rows), "filter", "compute", "group", "limit", "union", "join", "expand", "cut".
type relation struct {
	op     string
	in     []*relation
	prefix string
	cond   *scalar
	add    []computed
	by     []computed // of a group: plain columns; of a union: the columns of each input in order
	agg    []aggregated
	keys   []sortKey
	n      int64
	kind   string // of a join
	pick   []string
	rows   [][]*scalar
	counts string // of a scan: what the counts are of that are read instead of the events
	note   string
}

// scanColumn is the physical name of a column of the relation "events".
func (r *relation) scanColumn(name string) string { return r.prefix + name }
