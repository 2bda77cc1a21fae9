package spine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"holdfast"
	"holdfast/respond"
	"holdfast/store/state"
)

// stories are the live incidents in memory, as of a revision of the state. Each
// transaction reads what changed since, so they are as exact as if they were all
// read, whoever changed them on whichever node. The zero value has read nothing.
type stories struct {
	respond.Stories
	rev uint64
}

func (s *stories) refresh(ctx context.Context, tx *state.Tx) error {
	list, rev, err := tx.IncidentsSince(ctx, s.rev)
	for _, in := range list {
		s.Put(in)
	}
	s.rev = rev
	return err
}

// triaging puts alerts into incidents, in one transaction. What it has to know is
// read once for all of them, and what it changes is written once at the end.
type triaging struct {
	s        *Spine
	tx       *state.Tx
	stories  *stories          // not to be used again if the transaction fails
	stages   map[string]int    // of the alerts that are kept already
	incident map[string]string // of those
	changed  []string          // ids of incidents, each once
	dirty    map[string]bool   // those
	evidence []holdfast.Evidence
	last     uint64 // the last number of an incident
	opened   uint64
	assets   map[string]about             // by id
	actions  map[string][]holdfast.Action // by incident, once they were read
	action   map[string]holdfast.Action   // those, by id
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

// triage keeps alerts with their incidents and what those call for. No two have the
// same id; stages are how many stages alerts have that are kept, as far as they are
// known. It returns the incidents that the alerts are in.
func (s *Spine) triage(ctx context.Context, tx *state.Tx, known *stories, alerts []holdfast.Alert, stages map[string]int) ([]holdfast.Incident, error) {
	if len(alerts) == 0 {
		return nil, nil
	}
	t := triaging{
		s: s, tx: tx, stories: known, dirty: map[string]bool{}, assets: map[string]about{},
		actions: map[string][]holdfast.Action{}, action: map[string]holdfast.Action{},
	}
	if err := t.begin(ctx, alerts, stages); err != nil {
		return nil, err
	}
	var out []holdfast.Incident
	for i := range alerts {
		in, err := t.one(ctx, &alerts[i])
		if err != nil {
			return nil, err
		}
		if in.ID != "" {
			out = append(out, in)
		}
	}
	return out, t.end(ctx, alerts)
}

func (t *triaging) begin(ctx context.Context, alerts []holdfast.Alert, stages map[string]int) (err error) {
	if err = t.stories.refresh(ctx, t.tx); err != nil {
		return err
	}
	ids := make([]string, len(alerts))
	for i := range alerts {
		ids[i] = alerts[i].ID
	}
	if t.incident, err = t.tx.IncidentOf(ctx, ids); err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		_, kept := t.incident[id]
		return !kept || stages[id] > 0
	})
	if t.stages, err = t.tx.StagesOf(ctx, ids); err != nil {
		return err
	}
	for id := range t.incident {
		if n := stages[id]; n > 0 {
			t.stages[id] = n
		}
	}
	t.last, err = t.tx.NextNumbers(ctx, "incident", 0)
	return err
}

// one puts one alert into its incident, and proposes what it calls for.
func (t *triaging) one(ctx context.Context, a *holdfast.Alert) (holdfast.Incident, error) {
	about, ok := t.assets[a.Asset]
	if !ok {
		var err error
		if about, err = t.about(ctx, a.Asset); err != nil {
			return holdfast.Incident{}, err
		}
		t.assets[a.Asset] = about
	}
	input := about.TriageInput
	input.Now, input.NextID = t.s.Clock.Now().UTC(), t.nextID
	if about.Asset != nil {
		input.Broken = t.s.Control.Broken(rulesOf(a), a.Asset, about.verdicts)
	}
	in, changed := t.stories.Triage(*a, input)
	if changed {
		t.change(in.ID)
	}
	a.Incident = in.ID
	if in.ID == "" {
		a.Incident = t.incident[a.ID]
	}
	for _, stage := range a.Stages[min(t.stages[a.ID], len(a.Stages)):] {
		e, err := t.s.raised(a, stage)
		if err != nil {
			return in, err
		}
		t.evidence = append(t.evidence, e)
	}
	if in.ID == "" || !respond.Calls(in, *a) {
		return in, nil
	}
	_, err := t.s.Respond.Suggest(triageTx{bookTx{ctx, t.s, t.tx}, t}, in, *a)
	return in, err
}

