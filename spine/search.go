package spine

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/state"
)

// Bounds on saved searches.
const (
	MaxSearches     = 5000
	MaxScheduled    = 200
	leastEvery      = time.Minute
	mostEvery       = 24 * time.Hour
	mostWindows     = 100 // of Every in a Window
	mostThrottle    = 30 * 24 * time.Hour
	mostThreshold   = 1_000_000_000
	searchPlaceName = "search:" // before the name of a search, its position
)

var attackID = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

// Searches lists those that somebody may see: their own, and the shared ones.
func (s *Spine) Searches(ctx context.Context, who string, limit, offset int) ([]holdfast.Search, int, error) {
	all, err := s.State.Searches().All(ctx, nil)
	if err != nil {
		return nil, 0, err
	}
	var out []holdfast.Search
	for i := len(all) - 1; i >= 0; i-- { // the newest first
		if all[i].Shared || all[i].Owner == who {
			out = append(out, all[i])
		}
	}
	total := len(out)
	out = out[min(offset, total):]
	return out[:min(limit, len(out))], total, nil
}

// Search returns one that somebody may see.
func (s *Spine) Search(ctx context.Context, who, name string) (holdfast.Search, error) {
	x, err := s.State.Searches().Get(ctx, name)
	if err == nil && !x.Shared && x.Owner != who {
		return holdfast.Search{}, fmt.Errorf("search %q: %w", name, holdfast.ErrNotFound)
	}
	return x, err
}

// SaveSearch keeps a search, or changes the one of that name. Chief says that
// somebody may also change what others share, and what is a rule.
func (s *Spine) SaveSearch(ctx context.Context, who string, chief bool, x holdfast.Search) (holdfast.Search, error) {
	now := s.Clock.Now().UTC()
	x.Title = strings.TrimSpace(x.Title)
	switch {
	case !holdName.MatchString(x.Name):
		return x, fmt.Errorf("%q is no name of a search; write it as failed-logins: %w", x.Name, holdfast.ErrInvalid)
	case len(x.Title) > 200:
		return x, fmt.Errorf("a title has 200 characters at most: %w", holdfast.ErrInvalid)
	case strings.TrimSpace(x.Query) == "":
		return x, fmt.Errorf("there is no query to save: %w", holdfast.ErrInvalid)
	case x.Last < 0 || x.Last.Std() > LongestReplay:
		return x, fmt.Errorf("a search looks %d days back at most: %w", int(LongestReplay.Hours()/24), holdfast.ErrInvalid)
	}
	if _, err := s.compileSearch(x.Query, now); err != nil {
		return x, err
	}
	x.Owner, x.Created, x.Updated, x.By, x.Rule, x.Runs = who, now, now, who, nil, nil
	err := s.keepRecord(ctx, who, "search.save", x.Name, x.Query, &x, func(tx *state.Tx) error {
		old, err := tx.Searches().Get(ctx, x.Name)
		switch {
		case err != nil:
			if _, n, err := tx.Searches().List(ctx, state.Filter{Limit: 1}); err != nil || n >= MaxSearches {
				return orElse(err, fmt.Errorf("there are %d searches, which is the most; delete some with `holdfast search delete NAME`: %w", n, holdfast.ErrRefused))
			}
		case old.Owner != who && !old.Shared:
			return fmt.Errorf("the name %s is taken; choose another: %w", x.Name, holdfast.ErrConflict)
		case old.Owner != who && !chief:
			return fmt.Errorf("%s is %s's; save it under another name: %w", x.Name, old.Owner, holdfast.ErrForbidden)
		case old.Rule != nil && !chief:
			return fmt.Errorf("%s is a rule, which engineers change; save it under another name: %w", x.Name, holdfast.ErrForbidden)
		case old.Rule != nil && !x.Shared:
			return fmt.Errorf("%s is a rule and stays shared: what raises alerts is seen by everybody: %w", x.Name, holdfast.ErrRefused)
		default:
			x.Owner, x.Created, x.Rule, x.Runs = old.Owner, old.Created, old.Rule, old.Runs
		}
		if x.Rule != nil {
			if err := s.checkGroup(x.Query, x.Rule.GroupBy, now); err != nil {
				return err
			}
		}
		return tx.Searches().Put(ctx, x)
	})
	return x, err
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// DeleteSearch forgets a search, and with it its rule.
func (s *Spine) DeleteSearch(ctx context.Context, who string, chief bool, name string) (x holdfast.Search, err error) {
	if x, err = s.Search(ctx, who, name); err != nil {
		return x, err
	}
	if (x.Owner != who || x.Rule != nil) && !chief {
		return x, fmt.Errorf("%s is %s's, or a rule, which engineers delete: %w", name, x.Owner, holdfast.ErrForbidden)
	}
	return x, s.keepRecord(ctx, who, "search.delete", name, x.Query, x, func(tx *state.Tx) error { return tx.Searches().Delete(ctx, name) })
}

// ScheduleSearch makes a search a rule, or changes the rule. It looks at what
// comes in from now on; a rule that is changed goes on where it stands.
func (s *Spine) ScheduleSearch(ctx context.Context, who, name string, r holdfast.SearchRule) (x holdfast.Search, err error) {
	now := s.Clock.Now().UTC()
	if x, err = s.Search(ctx, who, name); err != nil {
		return x, err
	}
	if r.Window == 0 {
		r.Window = r.Every
	}
	if r.Threshold == 0 {
		r.Threshold = 1
	}
	if r.Level == "" {
		r.Level = holdfast.Medium
	}
	if err := checkRule(r); err != nil {
		return x, err
	}
	if err := s.checkGroup(x.Query, r.GroupBy, now); err != nil {
		return x, err
	}
	last, _, err := s.Bus.Last(ctx)
	if err != nil {
		return x, err
	}
	r.SetBy, r.Set = who, now
	what := fmt.Sprintf("every %s over %s, %d rows", r.Every, r.Window, r.Threshold)
	err = s.keepRecord(ctx, who, "search.schedule", name, what, r, func(tx *state.Tx) error {
		if x, err = tx.Searches().Get(ctx, name); err != nil {
			return err
		}
		again := x.Rule != nil
		if list, err := tx.Searches().All(ctx, map[string]string{"scheduled": "true"}); err != nil || !again && len(list) >= MaxScheduled {
			return orElse(err, fmt.Errorf("%d searches are rules, which is the most: %w", len(list), holdfast.ErrRefused))
		}
		x.Rule, x.Shared, x.Updated, x.By = &r, true, now, who
		if again {
			x.Runs.Fault, x.Runs.Failed = "", time.Time{}
			return tx.Searches().Put(ctx, x)
		}
		at := now.Truncate(r.Every.Std())
		x.Runs = &holdfast.SearchRuns{Position: last, At: at}
		if err := (place{Marks: []mark{{Position: last, At: at}}}).keep(ctx, tx, name); err != nil {
			return err
		}
		return tx.Searches().Put(ctx, x)
	})
	return x, err
}

func checkRule(r holdfast.SearchRule) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, holdfast.ErrInvalid)...)
	}
	every, window := r.Every.Std(), r.Window.Std()
	switch {
	case every < leastEvery || every > mostEvery || every%time.Minute != 0:
		return wrong("a search is run every 1m to 24h, in whole minutes, not every %s", r.Every)
	case window < every || window%every != 0 || window/every > mostWindows:
		return wrong("a window is 1 to %d times every %s, not %s", mostWindows, r.Every, r.Window)
	case r.Threshold < 1 || r.Threshold > mostThreshold:
		return wrong("a threshold is a number of rows from 1 on, not %d", r.Threshold)
	case r.Level.Rank() == 0:
		return wrong("%q is no level; take informational, low, medium, high or critical", r.Level)
	case r.Throttle < 0 || r.Throttle.Std() > mostThrottle:
		return wrong("an alert is held back for 30 days at most")
	case len(r.Attack) > 20:
		return wrong("a rule names 20 techniques at most")
	}
	for _, t := range r.Attack {
		if !attackID.MatchString(t) {
			return wrong("%q is no technique of ATT&CK; write T1110 or T1110.001", t)
		}
	}
	return nil
}

