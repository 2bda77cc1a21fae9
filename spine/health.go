package spine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect"
	"holdfast/internal/host"
	"holdfast/spine/health"
	"holdfast/store/events"
	"holdfast/store/state"
)

const (
	healthPosition = "health"
	// healthRule begins the names of what raises alerts about the pipeline.
	healthRule = "health."
	healthKeep = time.Minute // how often what is known is kept
)

// wellness is what this node knows of the health of the pipeline. The duty of
// storing counts and judges; others read what it has kept.
type wellness struct {
	model    *health.Model
	lags     health.Lags
	judging  bool // guarded by Spine.mu, as are the next ones
	troubles []health.Trouble
	readers  []health.Reader
	began    time.Time
	lost     time.Time // since when segments cannot be read, if any
	kept     time.Time
	watched  *detect.Need // the first need of the rules whose fields are counted
}

// healthEvery is how often the pipeline is judged.
func (s *Spine) healthEvery() time.Duration {
	return min(max(s.Health.Shortest()/4, 250*time.Millisecond), 10*time.Second)
}

// beginHealth takes up what was known.
func (s *Spine) beginHealth(ctx context.Context) error {
	seq, kept, err := s.State.Position(ctx, healthPosition)
	if err != nil {
		return err
	}
	last, _, err := s.Bus.Last(ctx)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	troubles, err := s.well.model.Restore(kept, min(seq, last), now)
	if err != nil {
		s.Log.Error("what was known of the sources' rhythms cannot be read; it begins anew", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.well.judging, s.well.troubles, s.well.began, s.well.kept, s.well.watched = true, troubles, now, now, nil
	return nil
}

func (s *Spine) endHealth() {
	s.mu.Lock()
	s.well.judging = false
	s.mu.Unlock()
}

// judgeHealth looks for troubles, raises an alert for each that is new, and
// closes those of what is well again.
func (s *Spine) judgeHealth(ctx context.Context, l state.Lease) error {
	now := s.Clock.Now().UTC()
	s.watchFields()
	if free, total, err := host.Disk(s.DataDir); err == nil {
		s.well.model.SeeDisk(now, free, total, s.Bus.Reserve())
	}
	troubles, err := s.agentsGone(ctx, now)
	if err != nil {
		return err
	}
	newest, _, err := s.Bus.Last(ctx)
	if err != nil {
		return err
	}
	s.well.model.Listen(now, newest)
	if since, err := s.Events.Away(ctx); err != nil {
		troubles = append(troubles, storeAway(since, err))
	}
	lost, err := s.Events.Broken(ctx, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.well.lost.IsZero() || lost.Segments == 0 {
		s.well.lost = now
	}
	since := s.well.lost
	s.mu.Unlock()
	if lost.Segments > 0 {
		troubles = append(troubles, segmentsLost(since, lost))
	}
	gone := map[string]bool{}
	for _, t := range troubles {
		gone[t.Asset] = true
	}
	for _, t := range s.well.model.Judge(now) {
		if t.Kind != health.Quiet || !gone[ownerOf(t.Source)] { // that is said by the one about the agent
			troubles = append(troubles, t)
		}
	}
	if troubles, err = s.named(ctx, troubles); err != nil {
		return err
	}
	s.mu.Lock()
	changed := !slices.EqualFunc(s.well.troubles, troubles, func(a, b health.Trouble) bool { return a.Key() == b.Key() })
	due := changed || now.Sub(s.well.kept) >= healthKeep || now.Before(s.well.kept)
	s.well.troubles = troubles
	s.mu.Unlock()
	if err := s.tell(ctx, l, now, troubles, health.Agent, health.Quiet, health.Field, health.Parse, health.Clock, health.Store, health.Disk); err != nil {
		return err
	}
	if changed {
		s.changed.give()
	}
	if !due {
		return nil
	}
	return s.keepHealth(ctx, l, now)
}

func segmentsLost(since time.Time, lost events.Broken) health.Trouble {
	return health.Trouble{
		Kind: health.Store, Subject: "segments", Since: since, What: "stored events are missing: " + lost.String(),
		Do: "restore the files from a copy, at the place that the log names; they are searched again by themselves",
	}
}

func storeAway(since time.Time, why error) health.Trouble {
	return health.Trouble{
		Kind: health.Store, Subject: "events", Since: since, What: "the store of events is away: " + why.Error(),
		Do: "start it, or mend the way to it; what comes in waits on the bus as far as its disk goes, alerts come, and searches fail until it is back",
	}
}

func (s *Spine) keepHealth(ctx context.Context, l state.Lease, now time.Time) error {
	s.mu.Lock()
	troubles := s.well.troubles
	s.mu.Unlock()
	b, seq, err := s.well.model.Snapshot(now, troubles)
	if err != nil {
		return err
	}
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, l); err != nil {
			return err
		}
		return tx.SetPosition(ctx, healthPosition, seq, b)
	})
	if err == nil {
		s.mu.Lock()
		s.well.kept = now
		s.mu.Unlock()
	}
	return err
}

