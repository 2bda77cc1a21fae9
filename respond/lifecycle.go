package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"holdfast"
)

// Propose makes an action and asks the host for its plan.
func (r *Runner) Propose(ctx context.Context, p Proposal) (a holdfast.Action, err error) {
	err = r.Book.Update(ctx, func(tx Tx) error {
		a, err = r.ProposeIn(tx, p)
		return err
	})
	return a, err
}

// ProposeIn is Propose inside a transaction of the caller's.
func (r *Runner) ProposeIn(tx Tx, p Proposal) (holdfast.Action, error) {
	part, ok := r.Parts[p.Part]
	if !ok {
		return holdfast.Action{}, fmt.Errorf("no part is called %q: %w", p.Part, holdfast.ErrInvalid)
	}
	if p.Asset == "" || p.By == "" || !json.Valid(p.Params) {
		return holdfast.Action{}, fmt.Errorf("a proposal names an asset, a person and its parameters as JSON: %w", holdfast.ErrInvalid)
	}
	lease := p.Lease
	if lease == 0 {
		lease = part.DefaultLease
	}
	if lease < 0 || lease > part.MaxLease {
		return holdfast.Action{}, fmt.Errorf("%s lasts %s at most, not %s: %w", p.Part, part.MaxLease, lease, holdfast.ErrInvalid)
	}
	id := holdfast.NewID("act")
	if p.Key != "" {
		id = holdfast.StableID("act", p.Key)
		if have, err := tx.Action(id); !errors.Is(err, holdfast.ErrNotFound) {
			return have, err
		}
	}
	now := r.Clock.Now()
	a := holdfast.Action{
		ID: id, Part: p.Part, Asset: p.Asset, Incident: p.Incident, Requirement: p.Requirement,
		Params: p.Params, Why: p.Why, Status: holdfast.Proposed, Lease: holdfast.Duration(lease),
		ProposedBy: p.By, Proposed: now,
	}
	s := step{r, tx, &a}
	if err := s.ask(holdfast.VerbPlan, p.By); err != nil {
		return a, err
	}
	return a, s.done(p.By, "action.propose", "proposed", a.ID, fmt.Sprintf("%s proposed: %s", p.Part, p.Why))
}

// Approve lets a planned action be applied. Where an incident would reach more
// hosts than the part may by one approval, a second person has to approve too.
func (r *Runner) Approve(ctx context.Context, who, id string) (holdfast.Action, error) {
	return r.change(ctx, id, func(s step) error {
		a := s.a
		switch a.Status {
		case holdfast.Planned:
		case holdfast.Approved:
			if a.ApprovedBy == who {
				return fmt.Errorf("%s has approved %s already; a second person has to: %w", who, a.ID, holdfast.ErrForbidden)
			}
			return s.apply(who)
		default:
			return s.wrong("approve", "planned")
		}
		over, err := s.overReach()
		if err != nil {
			return err
		}
		a.ApprovedBy, a.Approved = who, r.Clock.Now()
		if over == "" {
			return s.apply(who)
		}
		a.Status = holdfast.Approved
		return s.done(who, "action.approve", "needs a second person", who, fmt.Sprintf("%s approved %s; %s, so a second person has to approve", who, a.Part, over))
	})
}

// Reject ends an action that is not applied yet, or puts a failed one aside.
func (r *Runner) Reject(ctx context.Context, who, id, because string) (holdfast.Action, error) {
	return r.change(ctx, id, func(s step) error {
		switch s.a.Status {
		case holdfast.Proposed, holdfast.Planned, holdfast.Approved, holdfast.Failed:
		default:
			return s.wrong("reject", "proposed, planned, approved or failed")
		}
		s.a.Status, s.a.Error = holdfast.Rejected, because
		return s.done(who, "action.reject", "rejected", "", fmt.Sprintf("%s rejected %s: %s", who, s.a.Part, because))
	})
}

// Undo takes an action's effect back.
func (r *Runner) Undo(ctx context.Context, who, id string) (holdfast.Action, error) {
	return r.change(ctx, id, func(s step) error {
		switch s.a.Status {
		case holdfast.Applying, holdfast.Applied, holdfast.Verified, holdfast.Accepted:
		case holdfast.Undoing:
			return nil
		default:
			return s.wrong("undo", "applied")
		}
		return s.undo(who, who, fmt.Sprintf("%s undoes %s", who, s.a.Part))
	})
}

// Accept makes a verified action permanent, as far as it has no lease; a lease
// still ends when it ends.
func (r *Runner) Accept(ctx context.Context, who, id, because string) (holdfast.Action, error) {
	return r.change(ctx, id, func(s step) error {
		if s.a.Status != holdfast.Verified {
			return s.wrong("accept", "verified")
		}
		s.a.Status = holdfast.Accepted
		return s.done(who, "action.accept", "accepted", "", fmt.Sprintf("%s accepted %s: %s", who, s.a.Part, because))
	})
}

// Verify asks for a fresh proof: that the action has effect, or, for one that
// is undone, that it has none any more.
func (r *Runner) Verify(ctx context.Context, who, id string) (holdfast.Action, error) {
	return r.change(ctx, id, func(s step) error {
		verb := holdfast.VerbVerify
		switch s.a.Status {
		case holdfast.Applied, holdfast.Verified, holdfast.Accepted:
		case holdfast.Undone:
			verb = holdfast.VerbUndo // undoing twice is harmless, and proves itself
		default:
			return s.wrong("verify", "applied or undone")
		}
		return s.ask(verb, who)
	})
}

