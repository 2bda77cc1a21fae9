package spine

import (
	"context"
	"fmt"
	"slices"

	"holdfast"
	"holdfast/respond"
	"holdfast/store/state"
)

// triaging puts the alerts of one block into incidents. What it has to know is
// read once for all of them, and what it changes is written once at the end.
type triaging struct {
	s      *Spine
	tx     *state.Tx
	open   []holdfast.Incident // once it is read
	read   bool
	dirty  []string         // ids of incidents that changed
	assets map[string]about // by id
}

// about is what triage has to know of an alert's asset.
type about struct {
	respond.TriageInput
	verdicts []holdfast.Verdict
}

func (t *triaging) about(ctx context.Context, asset string) (out about, err error) {
	known, err := t.tx.Assets().Get(ctx, asset)
	if err != nil {
		return out, nil //nolint:nilerr // an alert may be about a host that nobody knows
	}
	out.Asset = &known
	if out.Findings, err = t.tx.Findings().All(ctx, map[string]string{"asset": asset, "open": "true"}); err != nil {
		return out, err
	}
	out.verdicts, err = t.tx.Verdicts().All(ctx, map[string]string{"asset": asset})
	return out, err
}

// triage puts one alert into its incident, and proposes what it calls for.
func (t *triaging) triage(ctx context.Context, a *holdfast.Alert) (holdfast.Incident, error) {
	known, err := t.tx.Alerts().Get(ctx, a.ID)
	fresh := err != nil
	if !fresh {
		a.Incident = known.Incident
	}
	about, ok := t.assets[a.Asset]
	if !ok {
		if about, err = t.about(ctx, a.Asset); err != nil {
			return holdfast.Incident{}, err
		}
		t.assets[a.Asset] = about
	}
	input := about.TriageInput
	input.Now, input.NextID = t.s.Clock.Now().UTC(), func() string { return t.nextID(ctx) }
	if about.Asset != nil {
		input.Broken = t.s.Control.Broken(rulesOf(a), a.Asset, about.verdicts)
	}
	if !t.read {
		if t.open, err = t.tx.Incidents().All(ctx, map[string]string{"live": "true"}); err != nil {
			return holdfast.Incident{}, err
		}
		t.read = true
	}
	in, changed := respond.Triage(*a, t.open, input)
	if in.ID != "" {
		a.Incident = in.ID
	}
	if changed {
		t.put(in)
	}
	if err := t.tx.Alerts().Put(ctx, *a); err != nil {
		return in, err
	}
	if fresh || len(known.Stages) != len(a.Stages) {
		if err := t.s.recordAlert(ctx, t.tx, a); err != nil {
			return in, err
		}
	}
	if in.ID == "" {
		return in, nil
	}
	return in, t.suggest(ctx, in, a)
}

func (t *triaging) nextID(ctx context.Context) string {
	n, err := t.tx.NextNumber(ctx, "incident")
	if err != nil {
		t.s.Log.Error("counting incidents", "error", err)
		return holdfast.NewID("inc")
	}
	return fmt.Sprintf("inc-%d", n)
}

// put keeps what an incident is now, for the alerts that follow.
func (t *triaging) put(in holdfast.Incident) {
	if i := slices.IndexFunc(t.open, func(o holdfast.Incident) bool { return o.ID == in.ID }); i >= 0 {
		t.open[i] = in
	} else {
		t.open = append(t.open, in)
	}
	if !slices.Contains(t.dirty, in.ID) {
		t.dirty = append(t.dirty, in.ID)
	}
}

// suggest has respond propose actions, which may write in the incident.
func (t *triaging) suggest(ctx context.Context, in holdfast.Incident, a *holdfast.Alert) error {
	if !respond.Calls(in, *a) {
		return nil
	}
	if err := t.done(ctx); err != nil {
		return err
	}
	out, err := t.s.Respond.Suggest(bookTx{ctx, t.s, t.tx}, in, *a)
	if err != nil || len(out) == 0 {
		return err
	}
	now, err := t.tx.Incidents().Get(ctx, in.ID)
	if err == nil {
		i := slices.IndexFunc(t.open, func(o holdfast.Incident) bool { return o.ID == in.ID })
		t.open[i] = now
	}
	return err
}

// done writes the incidents that changed.
func (t *triaging) done(ctx context.Context) error {
	for _, id := range t.dirty {
		i := slices.IndexFunc(t.open, func(o holdfast.Incident) bool { return o.ID == id })
		if err := t.tx.Incidents().Put(ctx, t.open[i]); err != nil {
			return err
		}
	}
	t.dirty = nil
	return nil
}
