package spine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/store/events"
	"holdfast/store/state"
)

const detectPosition = "detect"

// alertsPosition is the newest block whose alerts are kept. It is ahead of
// detectPosition by what came since the state of correlation was last kept.
const alertsPosition = "alerts"

// write is the bus's first reader: blocks to segments.
func (s *Spine) write(ctx context.Context, w *events.Writer, seq uint64, b *holdfast.Block) error {
	s.mu.Lock()
	for i := range b.Events {
		if e := &b.Events[i]; e.Asset != "" && e.Received.After(s.lastSeen[e.Asset]) {
			if s.lastSeen[e.Asset].IsZero() {
				defer s.changed.give()
			}
			s.lastSeen[e.Asset] = e.Received
		}
	}
	s.mu.Unlock()
	if err := w.Add(ctx, seq, b); err != nil {
		return err
	}
	s.well.model.Observe(seq, b)
	return nil
}

// detect is the bus's second reader: blocks to alerts, alerts to incidents and
// proposals. All that a block causes is kept in one transaction with its place
// on the bus and the state of correlations, so a restart doubles nothing.
func (s *Spine) detect(ctx context.Context, l state.Lease, seq uint64, b *holdfast.Block) error {
	for i := range b.Events {
		if d := b.Events[i].Drill; d != "" && d != ProbeDrill {
			s.Drills.SawEvent(&b.Events[i])
		}
	}
	alerts := slices.DeleteFunc(s.Detect.Process(seq, b), func(a holdfast.Alert) bool { return a.Drill == ProbeDrill })
	if len(alerts) == 0 || seq <= s.keptAlerts {
		s.setDetected(seq)
		return nil
	}
	var incidents []holdfast.Incident
	for {
		incidents = nil
		err := s.keep(ctx, l, seq, alerts, &incidents)
		if err == nil {
			break
		}
		// Process has taken the block; it must not go on before this is kept.
		s.Log.Warn("alerts wait to be kept", "alerts", len(alerts), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	for _, a := range alerts {
		s.Drills.SawAlert(a)
	}
	for _, in := range incidents {
		s.Drills.SawIncident(in)
	}
	return nil
}

// The state of correlation is kept once a second, less often where it is large:
// 256 KiB a second are written at most. After a crash the blocks since then are
// looked at again for the state's sake; what alerts come out of them is kept
// already, and people may have closed them or their incident meanwhile.
const (
	snapshotEvery = time.Second
	snapshotBytes = 256 << 10 // a second
	snapshotMost  = 20 * time.Second
)

func (s *Spine) keep(ctx context.Context, l state.Lease, seq uint64, alerts []holdfast.Alert, incidents *[]holdfast.Incident) error {
	due := s.snapshotDue()
	var snapshot []byte
	var err error
	if due {
		if snapshot, err = s.Detect.Snapshot(); err != nil {
			return err
		}
	}
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, l); err != nil {
			return err
		}
		t := triaging{s: s, tx: tx, assets: map[string]about{}}
		for i := range alerts {
			in, err := t.triage(ctx, &alerts[i])
			if err != nil {
				return err
			}
			if in.ID != "" {
				*incidents = append(*incidents, in)
			}
		}
		if err := t.done(ctx); err != nil {
			return err
		}
		if err := tx.SetPosition(ctx, alertsPosition, seq, nil); err != nil || !due {
			return err
		}
		return tx.SetPosition(ctx, detectPosition, seq, snapshot)
	})
	if err == nil {
		s.keptAlerts = seq
		s.mu.Lock()
		s.detected = seq
		if due {
			s.snapshotted, s.snapshotSize = s.Clock.Now(), len(snapshot)
		}
		s.mu.Unlock()
	}
	return err
}

func (s *Spine) snapshotDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.Clock.Now().Sub(s.snapshotted)
	every := min(snapshotEvery+snapshotEvery*time.Duration(s.snapshotSize/snapshotBytes), snapshotMost)
	return since >= every || since < 0
}

func (s *Spine) setDetected(seq uint64) {
	s.mu.Lock()
	s.detected = seq
	s.mu.Unlock()
}

func (s *Spine) recordAlert(ctx context.Context, tx *state.Tx, a *holdfast.Alert) error {
	stage := a.Stages[len(a.Stages)-1]
	detail, err := json.Marshal(map[string]any{"group": a.Group, "why": stage.Why, "count": a.Count, "drill": a.Drill, "incident": a.Incident})
	if err != nil {
		return err
	}
	return tx.Record(ctx, holdfast.Evidence{
		Key: holdfast.StableID("evd", a.ID, stage.Rule), At: s.Clock.Now().UTC(), Who: "holdfast", Did: "alert.raise", On: a.ID, Asset: a.Asset,
		Code: stage.Rule, Outcome: string(a.Level) + ": " + a.Title, Detail: detail,
	})
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

// Detected is the newest block that was looked at by the rules.
func (s *Spine) Detected() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.detected
}

// keepPlace keeps the detector's place and state when no alert has done so
// lately.
func (s *Spine) keepPlace(ctx context.Context, l state.Lease) error {
	if !s.snapshotDue() {
		return nil
	}
	return s.keepPlaceNow(ctx, l)
}

