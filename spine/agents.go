package spine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/store/state"
)

// Agents is what the agents' port asks of the loop (port.Backend).
type Agents struct{ *Spine }

// LocalToken is the name of the enrolment token of the host that Holdfast runs
// on.
const LocalToken = "local"

// Enrol uses up a token and makes its host an asset. The same token and key
// again give the same asset.
func (a Agents) Enrol(ctx context.Context, secret string, h wire.Host) (string, error) {
	hash := wire.HashSecret(secret)
	id := holdfast.StableID("ast", h.Key)
	err := a.State.Tx(ctx, func(tx *state.Tx) error {
		used, err := tx.Setting(ctx, "enrolled:"+hash)
		if err == nil && used == h.Key {
			return nil
		}
		t, err := tx.TakeToken(ctx, hash)
		now := a.Clock.Now().UTC()
		if err != nil || t.Kind != holdfast.TokenEnrol || !now.Before(t.Expires) {
			return fmt.Errorf("the enrolment token is wrong, used up or expired: %w", holdfast.ErrForbidden)
		}
		asset := holdfast.Asset{
			ID: id, Kind: "host", Name: h.Name, OS: h.OS, Addresses: h.Addresses, Agent: h.Version, Enrolled: now, Seen: now,
			Local: t.Name == LocalToken, Tags: map[string]string{},
		}
		if t.Name != "" && t.Name != LocalToken {
			asset.Name = t.Name
		}
		if err := errors.Join(tx.Assets().Put(ctx, asset), tx.SetSetting(ctx, "enrolled:"+hash, h.Key)); err != nil {
			return err
		}
		return tx.Record(ctx, holdfast.Evidence{
			Key: holdfast.StableID("evd", "enrol", id), At: now, Who: "agent:" + id, Did: "asset.enrol", On: id, Asset: id,
			Outcome: "enrolled as " + asset.Name + " with a token of " + t.User,
		})
	})
	if err != nil {
		return "", err
	}
	a.changed.give()
	return id, nil
}

// Allowed refuses unknown assets and revoked certificates.
func (a Agents) Allowed(ctx context.Context, asset, serial string) error {
	if _, err := a.State.Assets().Get(ctx, asset); err != nil {
		return fmt.Errorf("asset %s is not known: %w", asset, holdfast.ErrForbidden)
	}
	if cert, err := a.State.Agents().Get(ctx, serial); err == nil && cert.Revoked {
		return fmt.Errorf("certificate %s is revoked: %w", serial, holdfast.ErrForbidden)
	}
	return nil
}

// Events takes a batch; it is on disk when this returns.
func (a Agents) Events(ctx context.Context, _, batch string, records []holdfast.Record) (wire.Accepted, error) {
	got, err := a.Ingest.PutBatch(ctx, batch, records)
	return wire.Accepted{Stored: got.Events - got.DeadLettered, Dead: got.DeadLettered, Doubled: got.Doubled}, err
}

// Facts keeps facts and judges them.
func (a Agents) Facts(ctx context.Context, asset string, f holdfast.Facts) error {
	f.Asset = asset
	return a.judge(ctx, f)
}

// judge keeps facts with what the checks say about them, in one transaction.
func (s *Spine) judge(ctx context.Context, f holdfast.Facts) error {
	return s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.PutFacts(ctx, f); err != nil {
			return err
		}
		all, err := tx.Facts(ctx, f.Asset)
		if err != nil {
			return err
		}
		return s.judged(ctx, tx, all)
	})
}

