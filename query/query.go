// Package query is Holdfast's search language: bare field:value terms and a
// subset of the Kusto query language, read into a tree and compiled to one
// parameterised SQL statement over the relation "events". Running the
// statement, its memory and its segments are left to store/events.
//
// References: Kusto query language (tabular operators where, extend, project,
// summarize, distinct, order, top, take, count; scalar operators and functions);
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

// Query is a query as read.
type Query struct {
	Text   string
	Stages []Stage
}

// Stage is one step of the pipe: Where, Extend, Project, Summarize, Order,
// Take or Count.
type Stage interface{ stage() }

// The stages.
type (
	// Where keeps the rows for which Cond holds.
	Where struct{ Cond Expr }
	// Extend adds columns.
	Extend struct{ Columns []Named }
	// Project replaces the columns.
	Project struct{ Columns []Named }
	// Summarize groups rows. Without By it makes one row. Distinct is a
	// Summarize without Aggregates.
	Summarize struct{ Aggregates, By []Named }
	// Order sorts; later orders replace earlier ones.
	Order struct{ Keys []Key }
	// Take keeps the first N rows.
	Take struct{ N int64 }
	// Count makes one row with the number of rows.
	Count struct{}
)

func (Where) stage()     {}
func (Extend) stage()    {}
func (Project) stage()   {}
func (Summarize) stage() {}
func (Order) stage()     {}
func (Take) stage()      {}
func (Count) stage()     {}

// Named is an expression under a column name.
type Named struct {
	Name string
	Expr Expr
}

// Key is one sort key.
type Key struct {
	Expr Expr
	Desc bool
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
	// In is membership of a list; Fold ignores case.
	In struct {
		span
		Of   Expr
		List []Expr
		Fold bool
	}
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
