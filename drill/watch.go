package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// The hops, in order.
const (
	hopAttempt  = "attempt"
	hopEvent    = "event"
	hopAlert    = "alert"
	hopIncident = "incident"
)

// Marker returns the drill whose account name stands in a raw record, or "".
// Only names of drills that run now, or did a moment ago, count: nobody can
// hide behind the way the names are made. Ingest asks it of every record.
func (r *Runner) Marker(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, one := range r.running {
		if !one.over.IsZero() && r.Clock.Now().Sub(one.over) > afterwards {
			delete(r.running, id)
			continue
		}
		if strings.Contains(text, one.drill.Marker) {
			return id
		}
	}
	return ""
}

// SawEvent tells of an event that ingest has made.
func (r *Runner) SawEvent(e *holdfast.Event) {
	if e.Drill != "" {
		r.saw(e.Drill, hopEvent, e.ID.String(), "an event came in: "+e.Dataset, nil)
	}
}

// SawAlert tells of a new or changed alert.
func (r *Runner) SawAlert(a holdfast.Alert) {
	if a.Drill == "" {
		return
	}
	rules := []string{a.Rule}
	for _, s := range a.Stages {
		rules = append(rules, s.Rule)
	}
	r.saw(a.Drill, hopAlert, a.ID, "an alert was raised: "+a.Title, rules)
}

// SawIncident tells of a new or changed incident.
func (r *Runner) SawIncident(in holdfast.Incident) {
	if in.Drill != "" {
		r.saw(in.Drill, hopIncident, in.ID, "an incident was opened: "+in.Title, nil)
	}
}

func (r *Runner) saw(id, hop, ref, say string, rules []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.running[id]
	if !ok || !one.over.IsZero() {
		return
	}
	d := &one.drill
	for _, rule := range rules {
		if rule != "" && !slices.Contains(d.Fired, rule) {
			d.Fired = append(d.Fired, rule)
		}
	}
	if hop == hopAlert && !slices.ContainsFunc(rules, func(rule string) bool { return slices.Contains(d.Rules, rule) }) {
		return // another rule has seen it as well
	}
	one.hop(r.Clock.Now(), hop, ref, say)
}

// hop keeps the first of each kind. The caller holds the lock.
func (one *run) hop(at time.Time, name, ref, say string) {
	d := &one.drill
	if slices.ContainsFunc(d.Hops, func(h holdfast.Hop) bool { return h.Name == name }) {
		return
	}
	before := d.Started
	for _, h := range d.Hops {
		if h.At.After(before) {
			before = h.At
		}
	}
	d.Hops = append(d.Hops, holdfast.Hop{Name: name, At: at, Took: at.Sub(before), OK: true, Ref: ref, Say: say})
	select {
	case one.changed <- struct{}{}:
	default:
	}
}

// enter takes a drill in, if none runs on its asset.
func (r *Runner) enter(one *run) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.running {
		if other.over.IsZero() && other.drill.Asset == one.drill.Asset {
			return fmt.Errorf("drill %s runs on %s now; wait until it is over: %w", other.drill.ID, one.drill.Asset, holdfast.ErrConflict)
		}
	}
	if r.running == nil {
		r.running = map[string]*run{}
	}
	r.running[one.drill.ID] = one
	return nil
}

func (r *Runner) leave(one *run) {
	r.mu.Lock()
	delete(r.running, one.drill.ID)
	r.mu.Unlock()
}

// carry makes the attempts and waits for the hops.
func (r *Runner) carry(ctx context.Context, one *run) holdfast.Drill {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	r.mu.Lock()
	one.hop(r.Clock.Now(), hopAttempt, one.drill.Target, "the first attempt goes out")
	r.mu.Unlock()
	blocked, say, err := one.kind.attempt(ctx, one.drill.Target, one.drill.Marker)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case !blocked:
		why = "the attempt was not blocked: " + say
	}
	if err == nil {
		why = first(why, r.await(ctx, one))
	}
	r.mu.Lock()
	d := &one.drill
	now := r.Clock.Now()
	one.over = now
	if err == nil {
		d.Blocked = &blocked
	}
	d.Ended, d.Took, d.Why, d.Status = now, now.Sub(d.Started), why, holdfast.DrillPassed
	for _, name := range one.wants() {
		if !one.has(name) {
			d.Hops = append(d.Hops, holdfast.Hop{Name: name, Say: "did not come"})
		}
	}
	if why != "" {
		d.Status = holdfast.DrillFailed
	} else {
		d.Why = say
	}
	out := *d
	out.Hops, out.Fired = slices.Clone(d.Hops), slices.Clone(d.Fired)
	r.mu.Unlock()
	// The outcome is kept even when the program is being stopped.
	keep, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if err := r.Book.SaveDrill(keep, out); err != nil {
		r.Log.Error("a drill's outcome could not be kept", "drill", out.ID, "error", err)
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// wants are the hops that a drill must see.
func (one *run) wants() []string {
	if len(one.kind.Rules) == 0 {
		return []string{hopAttempt, hopEvent}
	}
	return []string{hopAttempt, hopEvent, hopAlert, hopIncident}
}

func (one *run) has(name string) bool {
	return slices.ContainsFunc(one.drill.Hops, func(h holdfast.Hop) bool { return h.Name == name })
}

// await waits until all hops and rules are there; it returns what is missing.
func (r *Runner) await(ctx context.Context, one *run) string {
	limit := r.Patience
	if limit == 0 {
		limit = patience
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		missing := r.missing(one)
		if missing == "" {
			return ""
		}
		select {
		case <-one.changed:
		case <-timer.C:
			return fmt.Sprintf("%s within %s of the attempt", missing, limit)
		case <-ctx.Done():
			return "it was stopped; " + missing
		}
	}
}

func (r *Runner) missing(one *run) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rule := range one.drill.Rules {
		if one.has(hopEvent) && !slices.Contains(one.drill.Fired, rule) {
			return fmt.Sprintf("the rule %s did not fire", rule)
		}
	}
	for _, name := range one.wants() {
		if !one.has(name) {
			return fmt.Sprintf("no %s came", name)
		}
	}
	return ""
}
