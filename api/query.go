package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/singleflight"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
)

// What one answer may have at most when it is handed on row by row.
const (
	maxStreamed = 100_000
	maxExported = 1_000_000
	// exportTimeout ends an export that takes too long.
	exportTimeout = 10 * time.Minute
	// fieldsFor is how long the fields that were seen are taken as known.
	fieldsFor = time.Minute
	// fieldsDoubted is the same where a search names a field that is not among them.
	fieldsDoubted = 2 * time.Second
	// completeTimeout is how long a person who types waits for values.
	completeTimeout = 3 * time.Second
)

// streaming is what a store of events may do besides: hand on rows as they
// come, and write Parquet.
type streaming interface {
	Stream(ctx context.Context, st events.Statement, head func([]events.Column) error, row func([]any) error) (truncated bool, err error)
	Parquet(ctx context.Context, st events.Statement, w io.Writer) error
}

// dialect says which SQL a store of events speaks; DuckDB's if it does not say.
type dialect interface{ Dialect() query.Dialect }

// seen remembers which native fields there are.
type seen struct {
	look   singleflight.Group
	mu     sync.Mutex
	at     time.Time // of the last look; zero before the first
	fields []string
}

// Explained is a search as it would be run.
type Explained struct {
	SQL      string        `json:"sql"`
	Args     []string      `json:"args"`
	Plan     string        `json:"plan" doc:"the steps, the last one first"`
	Rewrites []string      `json:"rewrites" doc:"what the planner changed"`
	Hints    []query.Error `json:"hints" doc:"fields that no event had"`
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
}

type completing struct {
	Body struct {
		Q      string    `json:"q" maxLength:"65536"`
		Cursor int       `json:"cursor" minimum:"0" doc:"the byte of q that the cursor stands before"`
		From   time.Time `json:"from,omitempty" required:"false"`
		To     time.Time `json:"to,omitempty" required:"false"`
	}
}

type exporting struct {
	Body struct {
		Q      string    `json:"q" maxLength:"65536"`
		Format string    `json:"format" enum:"parquet,ndjson,csv"`
		From   time.Time `json:"from,omitempty" required:"false"`
		To     time.Time `json:"to,omitempty" required:"false"`
		Limit  int       `json:"limit,omitempty" minimum:"0" maximum:"1000000"`
	}
}

type streamed struct {
	Body struct {
		Q     string    `json:"q" maxLength:"65536"`
		From  time.Time `json:"from,omitempty" required:"false"`
		To    time.Time `json:"to,omitempty" required:"false"`
		Limit int       `json:"limit,omitempty" minimum:"0" maximum:"100000"`
	}
}

func (a *API) query() {
	add(a, route{"POST", "/query/explain", "event.query", "How a search would be run, without running it", ""}, func(ctx context.Context, in *search) (*One[Explained], error) {
		c, err := a.compile(ctx, in.Body.Q, in.Body.From, in.Body.To, 200)
		if err != nil {
			return nil, err
		}
		x := Explained{SQL: c.SQL, Args: make([]string, len(c.Args)), Plan: c.Plan, Rewrites: filled(c.Rewrites), Hints: filled(c.Hints), From: c.Range.From, To: c.Range.To}
		for i, v := range c.Args {
			x.Args[i] = fmt.Sprint(v)
		}
		return &One[Explained]{x}, nil
	})
	add(a, route{"POST", "/query/complete", "event.query", "What may stand at the cursor of a search", ""}, func(ctx context.Context, in *completing) (*One[query.Completion], error) {
		return &One[query.Completion]{a.complete(ctx, in)}, nil
	})
	add(a, route{"POST", "/query/stream", "event.query", "Search events; lines of JSON: columns, then rows as they come, then the end", ""}, func(ctx context.Context, in *streamed) (*huma.StreamResponse, error) {
		limit := in.Body.Limit
		if limit == 0 {
			limit = MaxRows
		}
		c, err := a.compile(ctx, in.Body.Q, in.Body.From, in.Body.To, limit)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(h huma.Context) { a.streamAnswer(h, c) }}, nil
	})
	add(a, route{"POST", "/query/export", "event.query", "The answer of a search as a file: Parquet, NDJSON or CSV", ""}, func(ctx context.Context, in *exporting) (*huma.StreamResponse, error) {
		limit := in.Body.Limit
		if limit == 0 {
			limit = maxExported
		}
		c, err := a.compile(ctx, in.Body.Q, in.Body.From, in.Body.To, limit)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(h huma.Context) { a.export(h, c, in.Body.Format) }}, nil
	})
}