func (s *Spine) judged(ctx context.Context, tx *state.Tx, f holdfast.Facts) error {
	before, err := tx.Verdicts().All(ctx, map[string]string{"asset": f.Asset})
	if err != nil {
		return err
	}
	findings, err := tx.Findings().All(ctx, map[string]string{"asset": f.Asset})
	if err != nil {
		return err
	}
	verdicts, changes := s.Assess.Judge(f, before, findings)
	old := map[string]holdfast.Verdict{}
	for _, v := range before {
		old[v.Check] = v
	}
	for _, v := range verdicts {
		was, known := old[v.Check]
		delete(old, v.Check)
		if err := tx.Verdicts().Put(ctx, v); err != nil {
			return err
		}
		if known && was.Status == v.Status && was.Code == v.Code {
			continue
		}
		if err := s.recordVerdict(ctx, tx, v); err != nil {
			return err
		}
	}
	for check := range old { // a check that is gone says nothing any more
		if err := tx.Verdicts().Delete(ctx, f.Asset+"/"+check); err != nil {
			return err
		}
	}
	for _, x := range changes {
		if err := tx.Findings().Put(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spine) recordVerdict(ctx context.Context, tx *state.Tx, v holdfast.Verdict) error {
	detail, err := json.Marshal(map[string]any{"why": v.Why, "decided": v.Decided, "table": v.Table, "facts_at": v.FactsAt})
	if err != nil {
		return err
	}
	return tx.Record(ctx, holdfast.Evidence{
		Key: holdfast.NewID("evd"), At: v.At, Who: "holdfast", Did: "check.verdict", On: v.Check, Asset: v.Asset, Code: v.Code,
		Population: v.Population, Outcome: string(v.Status), Detail: detail,
	})
}

// Heartbeat keeps that the agent lives and how well it is.
func (a Agents) Heartbeat(ctx context.Context, asset string, h wire.Heartbeat) error {
	a.mu.Lock()
	a.notes[asset] = h.Notes
	a.mu.Unlock()
	return a.State.Tx(ctx, func(tx *state.Tx) error {
		x, err := tx.Assets().Get(ctx, asset)
		if err != nil {
			return err
		}
		moved := !slices.Equal(x.Addresses, h.Host.Addresses)
		x.Seen, x.Agent, x.Lacks, x.Addresses, x.OS = a.Clock.Now().UTC(), h.Host.Version, h.Lacks, h.Host.Addresses, h.Host.OS
		if moved {
			defer a.changed.give()
		}
		return tx.Assets().Put(ctx, x)
	})
}

// Tasks waits for open tasks.
func (a Agents) Tasks(ctx context.Context, asset string) ([]holdfast.Task, error) {
	for {
		wait := a.tasks.wait()
		list, err := a.State.Tasks().All(ctx, map[string]string{"asset": asset, "status": state.TaskQueued})
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil
			}
			return nil, err
		}
		var out []holdfast.Task
		for _, t := range list {
			if a.Clock.Now().Before(t.Expires) {
				out = append(out, t.Task)
			}
		}
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-wait:
		}
	}
}

// Result takes what came of a task.
func (a Agents) Result(ctx context.Context, asset string, r holdfast.Result) error {
	r.Asset = asset
	if r.Facts != nil {
		f := *r.Facts
		f.Asset = asset
		if err := a.judge(ctx, f); err != nil {
			return err
		}
		r.Facts = nil // kept above
	}
	if err := a.Respond.OnResult(ctx, r); err != nil {
		if errors.Is(err, holdfast.ErrForbidden) || errors.Is(err, holdfast.ErrInvalid) {
			a.Log.Warn("a result was refused", "asset", asset, "task", r.Task, "error", err)
		}
		return err
	}
	return a.State.Tx(ctx, func(tx *state.Tx) error {
		t, err := tx.Tasks().Get(ctx, r.Task)
		if errors.Is(err, holdfast.ErrNotFound) || err == nil && (t.Asset != asset || t.Status == state.TaskDone) {
			return nil
		}
		if err != nil {
			return err
		}
		t.Status, t.Result = state.TaskDone, &r
		if err := tx.Tasks().Put(ctx, t); err != nil {
			return err
		}
		outcome := "done"
		if r.Error != "" {
			outcome = "failed: " + r.Error
		}
		return tx.Record(ctx, holdfast.Evidence{
			Key: holdfast.StableID("evd", "task", r.Task), At: r.Ended, Who: "agent:" + asset, Did: "task." + r.Verb, On: r.Subject, Asset: asset,
			Outcome: outcome, Code: r.Part,
		})
	})
}

// collect asks an agent for fresh facts and waits until they are judged.
func (s *Spine) collect(ctx context.Context, who, asset string) error {
	if _, err := s.State.Assets().Get(ctx, asset); err != nil {
		return err
	}
	id := holdfast.NewID("tsk")
	now := s.Clock.Now()
	err := s.State.Tx(ctx, func(tx *state.Tx) error {
		return s.putTask(ctx, tx, holdfast.Task{
			ID: id, Asset: asset, Part: "facts", Verb: holdfast.VerbCollect, Subject: "facts:" + asset, Made: now, Expires: now.Add(time.Minute), By: who,
		})
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		wait := s.tasks.wait()
		t, err := s.State.Tasks().Get(ctx, id)
		if err == nil && t.Status == state.TaskDone {
			if t.Result != nil && t.Result.Error != "" {
				return fmt.Errorf("%s could not collect: %s: %w", asset, t.Result.Error, holdfast.ErrConflict)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has not answered within 30 s; is its agent running? `holdfast assets` shows when it was seen: %w", asset, holdfast.ErrConflict)
		case <-wait:
		}
	}
}
