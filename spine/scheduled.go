package spine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
	"holdfast/store/state"
)

const (
	lookEvery    = time.Second
	spanTimeout  = time.Minute // of one look; what it replaces stays on disk for longer
	spansAtOnce  = 20          // of one search, before the others have their turn
	mostGroups   = 200         // that one look makes alerts of
	mostRowsSeen = 10_000      // of a search that does not end in events
	mostHeldBack = 10_000      // groups whose newest alert is remembered
)

// mark is a place on the bus that a search has come to, and until when that is
// by when events were received.
type mark struct {
	Position uint64    `json:"position"`
	At       time.Time `json:"at"`
	// Mid says that events behind Position that were received before At have
	// been looked at, too: long spans are looked at in steps.
	Mid bool `json:"mid,omitempty"`
}

// place is where the rule of a search stands. It is kept in the transaction
// that keeps the alerts, so that no span is skipped or looked at twice.
type place struct {
	Marks   []mark               `json:"marks"` // the oldest first; the last is how far it has come
	Pending *mark                `json:"pending,omitempty"`
	Groups  map[string]time.Time `json:"groups,omitempty"` // the newest alert of each
}

func (p place) last() mark { return p.Marks[len(p.Marks)-1] }

func (p place) keep(ctx context.Context, tx *state.Tx, name string) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return tx.SetPosition(ctx, searchPlaceName+name, p.last().Position, b)
}

func (s *Spine) placeOf(ctx context.Context, name string) (p place, err error) {
	_, b, err := s.State.Position(ctx, searchPlaceName+name)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil && len(p.Marks) == 0 {
		err = fmt.Errorf("it is not known how far it has come")
	}
	if err != nil {
		return p, fmt.Errorf("search %s: %w; end its rule and set it again", name, err)
	}
	return p, nil
}

// searching is the duty of running searches that are rules, one at a time.
type searching struct {
	s     *Spine
	lease state.Lease
	again map[string]time.Time // when one that failed is tried again
}

func (s *Spine) searchDuty(ctx context.Context, l state.Lease) error {
	d := &searching{s: s, lease: l, again: map[string]time.Time{}}
	return s.every(ctx, lookEvery, d.look)
}

