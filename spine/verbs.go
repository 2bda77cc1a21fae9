package spine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/control"
	"holdfast/respond"
	"holdfast/store/state"
)

// Catalogue lists the parts of one kind.
func (s *Spine) Catalogue(kind string) ([]Part, error) {
	p, ok := s.Parts[kind]
	if !ok {
		return nil, fmt.Errorf("there is no catalogue of %s; there are %v: %w", kind, slices.Sorted(maps.Keys(s.Parts)), holdfast.ErrNotFound)
	}
	return p, nil
}

// AssessNow collects facts and judges them now.
func (s *Spine) AssessNow(ctx context.Context, who, asset string) (Assessment, error) {
	start := time.Now()
	if err := s.collect(ctx, who, asset); err != nil {
		return Assessment{}, err
	}
	verdicts, err := s.State.Verdicts().All(ctx, map[string]string{"asset": asset})
	return Assessment{Took: time.Since(start), Verdicts: verdicts}, err
}

// Enrol makes a one-use enrolment token.
func (s *Spine) Enrol(ctx context.Context, who, name string, ttl time.Duration) (string, error) {
	if ttl <= 0 || ttl > 7*24*time.Hour {
		ttl = time.Hour
	}
	t, err := s.CA.NewToken()
	if err != nil {
		return "", err
	}
	now := s.Clock.Now().UTC()
	err = s.State.Tokens().Put(ctx, holdfast.Token{
		Hash: t.Hash(), ID: holdfast.NewID("tok"), Kind: holdfast.TokenEnrol, User: who, Name: name, Once: true, Created: now, Expires: now.Add(ttl),
	})
	return t.String(), err
}

// Tag sets an asset's tags.
func (s *Spine) Tag(ctx context.Context, _, asset string, tags map[string]string) (x holdfast.Asset, err error) {
	if len(tags) > 100 {
		return x, fmt.Errorf("an asset has at most 100 tags: %w", holdfast.ErrInvalid)
	}
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if x, err = tx.Assets().Get(ctx, asset); err != nil {
			return err
		}
		x.Tags = tags
		return tx.Assets().Put(ctx, x)
	})
	s.changed.give()
	return x, err
}

