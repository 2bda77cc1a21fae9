package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast"
)

// maxOverride is the longest that an incident stays closed against the gate.
const maxOverride = 90 * 24 * time.Hour

// Close closes an incident, or returns ErrRefused and what stands open. The
// actions are read anew in the same transaction.
func (r *Runner) Close(ctx context.Context, who, id string, g GateInput) (open []holdfast.Open, err error) {
	err = r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		if in.Status == holdfast.IncidentClosed {
			return fmt.Errorf("%s is closed: %w", id, holdfast.ErrConflict)
		}
		if open, err = r.gate(tx, *in, g); err != nil {
			return err
		}
		if len(open) > 0 {
			return fmt.Errorf("%s cannot close: %d things stand open: %w", id, len(open), holdfast.ErrRefused)
		}
		in.Status, in.Closed, in.ClosedBy = holdfast.IncidentClosed, r.Clock.Now(), who
		return r.note(tx, in, who, "incident.close", "closed", "", fmt.Sprintf("closed by %s; nothing stood open", who))
	})
	return open, err
}

// Reopen opens a closed incident again, on a person's word.
func (r *Runner) Reopen(ctx context.Context, who, id, because string) error {
	if because == "" || len(because) > 2000 {
		return fmt.Errorf("opening it again wants a reason of 1 to 2000 bytes: %w", holdfast.ErrInvalid)
	}
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		if in.Status != holdfast.IncidentClosed {
			return fmt.Errorf("%s is %s, not closed: %w", id, in.Status, holdfast.ErrConflict)
		}
		in.Status, in.Closed, in.ClosedBy, in.Override = holdfast.IncidentOpen, time.Time{}, "", nil
		return r.note(tx, in, who, "incident.reopen", "open", r.Clock.Now().String(), fmt.Sprintf("%s opened it again: %s", who, because))
	})
}

// AskOverride asks for an incident to be closed against the gate, until a time.
func (r *Runner) AskOverride(ctx context.Context, who, id, because string, expires time.Time, g GateInput) error {
	now := r.Clock.Now()
	if because == "" || !expires.After(now) || expires.After(now.Add(maxOverride)) {
		return fmt.Errorf("an override has a reason, and an end within %d days: %w", int(maxOverride.Hours()/24), holdfast.ErrInvalid)
	}
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		if in.Status == holdfast.IncidentClosed {
			return fmt.Errorf("%s is closed: %w", id, holdfast.ErrConflict)
		}
		open, err := r.gate(tx, *in, g)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			return fmt.Errorf("nothing stands open; close %s as it is: %w", id, holdfast.ErrConflict)
		}
		in.Override = &holdfast.Override{AskedBy: who, Because: because, Expires: expires, Open: open}
		return r.note(tx, in, who, "incident.override-ask", "asked", expires.String(), fmt.Sprintf("%s asks to close it all the same until %s: %s", who, expires.UTC().Format(time.RFC3339), because))
	})
}

// GrantOverride closes the incident on a second person's word.
func (r *Runner) GrantOverride(ctx context.Context, who, id string, g GateInput) error {
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		o := in.Override
		switch {
		case o == nil || in.Status == holdfast.IncidentClosed:
			return fmt.Errorf("nobody asks to override the gate of %s: %w", id, holdfast.ErrConflict)
		case o.AskedBy == who:
			return fmt.Errorf("%s asked for it; a second person grants it: %w", who, holdfast.ErrForbidden)
		case !o.Expires.After(r.Clock.Now()):
			return fmt.Errorf("what %s asked for has run out at %s; ask again: %w", o.AskedBy, o.Expires.UTC().Format(time.RFC3339), holdfast.ErrConflict)
		}
		open, err := r.gate(tx, *in, g)
		if err != nil {
			return err
		}
		granted := *o
		granted.GrantedBy, granted.Open = who, open
		in.Override = &granted
		in.Status, in.Closed, in.ClosedBy = holdfast.IncidentClosed, r.Clock.Now(), who
		return r.note(tx, in, who, "incident.override-grant", "closed", o.Expires.String(), fmt.Sprintf("closed against the gate: asked by %s, granted by %s, until %s, with %d things open", o.AskedBy, who, o.Expires.UTC().Format(time.RFC3339), len(open)))
	})
}

// OverrideEnded looks at an incident whose override has run out: it opens again
// if anything still stands open, and stays closed for good if not. Before that
// time, and for other incidents, it does nothing.
func (r *Runner) OverrideEnded(ctx context.Context, id string, g GateInput) (reopened bool, err error) {
	err = r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		reopened = false
		o := in.Override
		if o == nil || r.Clock.Now().Before(o.Expires) {
			return nil
		}
		in.Override = nil
		if in.Status != holdfast.IncidentClosed {
			return r.note(tx, in, holdfastWho, "incident.override-end", "never granted", o.Expires.String(), "the override that was asked for ran out")
		}
		open, err := r.gate(tx, *in, g)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			return r.note(tx, in, holdfastWho, "incident.override-end", "closed", o.Expires.String(), "the override ended; nothing stands open any more")
		}
		reopened = true
		in.Status, in.Closed, in.ClosedBy = holdfast.IncidentOpen, time.Time{}, ""
		return r.note(tx, in, holdfastWho, "incident.override-end", "reopened", o.Expires.String(), fmt.Sprintf("the override ended and %d things still stand open", len(open)))
	})
	return reopened, err
}

