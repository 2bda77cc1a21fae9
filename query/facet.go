package query

import (
	"strings"
	"time"

	"holdfast"
)

// MaxFacets is the most fields that one look over a result tells apart.
const MaxFacets = 300

// aboutEvents is the beginning of a query, up to the first step that is no
// longer about events; what counts events works on that.
func aboutEvents(q *Query, what string) (*Query, error) {
	if _, ok := q.From.(Events); !ok || q.SQL != "" {
		return nil, &Error{What: what + " looks at events, and this query starts with something else"}
	}
	short := &Query{From: q.From}
	for _, s := range q.Stages {
		switch s.(type) {
		case Where, Extend:
			short.Stages = append(short.Stages, s)
			continue
		}
		break
	}
	return short, nil
}

// FacetFields compiles the search for the native fields of a query's events: in
// how many events each stands, and how many different values it has, exactly,
// which takes memory for each of them, or about.
func FacetFields(q *Query, exact bool, o Options) (Statement, error) {
	short, err := aboutEvents(q, "a list of fields")
	if err != nil {
		return Statement{}, err
	}
	if o.Dialect == nil {
		o.Dialect = DuckDB()
	}
	o.MaxRows = 1 << 40 // all: the rows are counted where they are
	short.Stages = append(short.Stages, Project{[]Named{{"fields", Field{span{}, "fields"}}}})
	st, err := CompileWith(short, o)
	if err != nil {
		return Statement{}, err
	}
	st.SQL = o.Dialect.keys(st.SQL, MaxFacets+1, exact)
	st.Events, st.Columns = false, []string{"name", "n", "different"}
	return st, nil
}

// FacetColumns compiles the search for the same of the columns that every event
// has: one row, with all events, then two numbers for each of the columns.
func FacetColumns(q *Query, o Options) (Statement, []string, error) {
	short, err := aboutEvents(q, "a list of fields")
	if err != nil {
		return Statement{}, nil, err
	}
	at := span{}
	names := append([]string{"dataset", "asset", "source"}, holdfast.EntityKinds()...)
	sum := Summarize{Aggregates: []Named{{"all", Call{at, "count", nil}}}}
	for i, name := range names {
		f, n := Field{at, name}, string(rune('a'+i))
		sum.Aggregates = append(sum.Aggregates,
			Named{"n" + n, Call{at, "countif", []Expr{Call{at, "isnotempty", []Expr{f}}}}},
			Named{"d" + n, Call{at, "dcountif", []Expr{f, Call{at, "isnotempty", []Expr{f}}}}})
	}
	short.Stages = append(short.Stages, sum)
	o.MaxRows = 1
	st, err := CompileWith(short, o)
	return st, names, err
}

// Facet asks for the values of one field.
type Facet struct {
	Field string
	// Rare has the values of the fewest hosts first, then of the fewest events;
	// else those of the most events come first.
	Rare bool
	// Like keeps values that hold this text, whatever its case.
	Like  string
	Limit int
}

// FacetValues compiles the search for the values of a field in a query's
// events: each with its events, its hosts and when it was first and last there.
func FacetValues(q *Query, f Facet, o Options) (Statement, error) {
	short, of, err := faceted(q, f)
	if err != nil {
		return Statement{}, err
	}
	at := span{}
	keys := []Key{{Expr: Field{at, "events"}, Desc: true}, {Expr: Field{at, "value"}, Desc: false}}
	if f.Rare {
		keys = []Key{{Expr: Field{at, "hosts"}, Desc: false}, {Expr: Field{at, "events"}, Desc: false}, {Expr: Field{at, "value"}, Desc: false}}
	}
	host := Call{at, "coalesce", []Expr{Field{at, "host.name"}, Field{at, "asset"}}}
	short.Stages = append(short.Stages,
		Summarize{
			Aggregates: []Named{
				{"events", Call{at, "count", nil}},
				{"hosts", Call{at, "dcountif", []Expr{host, Call{at, "isnotempty", []Expr{host}}}}},
				{"first", Call{at, "min", []Expr{Field{at, "time"}}}},
				{"last", Call{at, "max", []Expr{Field{at, "time"}}}},
			},
			By: []Named{{"value", of}},
		},
		Order{keys})
	o.MaxRows = f.Limit
	return CompileWith(short, o)
}

// FacetTotal compiles the search for what the values of a field are a share of:
// events that have it, different values, hosts.
func FacetTotal(q *Query, f Facet, o Options) (Statement, error) {
	short, of, err := faceted(q, f)
	if err != nil {
		return Statement{}, err
	}
	at := span{}
	host := Call{at, "coalesce", []Expr{Field{at, "host.name"}, Field{at, "asset"}}}
	short.Stages = append(short.Stages, Summarize{Aggregates: []Named{
		{"events", Call{at, "count", nil}},
		{"different", Call{at, "dcount", []Expr{of}}},
		{"hosts", Call{at, "dcountif", []Expr{host, Call{at, "isnotempty", []Expr{host}}}}},
	}})
	o.MaxRows = 1
	return CompileWith(short, o)
}

// faceted are a query's events that have the field, and the field as text.
func faceted(q *Query, f Facet) (*Query, Expr, error) {
	short, err := aboutEvents(q, "a list of values")
	if err != nil {
		return nil, nil, err
	}
	at := span{}
	field := Field{at, f.Field}
	of := Expr(Call{at, "tostring", []Expr{field}})
	cond := Expr(Call{at, "isnotempty", []Expr{field}})
	if like := strings.TrimSpace(f.Like); like != "" {
		cond = Binary{at, "and", cond, Binary{at, "contains", field, Text{at, like}}}
	}
	short.Stages = append(short.Stages, Where{cond})
	return short, of, nil
}

// Arrived compiles a query over the events received after a moment, the newest
// first, or the number of them.
func Arrived(q *Query, after Instant, counted bool, o Options) (Statement, error) {
	short, err := aboutEvents(q, "a tail")
	if err != nil {
		return Statement{}, err
	}
	if len(short.Stages) < len(q.Stages) {
		return Statement{}, &Error{What: "a tail shows events as they come, and this query makes other rows of them", Suggest: "leave out what stands after its conditions"}
	}
	at := span{}
	short.Stages = append(short.Stages, Where{Binary{at, ">", Field{at, "received"}, after}})
	if counted {
		short.Stages = append(short.Stages, Count{})
		o.MaxRows = 1
		return CompileWith(short, o)
	}
	short.Stages = append(short.Stages, Order{[]Key{{Expr: Field{at, "received"}, Desc: true}, {Expr: Field{at, "id"}, Desc: false}}})
	return CompileWith(short, o)
}

// Moment is a point in time as an expression.
func Moment(t time.Time) Instant { return Instant{Value: t} }

// Quoted is a text as the language reads it.
func Quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}