// change runs do on one action in one transaction.
func (r *Runner) change(ctx context.Context, id string, do func(step) error) (a holdfast.Action, err error) {
	err = r.Book.Update(ctx, func(tx Tx) error {
		if a, err = tx.Action(id); err != nil {
			return err
		}
		return do(step{r, tx, &a})
	})
	return a, err
}

// step is one move of one action inside a transaction.
type step struct {
	r  *Runner
	tx Tx
	a  *holdfast.Action
}

func (s step) wrong(verb, want string) error {
	return fmt.Errorf("%s is %s; to %s it must be %s: %w", s.a.ID, s.a.Status, verb, want, holdfast.ErrConflict)
}

// done keeps the action, its evidence and its moment in the incident. The
// occasion tells moves of the same name apart.
func (s step) done(who, did, outcome, occasion, say string) error {
	now := s.r.Clock.Now()
	s.a.Updated = now
	if err := s.tx.PutAction(*s.a); err != nil {
		return err
	}
	detail, err := json.Marshal(s.a)
	if err != nil {
		return err
	}
	err = s.tx.Record(holdfast.Evidence{
		Key: holdfast.StableID("evd", s.a.ID, did, outcome, occasion), At: now, Who: asWho(who), Did: did, On: s.a.ID,
		Asset: s.a.Asset, Code: s.planHash(), Outcome: outcome, Detail: detail,
	})
	if err != nil || s.a.Incident == "" {
		return err
	}
	in, err := s.tx.Incident(s.a.Incident)
	if errors.Is(err, holdfast.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	in.Timeline = append(in.Timeline, holdfast.Moment{At: now, Kind: "action", Ref: s.a.ID, Say: say})
	in.Updated = now
	return s.tx.PutIncident(in)
}

func (s step) planHash() string {
	if s.a.Plan == nil {
		return ""
	}
	b, err := json.Marshal(s.a.Plan)
	if err != nil {
		return ""
	}
	return holdfast.StableID("sha", string(b))
}

func asWho(who string) string {
	switch who {
	case holdfastWho, autoWho, "":
		return holdfastWho
	}
	return "user:" + who
}

// ask queues a task. Its id comes from the action, the verb and how many there
// were before, so a transaction that runs again asks for the same.
func (s step) ask(verb, by string) error {
	tasks, err := s.tx.TasksOf(s.a.ID)
	if err != nil {
		return err
	}
	attempt := 1
	for _, t := range tasks {
		if t.Verb == verb {
			attempt++
		}
	}
	now := s.r.Clock.Now()
	t := holdfast.Task{
		ID: holdfast.StableID("tsk", s.a.ID, verb, strconv.Itoa(attempt)), Asset: s.a.Asset, Part: s.a.Part, Verb: verb,
		Subject: s.a.ID, Made: now, Expires: now.Add(taskTime), By: by,
	}
	if verb == holdfast.VerbPlan {
		t.Params = s.a.Params
	} else {
		t.Plan = s.a.Plan
	}
	return s.tx.PutTask(t)
}

// last returns the newest task of a verb, and how many there were.
func (s step) last(verb string) (t holdfast.Task, n int, err error) {
	tasks, err := s.tx.TasksOf(s.a.ID)
	for _, one := range tasks {
		if one.Verb == verb {
			t, n = one, n+1
		}
	}
	return t, n, err
}

// apply sends the plan out, on the word of who.
func (s step) apply(who string) error {
	s.a.Status = holdfast.Applying
	if s.a.ApprovedBy == "" {
		s.a.ApprovedBy, s.a.Approved = who, s.r.Clock.Now()
	}
	if err := s.ask(holdfast.VerbApply, who); err != nil {
		return err
	}
	return s.done(who, "action.approve", "applying", who, fmt.Sprintf("%s approved by %s", s.a.Part, who))
}

// undo asks the host to take the effect back. Cause is who or what undoes it.
func (s step) undo(by, cause, say string) error {
	s.a.Status, s.a.UndoneBy = holdfast.Undoing, cause
	if err := s.ask(holdfast.VerbUndo, by); err != nil {
		return err
	}
	return s.done(by, "action.undo", "undoing", cause, say)
}

// overReach says why one approval is not enough, or "".
func (s step) overReach() (string, error) {
	limit := s.r.Parts[s.a.Part].MaxReach
	if limit == 0 || s.a.Incident == "" {
		return "", nil
	}
	actions, err := s.tx.ActionsOf(s.a.Incident)
	if err != nil {
		return "", err
	}
	hosts := map[string]bool{s.a.Asset: true}
	for _, other := range actions {
		if other.Part == s.a.Part && (other.Live() || other.Status == holdfast.Accepted) {
			hosts[other.Asset] = true
		}
	}
	if len(hosts) <= limit {
		return "", nil
	}
	return fmt.Sprintf("it would be on %d hosts for %s, and %d is the limit", len(hosts), s.a.Incident, limit), nil
}

// expiry is when the lease of an action applied at t ends.
func expiry(a *holdfast.Action, t time.Time) time.Time {
	if a.Plan == nil || a.Plan.Lease <= 0 {
		return time.Time{}
	}
	return t.Add(a.Plan.Lease.Std())
}
