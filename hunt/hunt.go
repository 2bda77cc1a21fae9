// Package hunt looks for one thing over stored history: it cuts a range of time
// into parts that a store answers quickly, and looks for the indicators of a
// list in the columns of events or in the records themselves. What a list is
// stands in hunt/indicator; running rules is left to package detect, and
// keeping and telling what was found to whoever calls.
package hunt

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"holdfast"
	"holdfast/query"
)

// Ask runs a query over a range of event time and hands on its rows. An error
// that wraps holdfast.ErrTooLarge says that the range was too long.
type Ask func(ctx context.Context, q *query.Query, r query.Range, head func(columns []string), row func([]any) error) error

// perPart is about how many events a part has.
const perPart = 250_000

// Parts cuts a range into parts of about as many events each, by what the
// segments say of themselves. Together they are the range, and none overlap.
func Parts(segs []holdfast.Segment, whole query.Range) []query.Range {
	type edge struct {
		at      time.Time
		density float64 // events a second, more from here on
		events  float64 // at this very moment
	}
	var edges []edge
	for i := range segs {
		g := &segs[i]
		width := g.Newest.Sub(g.Oldest).Seconds()
		if width <= 0 {
			edges = append(edges, edge{g.Oldest, 0, float64(g.Events)})
			continue
		}
		d := float64(g.Events) / width
		edges = append(edges, edge{g.Oldest, d, 0}, edge{g.Newest, -d, 0})
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	var out []query.Range
	start, last, density, held := whole.From, whole.From, 0.0, 0.0
	cut := func(at time.Time) {
		if at = at.Truncate(time.Microsecond); at.After(start) && at.Before(whole.To) && len(out) < mostParts {
			out = append(out, query.Range{From: start, To: at})
			start, held = at, 0
		}
	}
	advance := func(to time.Time) {
		for density > 0 && to.After(last) {
			left := perPart - held
			step := left / density // seconds until the part is full
			if step >= to.Sub(last).Seconds() {
				held += density * to.Sub(last).Seconds()
				break
			}
			last = last.Add(max(time.Duration(step*float64(time.Second)), time.Millisecond))
			held = perPart
			cut(last)
			held = 0
		}
		if to.After(last) {
			last = to
		}
	}
	for _, e := range edges {
		advance(e.at)
		density = max(density+e.density, 0)
		if held += e.events; held >= perPart {
			cut(e.at)
		}
	}
	return append(out, query.Range{From: start, To: whole.To})
}

// mostParts bounds what a range is cut into.
const mostParts = 20_000

// shortest is the shortest part that is cut in two when it is too long.
const shortest = time.Second

// Walk calls do with each part, the newest first, as that is what people wait
// for. A part that is too long is cut in two.
func Walk(ctx context.Context, parts []query.Range, do func(ctx context.Context, r query.Range) error, step func(done, of int)) error {
	todo := slices.Clone(parts)
	done := 0
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		err := do(ctx, r)
		switch width := r.To.Sub(r.From); {
		case err == nil:
			done++
		case errors.Is(err, holdfast.ErrTooLarge) && ctx.Err() == nil && width > shortest:
			half := r.From.Add(width / 2).Truncate(time.Microsecond)
			todo = append(todo, query.Range{From: r.From, To: half}, query.Range{From: half, To: r.To})
		default:
			return err
		}
		step(done, done+len(todo))
	}
	return nil
}

// Once passes an event of a part on once, also where the part had to be begun
// again.
type Once struct {
	seen    map[holdfast.EventID]bool // of parts that failed
	current map[holdfast.EventID]bool
}

// Begin begins a part.
func (o *Once) Begin() { o.current = map[holdfast.EventID]bool{} }

// New reports whether an event was not passed on before.
func (o *Once) New(id holdfast.EventID) bool {
	if o.seen[id] || o.current[id] {
		return false
	}
	o.current[id] = true
	return true
}

// End ends a part; err is how.
func (o *Once) End(err error) {
	if err == nil {
		return
	}
	if o.seen == nil {
		o.seen = map[holdfast.EventID]bool{}
	}
	maps.Copy(o.seen, o.current)
}
