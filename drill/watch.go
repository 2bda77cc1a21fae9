package drill

import (
	"context"
	"fmt"
	"slices"
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

// Sight is something that a drill has caused.
type Sight struct {
	Drill string // its id

	hop, ref, say string
	rules         []string // that fired
}

// SawEvent is an event that ingest has made.
func SawEvent(e *holdfast.Event) Sight {
	return Sight{Drill: e.Drill, hop: hopEvent, ref: e.ID.String(), say: "an event came in: " + e.Dataset}
}

// SawAlert is a new or changed alert.
func SawAlert(a *holdfast.Alert) Sight {
	rules := []string{a.Rule}
	for _, s := range a.Stages {
		rules = append(rules, s.Rule)
	}
	return Sight{Drill: a.Drill, hop: hopAlert, ref: a.ID, say: "an alert was raised: " + a.Title, rules: rules}
}

// SawIncident is a new or changed incident.
func SawIncident(in *holdfast.Incident) Sight {
	return Sight{Drill: in.Drill, hop: hopIncident, ref: in.ID, say: "an incident was opened: " + in.Title}
}

// Add adds what was seen to a drill that is under way, and reports whether that is
// new. Of each hop it is the first.
func (x Sight) Add(d *holdfast.Drill, now time.Time) bool {
	if d.Status != holdfast.DrillRunning {
		return false
	}
	changed := false
	for _, rule := range x.rules {
		if rule != "" && !slices.Contains(d.Fired, rule) {
			d.Fired, changed = append(d.Fired, rule), true
		}
	}
	if x.hop == hopAlert && !slices.ContainsFunc(x.rules, func(rule string) bool { return slices.Contains(d.Rules, rule) }) {
		return changed // another rule has seen it as well
	}
	if slices.ContainsFunc(d.Hops, func(h holdfast.Hop) bool { return h.Name == x.hop }) {
		return changed
	}
	before := d.Started
	for _, h := range d.Hops {
		if h.At.After(before) {
			before = h.At
		}
	}
	if now.Before(before) { // by the clock of another node
		now = before
	}
	d.Hops = append(d.Hops, holdfast.Hop{Name: x.hop, At: now, Took: now.Sub(before), OK: true, Ref: x.ref, Say: x.say})
	return true
}

// Saw tells of what a drill has caused. It returns false if the drill does not run
// here.
func (r *Runner) Saw(x Sight) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.running[x.Drill]
	if ok && x.Add(&one.drill, r.Clock.Now()) {
		one.tell()
	}
	return ok
}

// Heard takes in what others have seen of a drill and kept with it.
func (r *Runner) Heard(d holdfast.Drill) {
	for _, h := range d.Hops {
		x := Sight{Drill: d.ID, hop: h.Name, ref: h.Ref, say: h.Say}
		if h.Name == hopAlert {
			x.rules = d.Fired
		}
		if h.OK && h.Name != hopAttempt {
			r.Saw(x)
		}
	}
}

func (one *run) tell() {
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
		if other.drill.Asset == one.drill.Asset {
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
	r.Saw(Sight{Drill: one.drill.ID, hop: hopAttempt, ref: one.drill.Target, say: "the first attempt goes out"})
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
	delete(r.running, d.ID)
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