// raised is the evidence of an alert that came to a stage.
func (s *Spine) raised(a *holdfast.Alert, stage holdfast.Stage) (holdfast.Evidence, error) {
	detail, err := json.Marshal(map[string]any{"group": a.Group, "why": stage.Why, "count": a.Count, "drill": a.Drill, "incident": a.Incident})
	return holdfast.Evidence{
		Key: holdfast.StableID("evd", a.ID, stage.Rule), At: s.Clock.Now().UTC(), Who: "holdfast", Did: "alert.raise", On: a.ID, Asset: a.Asset,
		Code: stage.Rule, Outcome: string(stage.Level) + ": " + stage.Title, Detail: detail,
	}, err
}

func (t *triaging) nextID() string {
	t.opened++
	return fmt.Sprintf("inc-%d", t.last+t.opened)
}

func (t *triaging) change(incident string) {
	if !t.dirty[incident] {
		t.dirty[incident] = true
		t.changed = append(t.changed, incident)
	}
}

// end writes what came of the alerts.
func (t *triaging) end(ctx context.Context, alerts []holdfast.Alert) error {
	if t.opened > 0 {
		if _, err := t.tx.NextNumbers(ctx, "incident", t.opened); err != nil {
			return err
		}
	}
	if err := t.tx.Alerts().PutAll(ctx, alerts); err != nil {
		return err
	}
	if err := t.tx.Record(ctx, t.evidence...); err != nil {
		return err
	}
	incidents := make([]holdfast.Incident, len(t.changed))
	for i, id := range t.changed {
		incidents[i], _ = t.stories.Get(id)
	}
	if err := t.tx.Incidents().PutAll(ctx, incidents); err != nil {
		return err
	}
	var err error
	t.stories.rev, err = t.tx.IncidentsRevision(ctx)
	return err
}

// triageTx is respond's view of the state while alerts are triaged: incidents are
// those in memory, actions are read once, and what happens is written at the end.
type triageTx struct {
	bookTx
	t *triaging
}

func (x triageTx) Incident(id string) (holdfast.Incident, error) {
	if in, ok := x.t.stories.Get(id); ok {
		return in, nil
	}
	return x.bookTx.Incident(id)
}

func (x triageTx) PutIncident(in holdfast.Incident) error {
	x.t.stories.Put(in)
	x.t.change(in.ID)
	return nil
}

func (x triageTx) ActionsOf(incident string) ([]holdfast.Action, error) {
	if list, ok := x.t.actions[incident]; ok {
		return list, nil
	}
	list, err := x.bookTx.ActionsOf(incident)
	if err != nil {
		return nil, err
	}
	x.t.actions[incident] = list
	for _, a := range list {
		x.t.action[a.ID] = a
	}
	return list, nil
}

func (x triageTx) Action(id string) (holdfast.Action, error) {
	if a, ok := x.t.action[id]; ok {
		return a, nil
	}
	return x.bookTx.Action(id)
}

func (x triageTx) PutAction(a holdfast.Action) error {
	delete(x.t.actions, a.Incident)
	x.t.action[a.ID] = a
	return x.bookTx.PutAction(a)
}

func (x triageTx) Record(e holdfast.Evidence) error {
	x.t.evidence = append(x.t.evidence, e)
	return nil
}

func rulesOf(a *holdfast.Alert) []string {
	out := []string{a.Rule}
	for _, st := range a.Stages {
		if st.Rule != a.Rule {
			out = append(out, st.Rule)
		}
	}
	return out
}