// watchFields has the fields counted that today's rules cannot do without.
func (s *Spine) watchFields() {
	needs := s.Detect.Needs()
	var first *detect.Need
	if len(needs) > 0 {
		first = &needs[0]
	}
	s.mu.Lock()
	same := s.well.watched == first && first != nil
	s.well.watched = first
	s.mu.Unlock()
	if same {
		return
	}
	datasets := s.Ingest.Datasets()
	all := map[string]health.Watched{}
	for _, n := range needs {
		for _, d := range n.Datasets {
			for _, f := range n.Fields {
				if all[d] == nil {
					all[d] = health.Watched{}
				}
				if all[d][f] == nil {
					all[d][f] = detect.FieldNames(f, datasets[d])
				}
			}
		}
	}
	s.well.model.Watch(all)
}

// agentsGone are the agents that have not been heard of for too long.
func (s *Spine) agentsGone(ctx context.Context, now time.Time) ([]health.Trouble, error) {
	assets, err := s.State.Assets().All(ctx, nil)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	began := s.well.began
	told := map[string]bool{}
	for _, t := range s.well.troubles {
		told[t.Key()] = true
	}
	s.mu.Unlock()
	var out []health.Trouble
	for _, a := range assets {
		t := health.Trouble{
			Kind: health.Agent, Subject: a.ID, Asset: a.ID, Since: a.Seen,
			What: fmt.Sprintf("the agent of %s is gone: it was last heard of %s, and nothing of this host comes in", a.Name, a.Seen.UTC().Format(time.RFC3339)),
			Do:   "see whether the host runs and reaches this server, and on it, holdfast-agent status; if it is gone for good, holdfast health mute --kind agent '" + a.ID + "'",
		}
		most := s.Health.AgentLimit(a.Name, a.ID)
		heard := a.Seen
		if heard.Before(began) && !told[t.Key()] {
			heard = began // nobody listened before
		}
		if a.Agent != "" && most > 0 && now.Sub(heard) > most {
			out = append(out, t)
		}
	}
	return out, nil
}

// named puts the names of hosts for the ids of their assets in what is said.
func (s *Spine) named(ctx context.Context, troubles []health.Trouble) ([]health.Trouble, error) {
	if len(troubles) == 0 {
		return nil, nil
	}
	assets, err := s.State.Assets().All(ctx, nil)
	for i := range troubles {
		t := &troubles[i]
		owner := ownerOf(t.Source)
		for _, a := range assets {
			if a.ID == owner {
				t.What = strings.Replace(t.What, owner+"/", a.Name+": ", 1)
				t.Asset = a.ID
			}
		}
	}
	return troubles, err
}

// judgeShared looks how far the bus's readers are behind, and which nodes are gone.
// It is apart from the other judgements, because they stop with the reader and the
// node that they are part of.
func (s *Spine) judgeShared(ctx context.Context, l state.Lease) error {
	now := s.Clock.Now().UTC()
	nodes, err := s.Nodes(ctx)
	if err != nil {
		return err
	}
	troubles := append(s.well.lags.Judge(now, s.behind(), s.Health.Lag), nodesGone(nodes)...)
	return s.tell(ctx, l, now, troubles, health.Lag, health.Node)
}

