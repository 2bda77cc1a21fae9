// Package query is Holdfast's search language: bare field:value terms and a
// subset of the Kusto query language, read into a tree, bound to columns, planned
// and printed as one parameterised SQL statement over the relation "events", for
// DuckDB or ClickHouse. Running the statement, its memory and its segments are
// left to store/events.
//
// References: Kusto query language (tabular operators where, extend, project,
// summarize, distinct, order, top, take, count, join, union, let, parse,
// mv-expand, render; scalar operators, functions and aggregates);
// Elastic Common Schema for entity names.
package query

import (
	"fmt"
	"time"
)

// MaxText is the longest query taken: 64 KiB.
const MaxText = 64 << 10

// MaxDepth bounds how deep expressions nest.
const MaxDepth = 100

// Error is a fault in a query, at a place in its text. Pos and Len count bytes.
type Error struct {
	Pos     int    `json:"pos"`
	Len     int    `json:"len"`
	What    string `json:"what"`
	Suggest string `json:"suggest,omitempty"`
}

func (e *Error) Error() string {
	s := fmt.Sprintf("at character %d: %s", e.Pos+1, e.What)
	if e.Suggest != "" {
		s += "; " + e.Suggest
	}
	return s
}

// Query is a query as read: a source of rows and what is done with them.
type Query struct {
	Text string
	// SQL is the text after "sql", for which there are no stages.
	SQL    string
	From   Source
	Stages []Stage
	// Render is what the reader asked to see: table, timechart, barchart and so on.
	Render string

	hints []Error // what may have been meant
}

// Source is where rows come from: Events, Sub, Union or Table.
type Source interface{ source() }

// The sources.
type (
	// Events are the events of the time range.
	Events struct{}
	// Sub is another query, in parentheses or under a name given by let.
	Sub struct{ Query *Query }
	// Union is the rows of several.
	Union struct{ Of []Source }
	// Table is a datatable: rows written in the query.
	Table struct {
		span
		Columns []TableColumn
		Rows    [][]Expr
	}
)

func (Events) source() {}
func (Sub) source()    {}
func (Union) source()  {}
func (Table) source()  {}

// TableColumn is a column of a datatable.
type TableColumn struct{ Name, Type string }

// Stage is one step of the pipe.
type Stage interface{ stage() }

// The stages.
type (
	// Where keeps the rows for which Cond holds.
	Where struct{ Cond Expr }
	// Extend adds columns, or computes those anew that have the name.
	Extend struct{ Columns []Named }
	// Project replaces the columns.
	Project struct{ Columns []Named }
	// Away removes columns.
	Away struct{ Patterns []Field }
	// Reorder brings columns to the front.
	Reorder struct{ Patterns []Field }
	// Keep keeps the columns that fit.
	Keep struct{ Patterns []Field }
	// Rename gives columns other names; each Expr is a Field.
	Rename struct{ Columns []Named }
	// Summarize groups rows. Without By it makes one row. Distinct is a
	// Summarize without Aggregates.
	Summarize struct{ Aggregates, By []Named }
	// Order sorts; later orders replace earlier ones.
	Order struct{ Keys []Key }
	// Take keeps the first N rows.
	Take struct{ N int64 }
	// Count makes one row with the number of rows.
	Count struct{}
	// Join joins with the rows of Right. Lookup leaves out the columns of the right
	// that tie them together.
	Join struct {
		span
		Kind   string
		Right  Source
		On     []Pair
		Lookup bool
	}
	// Append is the rows so far and those of others.
	Append struct{ Of []Source }
	// ParseBy takes columns out of a text by the literals around them.
	ParseBy struct {
		Of      Expr
		Pattern string
		Columns []TableColumn
		At      []span
	}
	// Expand makes a row of each element of a list.
	Expand struct{ Column Named }
)

func (Where) stage()     {}
func (Extend) stage()    {}
func (Project) stage()   {}
func (Away) stage()      {}
func (Reorder) stage()   {}
func (Keep) stage()      {}
func (Rename) stage()    {}
func (Summarize) stage() {}
func (Order) stage()     {}
func (Take) stage()      {}
func (Count) stage()     {}
func (Join) stage()      {}
func (Append) stage()    {}
func (ParseBy) stage()   {}
func (Expand) stage()    {}

// Pair is one condition of a join: a value of the left row and one of the right.
type Pair struct{ Left, Right Expr }

// Named is an expression under a column name.
type Named struct {
	Name string
	Expr Expr
}

// Key is one sort key. What has no value comes first where values rise, and last
// where they fall; Turned says that it is the other way round.
type Key struct {
	Expr   Expr
	Desc   bool
	Turned bool
}

// Expr is an expression; At is where it stands in the text.
type Expr interface{ At() (pos, length int) }

type span struct{ pos, len int }

// At returns where the expression stands.
func (s span) At() (int, int) { return s.pos, s.len }

// The expressions.
type (
	// Field names a column or an event's native field.
	Field struct {
		span
		Name string
	}
	// Text is a string literal.
	Text struct {
		span
		Value string
	}
	// Number is a number literal, as written.
	Number struct {
		span
		Value string
	}
	// Boolean is true or false.
	Boolean struct {
		span
		Value bool
	}
	// Span is a duration literal: 5m, 1h, 7d.
	Span struct {
		span
		Value time.Duration
	}
	// Instant is datetime(…).
	Instant struct {
		span
		Value time.Time
	}
	// Call is a function of the table in functions.go.
	Call struct {
		span
		Name string
		Args []Expr
	}
	// Binary is and, or, a comparison, a text operator or arithmetic.
	Binary struct {
		span
		Op          string
		Left, Right Expr
	}
	// Not negates.
	Not struct {
		span
		Of Expr
	}
	// In is membership of a list, or of the first column of From; Fold ignores
	// case.
	In struct {
		span
		Of   Expr
		List []Expr
		From Source
		Fold bool
	}
	// Any is a text operator over several texts, of which one or All must fit.
	Any struct {
		span
		Op   string
		Of   Expr
		List []Expr
		All  bool
	}
	// List is a list literal: dynamic(["a", "b"]).
	List struct {
		span
		Items []Expr
	}
	// Index is one element of a list, counted from 0, or from -1 at its end.
	Index struct {
		span
		Of Expr
		N  int
	}
	// Member is what stands under a name inside of JSON.
	Member struct {
		span
		Of   Expr
		Name string
	}
	// Scalar is the first value of the first row of From.
	Scalar struct {
		span
		From Source
	}
	// Star is all columns, in distinct * and arg_max(time, *).
	Star struct{ span }
	// Between is low <= of <= high.
	Between struct {
		span
		Of, Low, High Expr
	}
	// Like is a value with * wildcards, from a field:value term.
	Like struct {
		span
		Of      Expr
		Pattern string
	}
	// Anywhere is a bare term: somewhere in the raw record, ignoring case.
	Anywhere struct {
		span
		Value string
	}
)
