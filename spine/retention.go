package spine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
	"holdfast/store/state"
)

// SetBySettings says that a rule of retention stands in the settings.
const SetBySettings = "settings"

// retainEvery is how often retention looks.
const retainEvery = 10 * time.Minute

// leastAge is the shortest time that something may be kept.
const leastAge = time.Hour

// RetentionRules are those of the settings, and those that people set for
// other datasets.
func (s *Spine) RetentionRules(ctx context.Context) ([]holdfast.Retention, error) {
	out := slices.Clone(s.Retention)
	kept, err := s.State.Retentions().All(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range kept {
		if !slices.ContainsFunc(out, func(x holdfast.Retention) bool { return x.Dataset == r.Dataset }) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b holdfast.Retention) int { return strings.Compare(a.Dataset, b.Dataset) })
	return out, nil
}

// CheckRetention says what is wrong with a rule.
func CheckRetention(r holdfast.Retention) error {
	if _, err := path.Match(r.Dataset, ""); err != nil || r.Dataset == "" || len(r.Dataset) > 200 {
		return fmt.Errorf("%q is no dataset; write linux.sshd, or linux.*, or *: %w", r.Dataset, holdfast.ErrInvalid)
	}
	if r.Age != 0 && r.Age.Std() < leastAge {
		return fmt.Errorf("%s: an age is an hour at least, and 0 for ever: %w", r.Dataset, holdfast.ErrInvalid)
	}
	return nil
}

// SetRetention says how long a dataset is kept. Neither age nor size takes the
// rule away.
func (s *Spine) SetRetention(ctx context.Context, who string, r holdfast.Retention) (holdfast.Retention, error) {
	if err := CheckRetention(r); err != nil {
		return r, err
	}
	if slices.ContainsFunc(s.Retention, func(x holdfast.Retention) bool { return x.Dataset == r.Dataset }) {
		return r, fmt.Errorf("the retention of %s stands in the settings; change it there: %w", r.Dataset, holdfast.ErrRefused)
	}
	r.SetBy, r.Set = who, s.Clock.Now().UTC()
	outcome := "kept for ever"
	if r.Age > 0 || r.Size > 0 {
		outcome = fmt.Sprintf("kept for %s and up to %d bytes; 0 is without end", r.Age, r.Size)
	}
	err := s.keepRecord(ctx, who, "retention.set", r.Dataset, outcome, r, func(tx *state.Tx) error {
		if r.Age == 0 && r.Size == 0 {
			return tx.Retentions().Delete(ctx, r.Dataset)
		}
		return tx.Retentions().Put(ctx, r)
	})
	return r, err
}

func (s *Spine) keepRecord(ctx context.Context, who, did, on, outcome string, what any, change func(*state.Tx) error) error {
	detail, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return tx.Record(ctx, holdfast.Evidence{Key: holdfast.NewID("evd"), At: s.Clock.Now().UTC(), Who: who, Did: did, On: on, Outcome: outcome, Detail: detail})
	})
}

// Retain drops what has been kept long enough, or only says what would go.
func (s *Spine) Retain(ctx context.Context, dry bool) (events.Retained, error) {
	rules, err := s.RetentionRules(ctx)
	if err != nil {
		return events.Retained{}, err
	}
	kept := s.Events
	if s.Node != "" && !dry { // only who writes may replace segments
		if kept = s.kept.Load(); kept == nil {
			return events.Retained{}, fmt.Errorf("another node writes the store now and drops what is due every ten minutes; ask that one, or only preview: %w", holdfast.ErrRefused)
		}
	}
	at, _, err := s.lived(ctx)
	if err != nil {
		return events.Retained{}, err
	}
	out, err := kept.Retain(ctx, events.Retain{Rules: rules, Holds: s.State.LiveHolds, Search: s.heldBy, Dry: dry, Now: at})
	if behind := s.Clock.Now().Sub(at); behind > livedEach {
		out.Troubles = append(out.Troubles, fmt.Sprintf("the clock is %s ahead of the time that retention has seen pass, as if it were set wrong or the server was off for long: ages end at %s, which comes nearer by %s every %s",
			behind.Round(time.Hour), at.Format(time.RFC3339), livedEach, retainEvery))
	}
	return out, err
}

// livedSetting is where it is kept how far time has gone for retention.
const livedSetting = "retention.lived"

// livedEach is how far time may go between two looks of retention.
const livedEach = 6 * time.Hour

// lived is the time by which ages count, and the one by which they counted at the last
// look. It is the clock's, unless that was set ahead: a clock that says for an hour that
// it is 2099 must not destroy what is to be kept for years.
func (s *Spine) lived(ctx context.Context) (at, was time.Time, err error) {
	now := s.Clock.Now().UTC()
	text, err := s.State.Setting(ctx, livedSetting)
	if errors.Is(err, holdfast.ErrNotFound) {
		return now, now, s.State.SetSetting(ctx, livedSetting, now.Format(time.RFC3339))
	}
	if err != nil {
		return now, now, err
	}
	if was, err = time.Parse(time.RFC3339, text); err != nil {
		return now, now, fmt.Errorf("%s is %q: %w", livedSetting, text, err)
	}
	if most := was.Add(livedEach); now.After(most) {
		return most, was, nil
	}
	return now, was, nil
}

// muchBehind is from when on a clock is behind because it is wrong, as one without a
// battery is after a start. Time does not go back for it: to come back from there would
// take as many looks as it takes to go astray.
const muchBehind = 30 * 24 * time.Hour