// tell makes alerts of some kinds be those of the troubles: one for each that is
// neither known nor muted, and those of what is over closed.
func (s *Spine) tell(ctx context.Context, l state.Lease, now time.Time, troubles []health.Trouble, kinds ...string) error {
	rules := make([]string, len(kinds))
	for i, k := range kinds {
		rules[i] = healthRule + k
	}
	live := map[string]string{"status": holdfast.AlertOpen, "rule": strings.Join(rules, ",")}
	open, err := s.State.Alerts().All(ctx, live)
	if err != nil || len(open)+len(troubles) == 0 {
		return err
	}
	mutes, err := s.Mutes(ctx)
	if err != nil {
		return err
	}
	is := map[string]*holdfast.Alert{}
	x := s.sight(s.well.model.Sources(now), troubles)
	var next []holdfast.Alert
	for _, t := range troubles {
		if mutedBy(mutes, t, now) == nil {
			a := s.alertOf(ctx, x, t, now)
			next = append(next, a)
			is[a.ID] = &next[len(next)-1]
		}
	}
	was := map[string]holdfast.Alert{}
	for _, a := range open {
		was[a.ID] = a
	}
	var put, over []holdfast.Alert
	for _, a := range next {
		if old, ok := was[a.ID]; !ok || !sameBlind(old.Blind, a.Blind) || old.Level != a.Level {
			put = append(put, a)
		}
	}
	for _, a := range open {
		if is[a.ID] == nil {
			over = append(over, a)
		}
	}
	if len(put)+len(over) == 0 {
		return nil
	}
	return s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, l); err != nil {
			return err
		}
		for _, a := range put {
			if err := s.raiseHealth(ctx, tx, a); err != nil {
				return err
			}
		}
		for _, a := range over {
			if err := s.closeHealth(ctx, tx, a, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func sameBlind(a, b *holdfast.Blind) bool {
	return a != nil && b != nil && a.Rules == b.Rules && a.Everywhere == b.Everywhere && slices.Equal(a.First, b.First) && slices.Equal(a.Requirements, b.Requirements)
}

// raiseHealth keeps an alert. One that a person has closed stays closed for as
// long as its trouble lasts; one that closed by itself, because of a mute or of an
// alert that told more, opens again.
func (s *Spine) raiseHealth(ctx context.Context, tx *state.Tx, a holdfast.Alert) error {
	known, err := tx.Alerts().Get(ctx, a.ID)
	again := err == nil && known.Status != holdfast.AlertOpen && len(known.Stages) > 1 // closed by closeHealth
	if err == nil && !again {
		if known.Status != holdfast.AlertOpen {
			return nil
		}
		known.Level, known.Blind, known.Last, known.Updated, known.Stages = a.Level, a.Blind, a.Last, a.Updated, a.Stages
		return tx.Alerts().Put(ctx, known)
	}
	if err != nil && !errors.Is(err, holdfast.ErrNotFound) {
		return err
	}
	if err := tx.Alerts().Put(ctx, a); err != nil {
		return err
	}
	detail, err := json.Marshal(map[string]any{"why": a.Stages[0].Why, "since": a.First, "blind": a.Blind})
	if err != nil {
		return err
	}
	return tx.Record(ctx, holdfast.Evidence{
		Key: holdfast.StableID("evd", a.ID, a.Rule, a.Raised.String()), At: a.Raised, Who: "holdfast", Did: "alert.raise", On: a.ID, Asset: a.Asset,
		Code: a.Rule, Outcome: string(a.Level) + ": " + a.Title, Detail: detail,
	})
}

func (s *Spine) closeHealth(ctx context.Context, tx *state.Tx, a holdfast.Alert, now time.Time) error {
	a, err := tx.Alerts().Get(ctx, a.ID)
	if err != nil || a.Status != holdfast.AlertOpen {
		return err
	}
	a.Status, a.Updated, a.Last = holdfast.AlertClosed, now, now
	after := "well again, muted, or told by another alert, after " + now.Sub(a.First).Round(time.Second).String()
	a.Stages = append(a.Stages, holdfast.Stage{Rule: a.Rule, Title: "It is over", Level: a.Level, Why: after, Time: now, At: now})
	if err := tx.Alerts().Put(ctx, a); err != nil {
		return err
	}
	return tx.Record(ctx, holdfast.Evidence{
		Key: holdfast.StableID("evd", a.ID, "over", now.String()), At: now, Who: "holdfast", Did: "alert.close", On: a.ID, Asset: a.Asset,
		Outcome: after,
	})
}

// alertOf is the alert of a trouble. Its id is that of the episode: the same
// trouble later on is another alert.
func (s *Spine) alertOf(ctx context.Context, x *sight, t health.Trouble, now time.Time) holdfast.Alert {
	rules, requirements := x.blind(t)
	rule := healthRule + t.Kind
	a := holdfast.Alert{
		ID:   holdfast.StableID("alt", rule, t.Subject, t.Since.UTC().Format(time.RFC3339Nano)),
		Rule: rule, Title: t.What, Level: grade(t, rules, requirements), Asset: t.Asset, Blind: summary(rules, requirements),
		First: t.Since.UTC(), Last: now, Raised: now, Updated: now, Status: holdfast.AlertOpen,
		Group: []holdfast.Entity{{Kind: subjectKind(t), Value: t.Subject}}, Entities: []holdfast.Entity{}, Matches: []holdfast.Match{},
	}
	if host, err := s.State.Assets().Get(ctx, t.Asset); t.Asset != "" && err == nil {
		a.Entities = append(a.Entities, holdfast.Entity{Kind: holdfast.EntityHost, Value: host.Host})
	}
	a.Stages = []holdfast.Stage{{Rule: rule, Title: titles[t.Kind], Level: a.Level, Why: blindWords(t, a.Blind), Time: t.Since.UTC(), At: now}}
	return a
}

var titles = map[string]string{
	health.Quiet: "A source has gone quiet", health.Agent: "An agent is gone", health.Clock: "A source's clock is off", health.Parse: "Parse failures rise",
	health.Field: "A field has stopped coming", health.Lag: "The pipeline is behind", health.Store: "Stored events cannot be reached", health.Node: "A node is gone", health.Disk: "The disk is full soon",
}

func subjectKind(t health.Trouble) string {
	switch t.Kind {
	case health.Agent:
		return "asset"
	case health.Field:
		return "field"
	case health.Lag, health.Store, health.Node, health.Disk:
		return "part"
	}
	return "source"
}

// blindWords says what a trouble means, and what to do.
func blindWords(t health.Trouble, b *holdfast.Blind) string {
	var out strings.Builder
	verb := "see nothing of it"
	switch t.Kind {
	case health.Lag:
		verb = "are late"
	case health.Parse:
		verb = "may miss some of it"
	case health.Clock:
		verb = "count over time and may be wrong about it"
	}
	if b.Rules == 0 {
		out.WriteString("no loaded rule depends on it")
	} else {
		fmt.Fprintf(&out, "%d rules %s", b.Rules, verb)
		if b.Everywhere > 0 {
			fmt.Fprintf(&out, ", %d of them get what they need from nowhere else", b.Everywhere)
		}
		first := b.First[:min(len(b.First), 5)]
		fmt.Fprintf(&out, " (%s", strings.Join(first, ", "))
		if n := b.Rules - len(first); n > 0 {
			fmt.Fprintf(&out, " and %d more", n)
		}
		out.WriteString(")")
	}
	if len(b.Requirements) > 0 {
		fmt.Fprintf(&out, "; requirements not watched meanwhile: %s", strings.Join(b.Requirements, ", "))
	}
	return out.String() + ". What to do: " + t.Do
}