// look gives every search that is a rule its turn.
func (d *searching) look(ctx context.Context) error {
	list, err := d.s.State.Searches().All(ctx, map[string]string{"scheduled": "true"})
	if err != nil {
		return err
	}
	for _, x := range list {
		now := d.s.Clock.Now().UTC()
		if at, ok := d.again[x.Name]; ok && now.Before(at) && x.Updated.Before(at.Add(-x.Rule.Every.Std())) {
			continue
		}
		delete(d.again, x.Name)
		if err := d.turn(ctx, x, now); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.again[x.Name] = now.Add(x.Rule.Every.Std())
			if err := d.failed(ctx, x, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn looks at what came in since the last time, if a span is over. Where the
// span ends is a place on the bus that is kept before anything is looked at, so
// that a run that is done again is the same run.
func (d *searching) turn(ctx context.Context, x holdfast.Search, now time.Time) error {
	p, err := d.s.placeOf(ctx, x.Name)
	if err != nil {
		return err
	}
	every := x.Rule.Every.Std()
	if p.Pending == nil {
		end := now.Truncate(every)
		if p.last().At.After(now.Add(every)) { // the clock was ahead
			p.Marks[len(p.Marks)-1].At = end.Add(-every)
		}
		if !end.After(p.last().At) {
			return nil
		}
		last, _, err := d.s.Bus.Last(ctx)
		if err != nil {
			return err
		}
		p.Pending = &mark{Position: max(last, p.last().Position), At: end}
		if err := d.keep(ctx, x, p, nil, func(*holdfast.SearchRuns) {}); err != nil {
			return err
		}
	}
	if written, _ := d.s.written(ctx); written < p.Pending.Position {
		return nil // soon
	}
	for range spansAtOnce {
		if p, err = d.span(ctx, x, p); err != nil || p.Pending == nil {
			return err
		}
	}
	return nil
}

// span looks at one span: all that is pending, or, where that is more than the
// search is run over, what was received in the next step of it.
func (d *searching) span(ctx context.Context, x holdfast.Search, p place) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, spanTimeout)
	defer cancel()
	start, every := time.Now(), x.Rule.Every.Std()
	from, end := p.last(), *p.Pending
	fresh := events.Arrived{After: from.Position, Upto: end.Position}
	if from.Mid {
		fresh.From = from.At
	}
	if end.At.Sub(from.At) > every {
		oldest, err := d.oldest(ctx, fresh)
		if err != nil {
			return p, err
		}
		if step := oldest.Truncate(every).Add(every); !oldest.IsZero() && step.Before(end.At) {
			step = later(step, from.At.Truncate(every).Add(every))
			end = mark{Position: from.Position, At: step, Mid: true}
		}
	}
	f, err := d.find(ctx, x, p, end)
	if err != nil {
		return p, err
	}
	next := p
	next.Marks = append(slices.Clone(p.Marks), end)
	if from.Mid { // the steps of one span leave one mark
		next.Marks = append(slices.Clone(p.Marks[:len(p.Marks)-1]), end)
	}
	for len(next.Marks) > 2 && !next.Marks[1].At.After(end.At.Add(-x.Rule.Window.Std())) {
		next.Marks = next.Marks[1:]
	}
	if !end.Mid {
		next.Pending = nil
	}
	alerts, held := holdBack(x, &next, f.alerts, end.At)
	return next, d.keep(ctx, x, next, alerts, func(r *holdfast.SearchRuns) {
		r.Position, r.At, r.Ran, r.Runs = end.Position, end.At, d.s.Clock.Now().UTC(), r.Runs+1
		r.Alerts, r.Throttled = r.Alerts+uint64(len(alerts)), r.Throttled+uint64(held)
		r.TookMS = float64(time.Since(start).Microseconds()) / 1000
		r.Fault, r.Failed, r.Note = "", time.Time{}, f.note
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// oldest is when the first event of a span was received; zero if there is none.
func (d *searching) oldest(ctx context.Context, a events.Arrived) (at time.Time, err error) {
	q := &query.Query{From: query.Events{}, Stages: []query.Stage{query.Summarize{Aggregates: []query.Named{
		{Name: "rows", Expr: query.Call{Name: "count"}}, {Name: "oldest", Expr: query.Call{Name: "min", Args: []query.Expr{query.Field{Name: "received"}}}},
	}}}}
	res, err := d.s.arrived(ctx, q, a, 1)
	if err != nil || len(res.Rows) == 0 {
		return at, err
	}
	at, _ = res.Rows[0][1].(time.Time)
	return at, nil
}

// arrived runs a query over what came in.
func (s *Spine) arrived(ctx context.Context, q *query.Query, a events.Arrived, rows int) (events.Result, error) {
	st, err := query.CompileWith(q, s.options(everTime, rows))
	if err != nil {
		return events.Result{}, err
	}
	return s.Events.Query(ctx, events.Statement{SQL: st.SQL, Args: st.Args, Find: st.Find, FindArgs: st.FindArgs, Own: st.Raw, MaxRows: rows, Arrived: &a})
}

// holdBack leaves out alerts of groups that had one not long ago.
func holdBack(x holdfast.Search, p *place, alerts []holdfast.Alert, now time.Time) (kept []holdfast.Alert, held int) {
	throttle := x.Rule.Throttle.Std()
	if throttle == 0 && x.Rule.Window > x.Rule.Every {
		throttle = x.Rule.Window.Std() // else the same rows would make an alert with every run
	}
	if throttle == 0 {
		p.Groups = nil
		return alerts, 0
	}
	groups := map[string]time.Time{}
	for g, at := range p.Groups {
		if now.Sub(at) < throttle && len(groups) < mostHeldBack {
			groups[g] = at
		}
	}
	for _, a := range alerts {
		g := groupKey(a)
		if _, ok := groups[g]; ok {
			held++
			continue
		}
		groups[g] = now
		kept = append(kept, a)
	}
	p.Groups = groups
	return kept, held
}

func groupKey(a holdfast.Alert) string {
	if len(a.Group) == 0 {
		return ""
	}
	return a.Group[0].Value
}

// keep makes true in one transaction: how far a search has come, the alerts
// that it raised and the incidents that they belong to.
func (d *searching) keep(ctx context.Context, x holdfast.Search, p place, alerts []holdfast.Alert, change func(*holdfast.SearchRuns)) error {
	return d.s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, d.lease); err != nil {
			return err
		}
		now, err := tx.Searches().Get(ctx, x.Name)
		if err != nil || now.Rule == nil || !now.Updated.Equal(x.Updated) {
			return orElse(err, fmt.Errorf("search %s was changed meanwhile: %w", x.Name, holdfast.ErrConflict))
		}
		var b batch
		b.add(alerts)
		if _, err := d.s.triage(ctx, tx, &stories{}, b.alerts, nil); err != nil {
			return err
		}
		if err := p.keep(ctx, tx, x.Name); err != nil {
			return err
		}
		change(now.Runs)
		return tx.Searches().Put(ctx, now)
	})
}

// failed keeps why a run failed. Its span stays where it is, to be looked at
// when the search can be run again.
func (d *searching) failed(ctx context.Context, x holdfast.Search, why error) error {
	return d.s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, d.lease); err != nil {
			return err
		}
		now, err := tx.Searches().Get(ctx, x.Name)
		if err != nil || now.Rule == nil || !now.Updated.Equal(x.Updated) {
			return nil //nolint:nilerr // it is gone, or was changed meanwhile and is run anew
		}
		if now.Runs.Fault == "" {
			now.Runs.Failed = d.s.Clock.Now().UTC()
		}
		now.Runs.Fault = why.Error()
		return tx.Searches().Put(ctx, now)
	})
}

// searchTroubles names the rules that could not be run.
func (s *Spine) searchTroubles(ctx context.Context) []Trouble {
	list, err := s.State.Searches().All(ctx, map[string]string{"scheduled": "true"})
	if err != nil {
		return []Trouble{{"searches", err.Error(), s.Clock.Now().UTC()}}
	}
	var out []Trouble
	for _, x := range list {
		if x.Runs.Fault != "" {
			out = append(out, Trouble{x.AlertRule(), fmt.Sprintf("not run since %s: %s; what came in since is looked at when it can be run", x.Runs.At.Format(time.RFC3339), x.Runs.Fault), x.Runs.Failed})
		}
	}
	slices.SortFunc(out, func(a, b Trouble) int { return cmp.Compare(a.Source, b.Source) })
	return out
}
