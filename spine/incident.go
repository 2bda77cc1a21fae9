package spine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast"
	"holdfast/drill"
	"holdfast/respond"
	"holdfast/store/state"
)

// gate gathers what the close gate looks at.
func (s *Spine) gate(ctx context.Context, id string) (holdfast.Incident, respond.GateInput, error) {
	g := respond.GateInput{Drillers: drill.KindFor(), Now: s.Clock.Now()}
	in, err := s.State.Incidents().Get(ctx, id)
	if err != nil {
		return in, g, err
	}
	if g.Alerts, err = s.State.Alerts().All(ctx, map[string]string{"incident": id}); err != nil {
		return in, g, err
	}
	if g.Actions, err = s.State.Actions().All(ctx, map[string]string{"incident": id}); err != nil {
		return in, g, err
	}
	for _, asset := range in.Assets {
		v, err := s.State.Verdicts().All(ctx, map[string]string{"asset": asset})
		if err != nil {
			return in, g, err
		}
		d, err := s.State.Drills().All(ctx, map[string]string{"asset": asset})
		if err != nil {
			return in, g, err
		}
		g.Verdicts, g.Drills = append(g.Verdicts, v...), append(g.Drills, d...)
	}
	for _, b := range in.Requirements {
		more, err := s.State.Actions().All(ctx, map[string]string{"requirement": b.Requirement, "asset": b.Asset})
		if err != nil {
			return in, g, err
		}
		for _, a := range more {
			if !slices.ContainsFunc(g.Actions, func(x holdfast.Action) bool { return x.ID == a.ID }) && a.Updated.After(in.Opened) {
				g.Actions = append(g.Actions, a)
			}
		}
	}
	return in, g, nil
}

// Gate lists what keeps an incident open.
func (s *Spine) Gate(ctx context.Context, id string) ([]holdfast.Open, error) {
	in, g, err := s.gate(ctx, id)
	if err != nil || in.Status == holdfast.IncidentClosed {
		return nil, err
	}
	return respond.Gate(in, g), nil
}

// Close closes an incident, or returns what stands open.
func (s *Spine) Close(ctx context.Context, who, id string) (holdfast.Incident, []holdfast.Open, error) {
	in, g, err := s.gate(ctx, id)
	if err != nil {
		return in, nil, err
	}
	open, err := s.Respond.Close(ctx, who, id, g)
	if len(open) > 0 && errors.Is(err, holdfast.ErrRefused) {
		return in, open, nil
	}
	if err != nil {
		return in, nil, err
	}
	in, err = s.State.Incidents().Get(ctx, id)
	return in, nil, err
}

// Override asks to close against the gate for a time.
func (s *Spine) Override(ctx context.Context, who, id, because string, ttl time.Duration) (holdfast.Incident, error) {
	if ttl <= 0 {
		return holdfast.Incident{}, fmt.Errorf("an override needs an end: %w", holdfast.ErrInvalid)
	}
	in, g, err := s.gate(ctx, id)
	if err != nil {
		return in, err
	}
	if err := s.Respond.AskOverride(ctx, who, id, because, s.Clock.Now().Add(ttl), g); err != nil {
		return in, err
	}
	return s.State.Incidents().Get(ctx, id)
}

// Grant grants what another person asked for.
func (s *Spine) Grant(ctx context.Context, who, id string) (holdfast.Incident, error) {
	in, g, err := s.gate(ctx, id)
	if err != nil {
		return in, err
	}
	if err := s.Respond.GrantOverride(ctx, who, id, g); err != nil {
		return in, err
	}
	return s.State.Incidents().Get(ctx, id)
}

// Work is what people do on an incident besides actions.
func (s *Spine) Work(ctx context.Context, who, id string, w Work) (holdfast.Incident, error) {
	var err error
	switch {
	case w.Note != "":
		err = s.Respond.AddNote(ctx, who, id, w.Note)
	case w.Task != "":
		err = s.Respond.FinishTask(ctx, who, id, w.Task, w.Done)
	case w.Reopen != "":
		err = s.Respond.Reopen(ctx, who, id, w.Reopen)
	case w.Found != nil:
		err = s.Respond.AddEvent(ctx, who, id, respond.Found(*w.Found))
	case w.Assign != nil:
		if to := *w.Assign; to != "" {
			if _, uerr := s.State.Users().Get(ctx, to); uerr != nil {
				return holdfast.Incident{}, fmt.Errorf("there is no user %q; `holdfast users` lists them: %w", to, uerr)
			}
		}
		err = s.Respond.Assign(ctx, who, id, *w.Assign)
	}
	if err != nil {
		return holdfast.Incident{}, err
	}
	return s.State.Incidents().Get(ctx, id)
}

// OpenIncident makes an incident of what a person found.
func (s *Spine) OpenIncident(ctx context.Context, who, title string, level holdfast.Level, f Found) (holdfast.Incident, error) {
	var n uint64
	err := s.State.Tx(ctx, func(tx *state.Tx) (err error) {
		n, err = tx.NextNumber(ctx, "incident")
		return err
	})
	if err != nil {
		return holdfast.Incident{}, err
	}
	id := fmt.Sprintf("inc-%d", n)
	if err := s.Respond.Open(ctx, who, id, title, level, respond.Found(f)); err != nil {
		return holdfast.Incident{}, err
	}
	return s.State.Incidents().Get(ctx, id)
}

// endOverrides reopens incidents whose override has ended, and moves the state
// of the others along.
func (s *Spine) endOverrides(ctx context.Context) error {
	all, err := s.State.Incidents().All(ctx, nil)
	if err != nil {
		return err
	}
	var errs []error
	for _, in := range all {
		if in.Drill != "" {
			continue
		}
		due := in.Status == holdfast.IncidentClosed && in.Override != nil && in.Override.GrantedBy != "" && !s.Clock.Now().Before(in.Override.Expires)
		if in.Status == holdfast.IncidentClosed && !due {
			continue
		}
		_, g, err := s.gate(ctx, in.ID)
		if err == nil && due {
			_, err = s.Respond.OverrideEnded(ctx, in.ID, g)
		} else if err == nil {
			err = s.Respond.Progress(ctx, in.ID, g)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
