package spine

import (
	"context"
	"slices"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
)

// coverBack is how far back data counts as flowing.
const coverBack = 7 * 24 * time.Hour

// Coverage crosses the rules that are loaded with what came in lately and with
// the drills that have passed.
func (s *Spine) Coverage(ctx context.Context) (holdfast.Coverage, error) {
	now := s.Clock.Now().UTC()
	since := now.Add(-coverBack)
	q, err := query.Parse("events | summarize last=max(time) by dataset", now)
	if err != nil {
		return holdfast.Coverage{}, err
	}
	r := query.Range{From: since, To: now.Add(5 * time.Minute)}
	st, err := query.CompileWith(q, query.Options{Range: r, MaxRows: 1000, Dialect: s.Events.Dialect()})
	if err != nil {
		return holdfast.Coverage{}, err
	}
	res, err := s.Events.Query(ctx, events.Statement{SQL: st.SQL, Args: st.Args, From: r.From, To: r.To, MaxRows: 1000})
	if err != nil {
		return holdfast.Coverage{}, err
	}
	seen := map[string]time.Time{}
	dataset, last := slices.IndexFunc(res.Columns, func(c events.Column) bool { return c.Name == "dataset" }), slices.IndexFunc(res.Columns, func(c events.Column) bool { return c.Name == "last" })
	for _, row := range res.Rows {
		name, _ := row[dataset].(string)
		if at, ok := row[last].(time.Time); ok {
			seen[name] = at
		}
	}
	ran, err := s.State.Drills().All(ctx, map[string]string{"status": holdfast.DrillPassed})
	if err != nil {
		return holdfast.Coverage{}, err
	}
	proven := map[string]holdfast.Drill{}
	for _, d := range ran {
		for _, rule := range d.Fired {
			if d.Ended.After(proven[rule].Ended) {
				proven[rule] = d
			}
		}
	}
	out := s.Detect.Coverage(seen, proven)
	out.Since = since
	return out, nil
}