// compiled is a search, ready for the store.
type compiled struct {
	query.Statement
	span  query.Range // that was asked for
	limit int
	whole bool // it is not answered without what cannot be read
}

func (c compiled) statement() events.Statement {
	return events.Statement{SQL: c.SQL, Args: c.Args, Find: c.Find, FindArgs: c.FindArgs, Newest: c.Newest, Own: c.Raw, From: c.Range.From, To: c.Range.To, MaxRows: c.limit, Whole: c.whole}
}

// compile reads a search. Where no start is given, it is the earliest time that
// the search asks for itself, else a day ago.
func (a *API) compile(ctx context.Context, text string, from, to time.Time, limit int) (compiled, error) {
	q, err := query.Parse(text, a.Clock.Now())
	if err != nil {
		return compiled{}, err
	}
	o := a.options(from, to)
	if since, ok := query.Since(q); ok && from.IsZero() && since.Before(o.Range.From) {
		o.Range.From = since
	}
	o.MaxRows, o.Known = limit, a.known(ctx, fieldsFor)
	st, err := query.CompileWith(q, o)
	if err == nil && len(st.Hints) > 0 { // events with such a field may have come since
		o.Known = a.known(ctx, fieldsDoubted)
		st, err = query.CompileWith(q, o)
	}
	if late := query.Late(q, o.Range); late != nil {
		st.Hints = append(st.Hints, *late)
	}
	return compiled{st, o.Range, limit, false}, err
}

func (a *API) options(from, to time.Time) query.Options {
	o := query.Options{Range: a.queryRange(from, to), Names: a.nativeNames, Narrow: true}
	if d, ok := a.Events.(dialect); ok {
		o.Dialect = d.Dialect()
	}
	return o
}

// nativeNames are the native fields behind an ECS name or another name that
// rules use, by the datasets' own maps.
func (a *API) nativeNames(name string) []string {
	return holdfast.NativeNames(a.Datasets, name)
}

// known are the native fields of the newest events, as seen within a time; nil
// while nobody knows. A search does not wait for what is only older than fieldsFor:
// the next one has what this one has looked for.
func (a *API) known(ctx context.Context, within time.Duration) []string {
	if a.Events == nil {
		return nil
	}
	a.seen.mu.Lock()
	fields, at := a.seen.fields, a.seen.at
	a.seen.mu.Unlock()
	if !at.IsZero() && a.Clock.Now().Sub(at) < within {
		return fields
	}
	looked := a.seen.look.DoChan("", func() (any, error) {
		return a.lookForFields(context.WithoutCancel(ctx)), nil
	})
	if len(fields) > 0 && within >= fieldsFor {
		return fields
	}
	select {
	case r := <-looked:
		fields, _ = r.Val.([]string)
	case <-ctx.Done():
	}
	return fields
}

// lookForFields looks for the native fields, and remembers them; what was known
// before is left where the look fails.
func (a *API) lookForFields(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	now := a.Clock.Now()
	var fields []string
	var failed error
	for _, from := range []time.Time{{}, time.Unix(0, 0)} { // the last day, or all there is
		o := a.options(from, time.Time{})
		st := query.Fields(o)
		var res events.Result
		if res, failed = a.Events.Query(ctx, events.Statement{SQL: st.SQL, Args: st.Args, From: o.Range.From, To: o.Range.To, MaxRows: 2000}); failed != nil {
			a.Log.Debug("looking for fields", "error", failed)
			break
		}
		for _, r := range res.Rows {
			if s, ok := r[0].(string); ok {
				fields = append(fields, s)
			}
		}
		if len(fields) > 0 {
			break
		}
	}
	a.seen.mu.Lock()
	defer a.seen.mu.Unlock()
	if a.seen.at = now; failed == nil {
		a.seen.fields = fields
	}
	return a.seen.fields
}