// live lets time go on for retention, once between two looks.
func (s *Spine) live(ctx context.Context) error {
	at, was, err := s.lived(ctx)
	if err != nil || was.Sub(at) > muchBehind {
		return err
	}
	return s.State.SetSetting(ctx, livedSetting, at.Format(time.RFC3339))
}

func (s *Spine) retain(ctx context.Context) error {
	out, err := s.Retain(ctx, false)
	for _, why := range out.Troubles {
		s.Log.Warn("retention", "trouble", why)
	}
	if lerr := s.live(ctx); err == nil {
		err = lerr
	}
	if out.Events > 0 {
		s.Log.Info("dropped what was kept long enough", "events", out.Events, "segments", out.Segments, "held", out.Held)
	}
	return err
}

// heldBy asks which events of a segment the search of a hold finds.
func (s *Spine) heldBy(ctx context.Context, h holdfast.Hold, g holdfast.Segment) (map[holdfast.EventID]bool, error) {
	st, err := compileHold(h, query.Range{From: g.Oldest, To: g.Newest.Add(time.Microsecond)}, s.Clock.Now(), int(g.Events)+1, s.Events.Dialect())
	if err != nil {
		return nil, err
	}
	return s.Events.SegmentIDs(ctx, g, events.Statement{SQL: st.SQL, Args: st.Args})
}

func compileHold(h holdfast.Hold, r query.Range, now time.Time, rows int, sql query.Dialect) (query.Statement, error) {
	q, err := query.Parse(h.Query, now)
	if err != nil {
		return query.Statement{}, err
	}
	st, err := query.CompileWith(q, query.Options{Range: r, MaxRows: rows, Dialect: sql})
	if err == nil && !st.Events {
		err = fmt.Errorf("a hold's search finds events: leave out summarize and project: %w", holdfast.ErrInvalid)
	}
	return st, err
}

var holdName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// Holds lists the holds, the newest first.
func (s *Spine) Holds(ctx context.Context) ([]holdfast.Hold, error) {
	list, _, err := s.State.LegalHolds().List(ctx, state.Filter{Limit: 1000})
	return list, err
}

// AddHold keeps events from being dropped, from now on. A name is used once.
func (s *Spine) AddHold(ctx context.Context, who string, h holdfast.Hold) (holdfast.Hold, error) {
	h.Reason = strings.TrimSpace(h.Reason)
	switch {
	case !holdName.MatchString(h.Name):
		return h, fmt.Errorf("%q is no name of a hold; write it as case-2026-17: %w", h.Name, holdfast.ErrInvalid)
	case h.Reason == "":
		return h, fmt.Errorf("a hold wants a reason; give it with --reason: %w", holdfast.ErrInvalid)
	case !h.From.IsZero() && !h.To.IsZero() && !h.From.Before(h.To):
		return h, fmt.Errorf("a hold goes from a time to a later one: %w", holdfast.ErrInvalid)
	}
	if _, err := path.Match(h.Dataset, ""); err != nil {
		return h, fmt.Errorf("%q is no dataset: %w", h.Dataset, holdfast.ErrInvalid)
	}
	now := s.Clock.Now().UTC()
	if h.Query != "" {
		if strings.Contains(h.Query, "ago(") || strings.Contains(h.Query, "now(") {
			return h, fmt.Errorf("what a hold keeps does not change with the time: write times as datetime(2026-03-01): %w", holdfast.ErrInvalid)
		}
		if _, err := compileHold(h, query.Range{From: now.Add(-time.Hour), To: now}, now, 1, s.Events.Dialect()); err != nil {
			return h, err
		}
	}
	h.By, h.Created, h.Released, h.ReleasedBy, h.Because = who, now, time.Time{}, "", ""
	err := s.keepRecord(ctx, who, "hold.add", h.Name, h.Reason, h, func(tx *state.Tx) error {
		if _, err := tx.LegalHolds().Get(ctx, h.Name); err == nil {
			return fmt.Errorf("there is, or was, a hold %s; choose another name: %w", h.Name, holdfast.ErrConflict)
		}
		return tx.LegalHolds().Put(ctx, h)
	})
	return h, err
}

// ReleaseHold ends a hold. What it kept goes when retention looks next.
func (s *Spine) ReleaseHold(ctx context.Context, who, name, because string) (h holdfast.Hold, err error) {
	if because = strings.TrimSpace(because); because == "" {
		return h, fmt.Errorf("releasing a hold wants a reason; give it with --because: %w", holdfast.ErrInvalid)
	}
	if h, err = s.State.LegalHolds().Get(ctx, name); err != nil {
		return h, err
	}
	if !h.Released.IsZero() {
		return h, fmt.Errorf("%s was released %s: %w", name, h.Released.Format(time.RFC3339), holdfast.ErrConflict)
	}
	h.Released, h.ReleasedBy, h.Because = s.Clock.Now().UTC(), who, because
	err = s.keepRecord(ctx, who, "hold.release", name, because, h, func(tx *state.Tx) error { return tx.LegalHolds().Put(ctx, h) })
	return h, err
}

// Drops lists what retention took away, the newest first.
func (s *Spine) Drops(ctx context.Context, limit, offset int) ([]holdfast.Drop, int, error) {
	return s.State.Drops().List(ctx, state.Filter{Limit: limit, Offset: offset})
}
