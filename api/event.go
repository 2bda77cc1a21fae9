package api

import (
	"context"
	"encoding/json"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
)

// MaxRows is the most rows one search answers.
const MaxRows = 10_000

// QueryTimeout ends a search that takes too long.
const QueryTimeout = 30 * time.Second

type search struct {
	Body struct {
		Q       string    `json:"q" maxLength:"65536"`
		From    time.Time `json:"from,omitempty" required:"false"`
		To      time.Time `json:"to,omitempty" required:"false"`
		Limit   int       `json:"limit,omitempty" minimum:"0" maximum:"10000"`
		Buckets int       `json:"buckets,omitempty" minimum:"0" maximum:"500"`
	}
}

// Found is the answer to a search.
type Found struct {
	Columns   []events.Column `json:"columns"`
	Rows      [][]any         `json:"rows"`
	Truncated bool            `json:"truncated"`
	Events    bool            `json:"events"` // the rows are whole events
	TookMS    float64         `json:"took_ms"`
	SQL       string          `json:"sql"`
	Render    string          `json:"render,omitempty" doc:"how the search asks to be shown: table, timechart, barchart and so on"`
	Rewrites  []string        `json:"rewrites" doc:"what the planner changed"`
	Hints     []query.Error   `json:"hints" doc:"fields that no event had"`
	From      time.Time       `json:"from"`
	To        time.Time       `json:"to"`
	Lost      string          `json:"lost,omitempty" doc:"what of the range cannot be read and is not in the answer"`
}

// Histogram counts events over time.
type Histogram struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Step    float64   `json:"step_seconds"`
	Buckets []Bucket  `json:"buckets"`
	Total   int64     `json:"total"`
}

// Bucket is one bar.
type Bucket struct {
	Time  time.Time `json:"time"`
	Count int64     `json:"count"`
}

func (a *API) event() {
	add(a, route{"POST", "/query", "event.query", "Search events", ""}, func(ctx context.Context, in *search) (*One[Found], error) {
		return one(a.find(ctx, in))
	})
	add(a, route{"POST", "/query/histogram", "event.query", "Count the events of a search over time", ""}, func(ctx context.Context, in *search) (*One[Histogram], error) {
		return one(a.histogram(ctx, in))
	})
	add(a, route{"GET", "/events/{id}", "event.query", "One event", "event"}, func(ctx context.Context, in *ByID) (*One[json.RawMessage], error) {
		var id holdfast.EventID
		if err := id.UnmarshalText([]byte(in.ID)); err != nil {
			return nil, err
		}
		e, err := a.Events.Event(ctx, id)
		if err != nil {
			return nil, err
		}
		b, err := e.MarshalJSON()
		return &One[json.RawMessage]{b}, err
	})
}

func (a *API) find(ctx context.Context, in *search) (Found, error) {
	limit := in.Body.Limit
	if limit == 0 {
		limit = 200
	}
	c, err := a.compile(ctx, in.Body.Q, in.Body.From, in.Body.To, limit)
	if err != nil {
		return Found{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, QueryTimeout)
	defer cancel()
	res, err := a.Events.Query(ctx, c.statement())
	if err != nil {
		return Found{}, err
	}
	return Found{
		Columns: res.Columns, Rows: filled(res.Rows), Truncated: res.Truncated, Events: c.Events, Render: c.Render, Rewrites: filled(c.Rewrites), Hints: filled(c.Hints),
		TookMS: float64(res.Took.Microseconds()) / 1000, SQL: c.SQL, From: c.span.From, To: c.span.To, Lost: a.lost(ctx, c),
	}, nil
}

func (a *API) histogram(ctx context.Context, in *search) (Histogram, error) {
	q, err := query.Parse(in.Body.Q, a.Clock.Now())
	if err != nil {
		return Histogram{}, err
	}
	o := a.options(in.Body.From, in.Body.To)
	if since, ok := query.Since(q); ok && in.Body.From.IsZero() && since.Before(o.Range.From) {
		o.Range.From = since
	}
	r := o.Range
	buckets := in.Body.Buckets
	if buckets == 0 {
		buckets = 60
	}
	step := niceStep(r.To.Sub(r.From) / time.Duration(buckets))
	st, err := query.HistogramWith(q, o, step)
	if err != nil {
		return Histogram{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, QueryTimeout)
	defer cancel()
	res, err := a.Events.Query(ctx, events.Statement{SQL: st.SQL, Args: st.Args, From: st.Range.From, To: st.Range.To, MaxRows: 2000})
	if err != nil {
		return Histogram{}, err
	}
	h := Histogram{From: r.From, To: r.To, Step: step.Seconds(), Buckets: []Bucket{}}
	for _, row := range res.Rows {
		at, ok := row[0].(time.Time)
		n, ok2 := row[1].(int64)
		if !ok || !ok2 {
			continue
		}
		h.Buckets = append(h.Buckets, Bucket{at, n})
		h.Total += n
	}
	return h, nil
}

// niceStep rounds a bucket up to a width people read easily.
func niceStep(d time.Duration) time.Duration {
	for _, s := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
	} {
		if d <= s {
			return s
		}
	}
	return d.Round(24 * time.Hour)
}