// Plan works out, on the host, what would make a requirement hold there.
func (s *Spine) Plan(ctx context.Context, who, requirement, asset string) ([]holdfast.Action, error) {
	x, err := s.State.Assets().Get(ctx, asset)
	if err != nil {
		return nil, err
	}
	assets, err := s.State.Assets().All(ctx, nil)
	if err != nil {
		return nil, err
	}
	proposals, err := s.Control.Propose(requirement, x, assets)
	if err != nil {
		return nil, err
	}
	incident, err := s.incidentOf(ctx, requirement, asset)
	if err != nil {
		return nil, err
	}
	var out []holdfast.Action
	for _, p := range proposals {
		a, err := s.Respond.Propose(ctx, respond.Proposal{
			Part: p.Part, Asset: asset, Requirement: requirement, Incident: incident, Params: p.Params, Why: p.Why, By: who,
		})
		if err != nil {
			return out, err
		}
		if a, err = s.settle(ctx, a.ID, func(a *holdfast.Action) bool { return a.Status != holdfast.Proposed }); err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// incidentOf finds the open incident that shows the requirement to be broken
// on the asset, so that the change belongs to it.
func (s *Spine) incidentOf(ctx context.Context, requirement, asset string) (string, error) {
	live, err := s.State.Incidents().All(ctx, map[string]string{"live": "true"})
	for _, in := range live {
		for _, b := range in.Requirements {
			if b.Requirement == requirement && b.Asset == asset && in.Drill == "" {
				return in.ID, nil
			}
		}
	}
	return "", err
}

// settle waits until an action is as wanted, 30 s at most.
func (s *Spine) settle(ctx context.Context, id string, done func(*holdfast.Action) bool) (holdfast.Action, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		wait := s.tasks.wait()
		changed := s.changed.wait()
		a, err := s.State.Actions().Get(ctx, id)
		if err != nil || done(&a) {
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("%s is still %s: its agent has not answered; `holdfast assets` shows when it was seen: %w", a.ID, a.Status, holdfast.ErrConflict)
		case <-wait:
		case <-changed:
		}
	}
}

// Prove proves a requirement on an asset: fresh facts, fresh proofs of what was
// applied for it, and what only an outsider can try.
func (s *Spine) Prove(ctx context.Context, who, requirement, asset string) (Proofs, error) {
	out := Proofs{Proofs: []ActionProof{}, Verdicts: []holdfast.Verdict{}}
	all := s.Control.Requirements()
	i := slices.IndexFunc(all, func(x holdfast.Requirement) bool { return x.ID == requirement })
	if i < 0 {
		return out, fmt.Errorf("requirement %q: %w", requirement, holdfast.ErrNotFound)
	}
	if err := s.collect(ctx, who, asset); err != nil {
		return out, err
	}
	passwords := false
	for _, c := range all[i].Clauses {
		passwords = passwords || slices.Contains(c.Checks, "linux.sshd_password_auth")
		for _, check := range c.Checks {
			v, err := s.State.Verdicts().Get(ctx, asset+"/"+check)
			if errors.Is(err, holdfast.ErrNotFound) {
				v = holdfast.Verdict{Asset: asset, Check: check, Status: holdfast.Unknown, Why: "there is no such check"}
			} else if err != nil {
				return out, err
			}
			out.Verdicts = append(out.Verdicts, v)
		}
	}
	actions, err := s.State.Actions().All(ctx, map[string]string{"requirement": requirement, "asset": asset, "ended": "false"})
	if err != nil {
		return out, err
	}
	for _, a := range actions {
		if !a.Live() && a.Status != holdfast.Accepted {
			continue
		}
		before := a.Verified
		if _, err := s.Respond.Verify(ctx, who, a.ID); err != nil {
			return out, err
		}
		a, err = s.settle(ctx, a.ID, func(x *holdfast.Action) bool { return x.Proof != nil && x.Verified.After(before) || x.Error != "" })
		if err != nil {
			return out, err
		}
		if a.Proof != nil {
			out.Proofs = append(out.Proofs, ActionProof{a.ID, a.Part, *a.Proof})
		}
	}
	if passwords {
		out.Proofs = append(out.Proofs, proofOf("password login", s.Clock.Now(), s.passwordTests(ctx, asset)))
	}
	return out, nil
}

func proofOf(part string, at time.Time, tests []holdfast.Test) ActionProof {
	p := ActionProof{Part: part, Proof: holdfast.Proof{Holds: len(tests) > 0, At: at, Tests: tests}}
	for _, t := range tests {
		p.Proof.Holds = p.Proof.Holds && t.OK
	}
	return p
}

// Propose asks for an action; it is planned on the host at once.
func (s *Spine) Propose(ctx context.Context, who string, p Proposal) (holdfast.Action, error) {
	if _, err := s.State.Assets().Get(ctx, p.Asset); err != nil {
		return holdfast.Action{}, err
	}
	params := p.Params
	if p.Entity != nil {
		part, ok := s.Respond.Parts[p.Part]
		if !ok || part.Params == nil {
			return holdfast.Action{}, fmt.Errorf("%q acts on no entity: %w", p.Part, holdfast.ErrInvalid)
		}
		lease := p.Lease.Std()
		if lease == 0 {
			lease = part.DefaultLease
		}
		made, err := part.Params(*p.Entity, lease)
		if err != nil {
			return holdfast.Action{}, err
		}
		params = made
	}
	a, err := s.Respond.Propose(ctx, respond.Proposal{
		Part: p.Part, Asset: p.Asset, Incident: p.Incident, Requirement: p.Requirement, Params: params, Lease: p.Lease.Std(), Why: p.Why, By: who,
	})
	if err != nil {
		return a, err
	}
	planned, err := s.settle(ctx, a.ID, func(a *holdfast.Action) bool { return a.Status != holdfast.Proposed })
	if errors.Is(err, holdfast.ErrConflict) {
		return planned, nil // the agent is away; the proposal stands
	}
	return planned, err
}

// Decide is what a person says about an action.
func (s *Spine) Decide(ctx context.Context, who, id, verb, because string) (holdfast.Action, error) {
	switch verb {
	case "approve":
		return s.Respond.Approve(ctx, who, id)
	case "reject":
		return s.Respond.Reject(ctx, who, id, because)
	case "undo":
		return s.Respond.Undo(ctx, who, id)
	case "accept":
		return s.Respond.Accept(ctx, who, id, because)
	case "verify":
		return s.Respond.Verify(ctx, who, id)
	}
	return holdfast.Action{}, fmt.Errorf("%q is no decision: %w", verb, holdfast.ErrInvalid)
}

// CloseAlert closes an alert, with the reason on record.
func (s *Spine) CloseAlert(ctx context.Context, who, id, because string) (a holdfast.Alert, err error) {
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if a, err = tx.Alerts().Get(ctx, id); err != nil {
			return err
		}
		a.Status, a.Updated = holdfast.AlertClosed, s.Clock.Now().UTC()
		if err := tx.Alerts().Put(ctx, a); err != nil {
			return err
		}
		return tx.Record(ctx, holdfast.Evidence{
			Key: holdfast.NewID("evd"), At: a.Updated, Who: "user:" + who, Did: "alert.close", On: id, Asset: a.Asset, Outcome: because,
		})
	})
	return a, err
}

// Requirements lists what must hold.
func (s *Spine) Requirements() ([]holdfast.Requirement, holdfast.Faults) {
	return s.Control.Requirements(), s.Control.Faults()
}

// Rules lists the detection rules.
func (s *Spine) Rules() ([]holdfast.RuleInfo, holdfast.Faults) {
	return s.Detect.Rules(), s.Detect.Faults()
}

// Checks lists the checks.
func (s *Spine) Checks() ([]CheckInfo, holdfast.Faults) { return s.Assess.Checks(), s.Assess.Faults() }

// evidenceFor gathers what standings rest on.
func (s *Spine) evidenceFor(verdicts []holdfast.Verdict, actions []holdfast.Action, ran []holdfast.Drill) control.Evidence {
	e := control.Evidence{Verdicts: verdicts, Actions: actions, Drills: ran, Rules: map[string]bool{}, Sources: map[string]time.Time{}}
	for _, r := range s.Detect.Rules() {
		e.Rules[r.ID] = true
		if r.Name != "" {
			e.Rules[r.Name] = true
		}
	}
	s.mu.Lock()
	maps.Copy(e.Sources, s.lastSeen)
	s.mu.Unlock()
	return e
}

// seenElsewhere adds when assets were last heard of by the nodes that take
// records in, as far as the ledger tells.
func (s *Spine) seenElsewhere(ctx context.Context, sources map[string]time.Time) error {
	if s.Node == "" {
		return nil
	}
	rows, err := s.State.Ledger(ctx)
	for _, r := range rows {
		if asset, _, ok := strings.Cut(r.Source, "/"); ok && r.Last.After(sources[asset]) {
			sources[asset] = r.Last
		}
	}
	return err
}
