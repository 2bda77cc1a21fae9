package spine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect"
	"holdfast/store/state"
)

// MaxException is the longest that an exception may last before somebody looks
// at it again.
const MaxException = 366 * 24 * time.Hour

// loadExceptions puts the exceptions that are kept in force.
func (s *Spine) loadExceptions(ctx context.Context) error {
	list, err := s.State.Exceptions().All(ctx, nil)
	if err != nil {
		return err
	}
	for _, f := range s.Detect.SetExceptions(list) {
		s.Log.Warn("an exception hides nothing", "error", f)
	}
	return nil
}

// Exceptions lists what keeps events from rules, filters of Sigma among it.
func (s *Spine) Exceptions(context.Context) ([]holdfast.Exception, error) {
	return s.Detect.Hiding(), nil
}

// AddException checks, keeps and records an exception, and puts it in force.
func (s *Spine) AddException(ctx context.Context, who string, x holdfast.Exception) (holdfast.Exception, error) {
	now := s.Clock.Now().UTC()
	x.Owner, x.Reason = strings.TrimSpace(x.Owner), strings.TrimSpace(x.Reason)
	switch {
	case x.Owner == "" || x.Reason == "":
		return x, fmt.Errorf("an exception has an owner and a reason: %w", holdfast.ErrInvalid)
	case !x.Expires.After(now):
		return x, fmt.Errorf("an exception ends in the future: name when: %w", holdfast.ErrInvalid)
	case x.Expires.After(now.Add(MaxException)):
		return x, fmt.Errorf("an exception lasts a year at most, until %s: %w", now.Add(MaxException).Format(time.DateOnly), holdfast.ErrInvalid)
	}
	if err := s.Detect.CheckException(x); err != nil {
		return x, err
	}
	x.ID, x.Created, x.CreatedBy, x.Filter, x.Hidden, x.Expires = holdfast.NewID("exc"), now, who, "", holdfast.Hidden{}, x.Expires.UTC()
	err := s.changeExceptions(ctx, who, "exception.add", x, func(tx *state.Tx) error {
		_, n, err := tx.Exceptions().List(ctx, state.Filter{Limit: 1})
		if err != nil {
			return err
		}
		if n >= detect.MaxExceptions {
			return fmt.Errorf("there are %d exceptions, which is the most; `holdfast exceptions remove ID` those that have ended: %w", n, holdfast.ErrRefused)
		}
		return tx.Exceptions().Put(ctx, x)
	})
	return x, err
}

// RemoveException ends an exception at once.
func (s *Spine) RemoveException(ctx context.Context, who, id string) (holdfast.Exception, error) {
	all := s.Detect.Hiding()
	i := slices.IndexFunc(all, func(x holdfast.Exception) bool { return x.ID == id })
	switch {
	case i < 0:
		return holdfast.Exception{}, fmt.Errorf("exception %q: %w", id, holdfast.ErrNotFound)
	case all[i].Filter != "":
		return all[i], fmt.Errorf("%s is a filter of Sigma; take it out of %s: %w", id, all[i].Filter, holdfast.ErrRefused)
	}
	err := s.changeExceptions(ctx, who, "exception.remove", all[i], func(tx *state.Tx) error { return tx.Exceptions().Delete(ctx, id) })
	return all[i], err
}

func (s *Spine) changeExceptions(ctx context.Context, who, did string, x holdfast.Exception, change func(*state.Tx) error) error {
	detail, err := json.Marshal(x)
	if err != nil {
		return err
	}
	s.except.Lock()
	defer s.except.Unlock()
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return tx.Record(ctx, holdfast.Evidence{
			Key: holdfast.StableID("evd", x.ID, did), At: s.Clock.Now().UTC(), Who: who, Did: did, On: x.ID, Code: x.Rule,
			Outcome: fmt.Sprintf("%s, until %s: %s", x.Where, x.Expires.Format(time.RFC3339), x.Reason), Detail: detail,
		})
	})
	if err != nil {
		return err
	}
	return s.loadExceptions(ctx)
}