// UnscheduleSearch makes a rule a saved search again.
func (s *Spine) UnscheduleSearch(ctx context.Context, who, name string) (x holdfast.Search, err error) {
	if x, err = s.Search(ctx, who, name); err != nil {
		return x, err
	}
	if x.Rule == nil {
		return x, fmt.Errorf("%s is no rule: %w", name, holdfast.ErrConflict)
	}
	err = s.keepRecord(ctx, who, "search.unschedule", name, x.Query, x.Rule, func(tx *state.Tx) error {
		if x, err = tx.Searches().Get(ctx, name); err != nil {
			return err
		}
		x.Rule, x.Runs, x.Updated, x.By = nil, nil, s.Clock.Now().UTC(), who
		return tx.Searches().Put(ctx, x)
	})
	return x, err
}

// everTime is every time that an event may have.
var everTime = query.Range{To: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}

// dialect is the SQL of the store.
func (s *Spine) dialect() query.Dialect {
	if d, ok := any(s.Events).(interface{ Dialect() query.Dialect }); ok {
		return d.Dialect()
	}
	return query.DuckDB()
}

func (s *Spine) options(r query.Range, rows int) query.Options {
	return query.Options{Range: r, MaxRows: rows, Dialect: s.dialect(), Names: func(name string) []string {
		return holdfast.NativeNames(s.Ingest.Datasets(), name)
	}}
}

func (s *Spine) compileSearch(text string, now time.Time) (query.Statement, error) {
	q, err := query.Parse(text, now)
	if err != nil {
		return query.Statement{}, err
	}
	return query.CompileWith(q, s.options(everTime, 1))
}

// checkGroup says what is wrong with the column that a rule counts by.
func (s *Spine) checkGroup(text, by string, now time.Time) error {
	q, err := query.Parse(text, now)
	if err != nil {
		return err
	}
	st, err := query.CompileWith(q, s.options(everTime, 1))
	if err != nil || by == "" || st.Raw != "" {
		return err
	}
	if st.Events {
		_, err = query.CompileWith(counted(q, by, 1), s.options(everTime, 1))
		return err
	}
	for _, c := range st.Columns {
		if c == by {
			return nil
		}
	}
	return fmt.Errorf("the search has no column %q to count by; it has %s: %w", by, strings.Join(st.Columns, ", "), holdfast.ErrInvalid)
}