func (a *API) complete(ctx context.Context, in *completing) query.Completion {
	fields := a.known(ctx, fieldsFor)
	taken := map[string]bool{}
	for _, f := range fields {
		taken[f] = true
	}
	var ecs []string
	for _, d := range a.Datasets {
		for _, name := range d.ECS {
			if !taken[name] {
				taken[name] = true
				ecs = append(ecs, name)
			}
		}
	}
	slices.Sort(ecs)
	c := query.Complete(in.Body.Q, in.Body.Cursor, append(append([]string(nil), fields...), ecs...), a.Clock.Now())
	if c.Field == "" || a.Events == nil {
		return c
	}
	o := a.options(in.Body.From, in.Body.To)
	st, err := query.Values(c.Field, c.Typed, o)
	if err != nil {
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	res, err := a.Events.Query(ctx, events.Statement{SQL: st.SQL, Args: st.Args, From: o.Range.From, To: o.Range.To, MaxRows: 50})
	if err != nil {
		a.Log.Debug("looking for values", "error", err)
		return c
	}
	for _, r := range res.Rows {
		if v, ok := r[0].(string); ok && len(v) < 500 {
			c.Value(v, fmt.Sprint(r[1]))
		}
	}
	return c
}

// lost says what of a search's range cannot be read, or "".
func (a *API) lost(ctx context.Context, c compiled) string {
	s, ok := a.Events.(interface {
		Broken(ctx context.Context, from, to time.Time) (events.Broken, error)
	})
	if !ok {
		return ""
	}
	lost, err := s.Broken(ctx, c.Range.From, c.Range.To)
	if err != nil {
		return err.Error()
	}
	return lost.String()
}

// rows hands on the rows of a search as they come, or at once where the store
// cannot do better.
func (a *API) rows(ctx context.Context, c compiled, head func([]events.Column) error, row func([]any) error) (bool, error) {
	if s, ok := a.Events.(streaming); ok {
		return s.Stream(ctx, c.statement(), head, row)
	}
	res, err := a.Events.Query(ctx, c.statement())
	if err == nil {
		err = head(res.Columns)
	}
	for i := 0; err == nil && i < len(res.Rows); i++ {
		err = row(res.Rows[i])
	}
	return res.Truncated, err
}

// StreamHead is the first line of a streamed answer.
type StreamHead struct {
	Columns  []events.Column `json:"columns"`
	Events   bool            `json:"events"`
	Render   string          `json:"render,omitempty"`
	Rewrites []string        `json:"rewrites"`
	Hints    []query.Error   `json:"hints"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
}

// StreamEnd is the last line of a streamed answer. Rows between are lists.
type StreamEnd struct {
	Rows      int     `json:"rows"`
	Truncated bool    `json:"truncated"`
	TookMS    float64 `json:"took_ms"`
	Error     string  `json:"error,omitempty"`
	Lost      string  `json:"lost,omitempty" doc:"what of the range cannot be read and is not in the answer"`
}

func (a *API) streamAnswer(h huma.Context, c compiled) {
	ctx, cancel := context.WithTimeout(h.Context(), QueryTimeout)
	defer cancel()
	h.SetHeader("Content-Type", "application/x-ndjson")
	h.SetHeader("Cache-Control", "no-store")
	enc := json.NewEncoder(h.BodyWriter())
	flush := func() {
		if rw, ok := h.BodyWriter().(http.ResponseWriter); ok {
			_ = http.NewResponseController(rw).Flush()
		}
	}
	start := time.Now()
	var end StreamEnd
	told := start
	truncated, err := a.rows(ctx, c, func(cols []events.Column) error {
		defer flush()
		return enc.Encode(StreamHead{cols, c.Events, c.Render, filled(c.Rewrites), filled(c.Hints), c.span.From, c.span.To})
	}, func(row []any) error {
		end.Rows++
		if err := enc.Encode(row); err != nil {
			return err // the reader is gone, and the search ends
		}
		if now := time.Now(); now.Sub(told) > 100*time.Millisecond {
			told = now
			flush()
		}
		return nil
	})
	end.Truncated, end.TookMS = truncated, float64(time.Since(start).Microseconds())/1000
	if err != nil {
		end.Error = err.Error()
	}
	end.Lost = a.lost(h.Context(), c)
	if err := enc.Encode(end); err != nil {
		a.Log.Debug("a reader left before the end of an answer", "error", err)
	}
}