// CloseDrill closes the incident that a drill made (the Ref of its hop
// "incident"), when the drill is over.
func (r *Runner) CloseDrill(ctx context.Context, d holdfast.Drill) error {
	i := slices.IndexFunc(d.Hops, func(h holdfast.Hop) bool { return h.Name == "incident" && h.OK })
	if i < 0 || d.Status == holdfast.DrillRunning {
		return nil
	}
	return r.incident(ctx, d.Hops[i].Ref, func(tx Tx, in *holdfast.Incident) error {
		if in.Drill != d.ID || in.Status == holdfast.IncidentClosed {
			return nil
		}
		in.Status, in.Closed, in.ClosedBy = holdfast.IncidentClosed, r.Clock.Now(), holdfastWho
		return r.note(tx, in, holdfastWho, "incident.close", "closed", d.ID, fmt.Sprintf("the drill %s", d.Status))
	})
}

// FinishTask marks a task of an incident as done, or as not done after all.
func (r *Runner) FinishTask(ctx context.Context, who, id, task string, done bool) error {
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		in.Tasks = slices.Clone(in.Tasks)
		i := slices.IndexFunc(in.Tasks, func(t holdfast.IncidentTask) bool { return t.ID == task })
		if i < 0 {
			return fmt.Errorf("%s has no task %q: %w", id, task, holdfast.ErrNotFound)
		}
		now := r.Clock.Now()
		t := &in.Tasks[i]
		if t.Done == done {
			return nil
		}
		t.Done, t.By, t.At = done, who, now
		outcome := "done"
		if !done {
			outcome = "not done"
		}
		return r.note(tx, in, who, "incident.task", outcome, task+now.String(), fmt.Sprintf("%s: %s (%s)", who, t.Say, outcome))
	})
}

// AddNote keeps what a person wrote.
func (r *Runner) AddNote(ctx context.Context, who, id, text string) error {
	if text == "" || len(text) > 64<<10 {
		return fmt.Errorf("a note has 1 to %d bytes: %w", 64<<10, holdfast.ErrInvalid)
	}
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		now := r.Clock.Now()
		in.Notes = append(slices.Clone(in.Notes), holdfast.Note{By: who, At: now, Text: text})
		return r.note(tx, in, who, "incident.note", "noted", now.String()+text, fmt.Sprintf("%s wrote a note", who))
	})
}

// Assign gives the incident to a person.
func (r *Runner) Assign(ctx context.Context, who, id, to string) error {
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		if in.Assignee == to {
			return nil
		}
		in.Assignee = to
		return r.note(tx, in, who, "incident.assign", to, r.Clock.Now().String(), fmt.Sprintf("%s gave it to %s", who, to))
	})
}

// Progress brings an incident's state up to what its gate and actions show.
func (r *Runner) Progress(ctx context.Context, id string, g GateInput) error {
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		actions, err := r.actions(tx, *in, g)
		if err != nil {
			return err
		}
		g.Actions, g.Now = actions, r.Clock.Now()
		stage := Stage(*in, g)
		if stage == in.Status {
			return nil
		}
		was := in.Status
		in.Status = stage
		return r.note(tx, in, holdfastWho, "incident.progress", stage, r.Clock.Now().String(), fmt.Sprintf("from %s to %s", was, stage))
	})
}

// incident runs do on one incident in one transaction.
func (r *Runner) incident(ctx context.Context, id string, do func(Tx, *holdfast.Incident) error) error {
	return r.Book.Update(ctx, func(tx Tx) error {
		in, err := tx.Incident(id)
		if err != nil {
			return err
		}
		return do(tx, &in)
	})
}

// gate is Gate over the actions as this transaction sees them.
func (r *Runner) gate(tx Tx, in holdfast.Incident, g GateInput) ([]holdfast.Open, error) {
	actions, err := r.actions(tx, in, g)
	if err != nil {
		return nil, err
	}
	g.Actions, g.Now = actions, r.Clock.Now()
	return Gate(in, g), nil
}

// actions joins the incident's own, read now, with the others of the input.
func (r *Runner) actions(tx Tx, in holdfast.Incident, g GateInput) ([]holdfast.Action, error) {
	own, err := tx.ActionsOf(in.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range g.Actions {
		if a.Incident == in.ID {
			continue
		}
		if now, err := tx.Action(a.ID); err == nil {
			a = now
		}
		own = append(own, a)
	}
	return own, nil
}

// note keeps the incident, its evidence and its moment.
func (r *Runner) note(tx Tx, in *holdfast.Incident, who, did, outcome, occasion, say string) error {
	now := r.Clock.Now()
	in.Updated = now
	kind := "person"
	if who == holdfastWho {
		kind = "check"
	}
	in.Timeline = append(slices.Clone(in.Timeline), holdfast.Moment{At: now, Kind: kind, Ref: in.ID, Say: say})
	if err := tx.PutIncident(*in); err != nil {
		return err
	}
	detail, err := json.Marshal(map[string]any{"say": say, "override": in.Override})
	if err != nil {
		return err
	}
	return tx.Record(holdfast.Evidence{
		Key: holdfast.StableID("evd", in.ID, did, outcome, occasion, fmt.Sprint(len(in.Timeline))), At: now, Who: asWho(who), Did: did, On: in.ID,
		Outcome: outcome, Detail: detail,
	})
}
