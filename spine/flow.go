package spine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"holdfast"
	"holdfast/store/events"
	"holdfast/store/state"
)

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

// ReadUpto is the newest block that one of the bus's readers has done with.
func ReadUpto(ctx context.Context, db *state.DB) (uint64, error) {
	var most uint64
	for _, name := range []string{holdfast.WriterPosition, detectPosition} {
		seq, _, err := db.Position(ctx, name)
		if err != nil {
			return 0, err
		}
		most = max(most, seq)
	}
	return most, nil
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

// outboxAtOnce is how many pieces of evidence are carried together.
const outboxAtOnce = 2000

// EvidenceCheckpoint is the setting that has the newest checkpoint of the evidence log,
// so that a log which is lost, cut or rewritten while nobody runs is noticed.
const EvidenceCheckpoint = "evidence.checkpoint"

// CarryEvidence carries evidence from the outbox to the log, as happens by itself
// soon after it was recorded. The log knows its keys, so what is carried twice
// is there once.
func (s *Spine) CarryEvidence(ctx context.Context) error {
	if s.Evidence == nil {
		return nil // the node that has the log carries it
	}
	for {
		list, last, err := s.State.Outbox(ctx, outboxAtOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.Evidence.Append(ctx, list...); err != nil {
			return err
		}
		checkpoint, _, err := s.Evidence.Checkpoint()
		if err != nil {
			return err
		}
		err = s.State.Tx(ctx, func(tx *state.Tx) error {
			return errors.Join(tx.DropOutbox(ctx, last), tx.SetSetting(ctx, EvidenceCheckpoint, checkpoint))
		})
		if err != nil {
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
