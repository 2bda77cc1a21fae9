package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// Found is an event that a person found and wants in an incident, with what it
// names.
type Found struct {
	Event    holdfast.Event
	Entities []holdfast.Entity
	Because  string
}

// maxFoundText is the most that an incident says of an event; the evidence has
// the event's id, by which all of it is found.
const maxFoundText = 300

// AddEvent puts an event that a person found into an incident. One that is
// there already is left as it is.
func (r *Runner) AddEvent(ctx context.Context, who, id string, f Found) error {
	if err := f.check(); err != nil {
		return err
	}
	return r.incident(ctx, id, func(tx Tx, in *holdfast.Incident) error {
		if in.Status == holdfast.IncidentClosed {
			return fmt.Errorf("%s is closed; open it again first, or make another: %w", id, holdfast.ErrConflict)
		}
		return r.addFound(tx, in, who, f)
	})
}

// Open makes an incident of what a person found. The id is one that nobody has.
func (r *Runner) Open(ctx context.Context, who, id, title string, level holdfast.Level, f Found) error {
	if title = strings.TrimSpace(title); title == "" || len(title) > 300 {
		return fmt.Errorf("an incident's title has 1 to 300 bytes: %w", holdfast.ErrInvalid)
	}
	if level.Rank() < holdfast.Low.Rank() {
		return fmt.Errorf("an incident is low, medium, high or critical, not %q: %w", level, holdfast.ErrInvalid)
	}
	if err := f.check(); err != nil {
		return err
	}
	return r.Book.Update(ctx, func(tx Tx) error {
		now := r.Clock.Now()
		in := holdfast.Incident{
			ID: id, Title: title, Status: holdfast.IncidentOpen, Level: level, Assignee: who, Alerts: []string{},
			Opened: now, Updated: now, Tasks: []holdfast.IncidentTask{},
			Timeline: []holdfast.Moment{{At: now, Kind: "person", Ref: id, Say: fmt.Sprintf("%s opened it: %s", who, f.Because)}},
		}
		in.Reasons = rank(&in, nil)
		for i, reason := range in.Reasons {
			in.Rank += reason.Points
			in.Reasons[i].Why = strings.Replace(reason.Why, "its strongest alert is", who+" said that it is", 1)
		}
		return r.addFound(tx, &in, who, f)
	})
}

func (f Found) check() error {
	if n := len(strings.TrimSpace(f.Because)); n < 3 || len(f.Because) > 2000 {
		return fmt.Errorf("say in 3 to 2000 bytes why the event belongs there: %w", holdfast.ErrInvalid)
	}
	return nil
}

func (r *Runner) addFound(tx Tx, in *holdfast.Incident, who string, f Found) error {
	e := &f.Event
	ref := e.ID.String()
	if slices.ContainsFunc(in.Timeline, func(m holdfast.Moment) bool { return m.Kind == "event" && m.Ref == ref }) {
		return nil
	}
	next := clone(*in)
	if !moment(&next, holdfast.Moment{At: e.Time, Kind: "event", Ref: ref, Say: fmt.Sprintf("%s: %s", e.Dataset, cutText(string(e.Raw), maxFoundText))}) {
		return fmt.Errorf("the timeline of %s is full; open another incident: %w", in.ID, holdfast.ErrFull)
	}
	if e.Asset != "" {
		insert(&next.Assets, e.Asset, 0)
	}
	for _, entity := range f.Entities {
		insert(&next.Entities, entity, maxEntities)
	}
	return r.note(tx, &next, who, "incident.event", ref, "", fmt.Sprintf("%s added the event %s of %s: %s", who, ref, e.Time.UTC().Format(time.RFC3339), f.Because))
}

func cutText(s string, limit int) string {
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
