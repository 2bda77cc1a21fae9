package api

import (
	"cmp"
	"context"
	"time"

	"holdfast/query"
	"holdfast/store/events"
)

// tailRange is how far from now the events of a tail may be by their own clock.
const tailRange = time.Hour

// tailAgain is how far back each step of a tail looks once more: what was
// received earlier may become searchable later. Readers know events by id.
const tailAgain = 10 * time.Second

// Tailed is what came since the last step of a tail, the newest first.
type Tailed struct {
	Columns []events.Column `json:"columns"`
	Rows    [][]any         `json:"rows"`
	New     int64           `json:"new" doc:"events received after the last step; rows has the newest of them, and some from before"`
	After   time.Time       `json:"after" doc:"what the next step is asked for"`
	TookMS  float64         `json:"took_ms"`
}

type tailing struct {
	Body struct {
		Q     string    `json:"q" maxLength:"65536"`
		After time.Time `json:"after,omitempty" required:"false" doc:"the answer's of the last step; without it, the newest events"`
		Limit int       `json:"limit,omitempty" minimum:"0" maximum:"500"`
	}
}

func (a *API) tail() {
	add(a, route{"POST", "/query/tail", "event.query", "One step of a tail: the events of a search that came since the last", ""}, func(ctx context.Context, in *tailing) (*One[Tailed], error) {
		return one(a.tailed(ctx, in))
	})
}

func (a *API) tailed(ctx context.Context, in *tailing) (out Tailed, err error) {
	start := time.Now()
	now := a.Clock.Now()
	q, err := query.Parse(in.Body.Q, now)
	if err != nil {
		return out, err
	}
	limit := cmp.Or(in.Body.Limit, 200)
	o := a.options(now.Add(-tailRange), now.Add(tailRange))
	o.MaxRows = limit
	after := in.Body.After
	if after.Before(now.Add(-tailRange)) {
		after = now.Add(-tailRange)
	}
	ctx, cancel := context.WithTimeout(ctx, QueryTimeout)
	defer cancel()
	st, err := query.Arrived(q, query.Moment(after.Add(-tailAgain)), false, o)
	if err != nil {
		return out, err
	}
	res, err := a.ask(ctx, st, limit)
	if err != nil {
		return out, err
	}
	out.Columns, out.Rows, out.After = res.Columns, filled(res.Rows), after
	out.New, out.After = arrivedAfter(res, after)
	if res.Truncated {
		if st, err = query.Arrived(q, query.Moment(after), true, o); err != nil {
			return out, err
		}
		if res, err = a.ask(ctx, st, 1); err != nil {
			return out, err
		}
		if len(res.Rows) == 1 {
			out.New = whole(res.Rows[0][0])
		}
	}
	out.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return out, nil
}

// arrivedAfter counts rows received after a moment, and says the latest.
func arrivedAfter(res events.Result, after time.Time) (n int64, last time.Time) {
	last = after
	for i, c := range res.Columns {
		if c.Name != "received" {
			continue
		}
		for _, row := range res.Rows {
			if at, ok := row[i].(time.Time); ok && at.After(after) {
				n++
				if at.After(last) {
					last = at
				}
			}
		}
	}
	return n, last
}