func (s *Spine) keepPlaceNow(ctx context.Context, l state.Lease) error {
	kept, _, err := s.State.Position(ctx, detectPosition)
	if err != nil || kept >= s.Detected() {
		return err // nothing new
	}
	snapshot, seq, err := s.Detect.SnapshotAt()
	if err != nil || seq == 0 || s.Detected() < seq {
		return err
	}
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, l); err != nil {
			return err
		}
		if now, _, err := tx.Position(ctx, detectPosition); err != nil || now >= seq {
			return err
		}
		return tx.SetPosition(ctx, detectPosition, seq, snapshot)
	})
	if err == nil {
		s.mu.Lock()
		s.snapshotted, s.snapshotSize = s.Clock.Now(), len(snapshot)
		s.mu.Unlock()
	}
	return err
}

// release lets the bus forget what both readers have done.
func (s *Spine) release(ctx context.Context) error {
	detected, _, err := s.State.Position(ctx, detectPosition)
	if err != nil {
		return err
	}
	written, _ := s.written(ctx)
	if done := min(detected, written); done > 0 {
		return s.Bus.Release(ctx, done)
	}
	return nil
}

// CarryEvidence carries evidence from the outbox to the log, as happens by itself
// soon after it was recorded. The log knows its keys, so what is carried twice
// is there once.
func (s *Spine) CarryEvidence(ctx context.Context) error {
	if s.Evidence == nil {
		return nil // the node that has the log carries it
	}
	for {
		list, last, err := s.State.Outbox(ctx, 200)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.Evidence.Append(ctx, list...); err != nil {
			return err
		}
		if err := s.State.DropOutbox(ctx, last); err != nil {
			return err
		}
	}
}

// stand works out how every requirement stands on every asset.
func (s *Spine) stand(ctx context.Context) error {
	assets, err := s.State.Assets().All(ctx, nil)
	if err != nil {
		return err
	}
	verdicts, err := s.State.Verdicts().All(ctx, nil)
	if err != nil {
		return err
	}
	actions, err := s.State.Actions().All(ctx, nil)
	if err != nil {
		return err
	}
	ran, err := s.State.Drills().All(ctx, nil)
	if err != nil {
		return err
	}
	ev := s.evidenceFor(verdicts, actions, ran)
	if err := s.seenElsewhere(ctx, ev.Sources); err != nil {
		return err
	}
	m, troubles, err := s.know(ctx)
	if err != nil {
		return err
	}
	ev.Blind = s.blindness(m.Sources(s.Clock.Now()), troubles)
	next := s.Control.Standings(assets, ev, s.Clock.Now().UTC())
	before, err := s.State.Standings().All(ctx, nil)
	if err != nil {
		return err
	}
	return s.State.Tx(ctx, func(tx *state.Tx) error { return s.keepStandings(ctx, tx, before, next) })
}

func (s *Spine) keepStandings(ctx context.Context, tx *state.Tx, before, next []holdfast.Standing) error {
	old := map[string]holdfast.Standing{}
	for _, st := range before {
		old[st.Requirement+"/"+st.Asset] = st
	}
	for _, st := range next {
		key := st.Requirement + "/" + st.Asset
		was, known := old[key]
		delete(old, key)
		if err := tx.Standings().Put(ctx, st); err != nil {
			return err
		}
		if known && states(was) == states(st) {
			continue
		}
		detail, err := json.Marshal(st)
		if err != nil {
			return err
		}
		err = tx.Record(ctx, holdfast.Evidence{
			Key: holdfast.NewID("evd"), At: st.At, Who: "holdfast", Did: "requirement.stand", On: st.Requirement, Asset: st.Asset,
			Outcome: states(st), Detail: detail,
		})
		if err != nil {
			return err
		}
	}
	for key := range old {
		if err := tx.Standings().Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func states(s holdfast.Standing) string {
	return strings.Join([]string{
		"implemented " + string(s.Implemented.State), "verified " + string(s.Verified.State),
		"monitored " + string(s.Monitored.State), "drilled " + string(s.Drilled.State),
	}, ", ")
}

func (s *Spine) reloaded(ctx context.Context, what string, faults holdfast.Faults) {
	outcome := "all loaded"
	if len(faults) > 0 {
		outcome = fmt.Sprintf("%d faults, the first: %s", len(faults), faults[0].Error())
		s.Log.Warn("some "+what+" were not loaded; the rest is in force", "faults", faults.Error())
	}
	err := s.State.Record(ctx, holdfast.Evidence{
		Key: holdfast.NewID("evd"), At: s.Clock.Now().UTC(), Who: "holdfast", Did: what + ".load", On: what, Outcome: outcome,
	})
	if err != nil {
		s.Log.Error("evidence was not recorded", "error", err)
	}
	s.changed.give()
}

// nameAssets learns which asset a host's name means, for records that come
// over the network.
func (s *Spine) nameAssets(ctx context.Context) error {
	assets, err := s.State.Assets().All(ctx, nil)
	if err != nil {
		return err
	}
	names := make(map[string]string, len(assets))
	for _, a := range assets {
		names[a.Name] = a.ID
		names[a.Host] = a.ID
	}
	s.mu.Lock()
	s.byName = names
	s.mu.Unlock()
	return nil
}

// AssetOf returns the asset of a host name, or "".
func (s *Spine) AssetOf(name string) string {
	if name == "" {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[name]
}
