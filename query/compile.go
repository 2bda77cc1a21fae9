package query

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Range is the span of event time a query looks at, From inclusive, To
// exclusive. Both are always set.
type Range struct{ From, To time.Time }

// Statement is a query compiled: one SELECT over the relation "events", with
// its arguments. Nothing a person wrote stands in SQL but through an argument;
// names of columns are ours, and theirs only in quotes at the very end.
type Statement struct {
	SQL  string
	Args []any
	// Find says where those rows lie that SQL gives, by Places; "" where they are
	// no whole events, or the store cannot fetch them by that.
	Find     string
	FindArgs []any
	// Newest is how many rows these are at most, where they are the newest of the
	// range that the conditions hold for, so that Find may be asked span by span, the
	// newest first; 0 where they are others.
	Newest int
	// Range is the one that is asked for, or with Options.Narrow the part of it that
	// the query looks at.
	Range Range
	// Events says that the rows are whole events, with the columns of EventColumns.
	Events bool
	// Raw is the SELECT of a query that starts with sql. It is not ours: whoever
	// runs it lets its engine check that it reads "events" and nothing else.
	Raw     string
	Columns []string
	Render  string
	// Rewrites says what the planner changed, and Plan is what came of it.
	Rewrites []string
	Plan     string
	// Hints are fields that nobody has seen, and steps without a pipe, with what
	// may have been meant.
	Hints []Error
}

// Options say how to compile.
type Options struct {
	Range   Range
	MaxRows int
	Dialect Dialect // DuckDB if nil
	// Names gives the native fields behind an ECS name or an alias; nil for none.
	Names func(name string) []string
	// Known are the fields seen; when set, others are named in Hints.
	Known []string
	// Narrow lets a query's own bounds of time be the range: whoever runs the
	// statement does so over its Range.
	Narrow bool
	// Plain leaves the plan as it was written.
	Plain bool
}

// Compile makes the statement for DuckDB for a query over a range, with at most
// maxRows+1 rows, so that the reader can tell that there were more. Faults (an
// unknown column, an aggregate out of place) are *Error.
func Compile(q *Query, r Range, maxRows int) (Statement, error) {
	return CompileWith(q, Options{Range: r, MaxRows: maxRows})
}

// CompileWith is Compile with a choice of dialect and names.
func CompileWith(q *Query, o Options) (Statement, error) {
	if o.Dialect == nil {
		o.Dialect = DuckDB()
	}
	if q.SQL != "" {
		return compileSQL(q, o)
	}
	b := newBinder(o)
	rel, sc, err := b.query(q)
	if err != nil {
		return Statement{}, err
	}
	keys := b.sorted
	if sc.whole && len(keys) == 0 {
		at, _ := sc.find("time")
		id, _ := sc.find("id")
		keys = []sortKey{{at.physical, true}, {id.physical, false}}
	}
	if q.Render == "timechart" && len(keys) == 0 { // what is drawn over time comes in its order
		for _, c := range sc.cols {
			if c.kind == instant {
				keys = []sortKey{{c.physical, false}}
				break
			}
		}
	}
	top := &relation{op: "limit", in: []*relation{rel}, keys: keys, n: int64(o.MaxRows) + 1}
	pl := planner{dialect: o.Dialect}
	if !o.Plain {
		if o.Narrow && b.scans == 1 && pl.narrow(top, &o.Range) {
			pl.note("the bounds of time are the range, so what lies outside is not looked at")
		}
		top = pl.plan(top)
	}
	if b.column {
		pl.note("a field that the store keeps as a column is read from it, without the others")
	}
	p := printer{dialect: o.Dialect, span: o.Range}
	sql := p.final(top, sc)
	if p.tooLong {
		return Statement{}, &Error{What: "this query becomes too long", Suggest: "use fewer steps, unions or names given by let"}
	}
	finder := printer{dialect: o.Dialect, span: o.Range}
	find, newest := "", 0
	if sc.events() && !o.Plain {
		if find = finder.find(top); finder.tooLong {
			find = ""
		}
		if find != "" {
			if newest = newestOf(top); newest > 0 {
				pl.note("the newest part of the range is looked at first, and the rest only where that has too few")
			}
			pl.note("where the events lie is found first, by the columns that are asked about; then those alone are fetched")
		}
	}
	return Statement{
		Find: find, FindArgs: finder.args, Newest: newest, Range: o.Range,
		SQL: sql, Args: p.args, Events: sc.whole && len(sc.cols) == len(columns), Columns: sc.names(), Render: q.Render,
		Rewrites: pl.notes, Plan: describe(top), Hints: append(slices.Clip(q.hints), b.hints...),
	}, nil
}

func compileSQL(q *Query, o Options) (Statement, error) {
	p, _ := cutWord(trimLeft(q.SQL), "sql")
	return Statement{
		SQL: "SELECT * FROM (\n" + p + "\n) LIMIT " + fmt.Sprint(o.MaxRows+1), Raw: p, Range: o.Range,
		Plan: "sql, as written, over the events of the time range\n",
	}, nil
}

// Histogram counts the events of a query in buckets of step, up to the first
// step of its pipe that is no longer about events.
func Histogram(q *Query, r Range, step time.Duration) (Statement, error) {
	return HistogramWith(q, Options{Range: r}, step)
}

// HistogramWith is Histogram with a choice of dialect and names.
func HistogramWith(q *Query, o Options, step time.Duration) (Statement, error) {
	short, err := aboutEvents(q, "a histogram")
	if err != nil {
		return Statement{}, err
	}
	step = max(step, time.Microsecond)
	at := span{}
	short.Stages = append(short.Stages,
		Summarize{
			Aggregates: []Named{{"count", Call{at, "count", nil}}},
			By:         []Named{{"bucket", Call{at, "bin", []Expr{Field{at, "time"}, Span{at, step}}}}},
		},
		Order{[]Key{{Expr: Field{at, "bucket"}, Desc: false}}})
	o.MaxRows = 100_000
	return CompileWith(short, o)
}

// Since is the earliest time that the query itself asks for, where it compares
// the time of events with a constant.
func Since(q *Query) (time.Time, bool) {
	w := earliest(q)
	return w.since, !w.since.IsZero()
}

// Late is a hint where a query asks for events from before its range, nil where
// it does not. A minute is nothing: clocks differ by as much.
func Late(q *Query, r Range) *Error {
	w := earliest(q)
	if w.since.IsZero() || !w.since.Before(r.From.Add(-time.Minute)) {
		return nil
	}
	const form = "2006-01-02 15:04"
	return fault(w.at, "this asks for events since "+w.since.UTC().Format(form)+", and the range begins at "+r.From.UTC().Format(form)+" (UTC)", "choose a longer range")
}

func earliest(q *Query) walker {
	w := walker{}
	w.query(q)
	return w
}

// IsFault reports whether err is a fault of the query's text.
func IsFault(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
