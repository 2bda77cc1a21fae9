package query

import (
	"strings"
	"time"
)

// walker looks for times that a query compares the time of events with.
type walker struct {
	since time.Time
	at    Expr // says so
	depth int
	steps int
}

func (w *walker) query(q *Query) {
	if w.depth++; w.depth > MaxDepth {
		return
	}
	defer func() { w.depth-- }()
	w.source(q.From)
	for _, s := range q.Stages {
		if w.steps++; w.steps > 10_000 {
			return
		}
		switch s := s.(type) {
		case Where:
			w.expr(s.Cond)
		case Join:
			w.source(s.Right)
		case Append:
			w.source(Union(s))
		}
	}
}

func (w *walker) source(s Source) {
	switch s := s.(type) {
	case Sub:
		w.query(s.Query)
	case Union:
		for _, x := range s.Of {
			w.source(x)
		}
	}
}

func (w *walker) expr(e Expr) {
	switch e := e.(type) {
	case Binary:
		switch e.Op {
		case "and", "or":
			w.expr(e.Left)
			w.expr(e.Right)
		case ">", ">=":
			w.expr(e.Right)
			w.bound(e.Left, e.Right)
		case "<", "<=":
			w.expr(e.Right)
			w.bound(e.Right, e.Left)
		}
	case Between:
		w.bound(e.Of, e.Low)
	case Scalar:
		w.source(e.From)
	case In:
		if e.From != nil {
			w.source(e.From)
		}
	}
}

func (w *walker) bound(field, value Expr) {
	f, ok := field.(Field)
	if !ok || f.Name != "time" && aliases[strings.ToLower(f.Name)] != "time" {
		return
	}
	var at time.Time
	switch v := value.(type) {
	case Instant:
		at = v.Value
	case Text:
		if e, err := (&parser{}).instant(v.Value, v.span); err == nil {
			if i, ok := e.(Instant); ok {
				at = i.Value
			}
		}
	}
	if !at.IsZero() && (w.since.IsZero() || at.Before(w.since)) {
		w.since, w.at = at, value
	}
}
