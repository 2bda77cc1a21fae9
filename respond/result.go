package respond

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast"
)

// OnResult takes what an agent reports and moves the action on. A result that
// came before, or too late to matter, changes nothing. Results of subjects that
// are no actions (fact collection) are left to others.
func (r *Runner) OnResult(ctx context.Context, res holdfast.Result) error {
	if res.Part == "facts" {
		return nil
	}
	outside, err := r.outside(ctx, res)
	if err != nil {
		return err
	}
	a, err := r.change(ctx, res.Subject, func(s step) error {
		if s.a.Asset != res.Asset || s.a.Part != res.Part {
			return fmt.Errorf("a result of %s by %s is not about %s: %w", res.Part, res.Asset, s.a.ID, holdfast.ErrForbidden)
		}
		if res.Cause == "" {
			if known, err := s.asked(res); err != nil || !known {
				return err
			}
		}
		switch res.Verb {
		case holdfast.VerbPlan:
			return s.planned(res)
		case holdfast.VerbApply:
			return s.applied(res)
		case holdfast.VerbConfirm:
			return s.confirmed(res)
		case holdfast.VerbVerify:
			return s.verified(res, outside)
		case holdfast.VerbUndo:
			return s.undone(res)
		}
		return fmt.Errorf("result with verb %q: %w", res.Verb, holdfast.ErrInvalid)
	})
	if errors.Is(err, holdfast.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.confirm(ctx, a)
}

// asked reports whether the result's task was this action's.
func (s step) asked(res holdfast.Result) (bool, error) {
	tasks, err := s.tx.TasksOf(s.a.ID)
	if err != nil {
		return false, err
	}
	for _, t := range tasks {
		if t.ID == res.Task && t.Verb == res.Verb {
			return true, nil
		}
	}
	return false, fmt.Errorf("nobody asked for task %s: %w", res.Task, holdfast.ErrForbidden)
}

// outside makes the server's own attempts for a verify that holds on the host.
// They take time and must not happen inside a transaction.
func (r *Runner) outside(ctx context.Context, res holdfast.Result) ([]holdfast.Test, error) {
	if r.Prober == nil || res.Verb != holdfast.VerbVerify || res.Proof == nil || !res.Proof.Holds {
		return nil, nil
	}
	var a holdfast.Action
	err := r.Book.Update(ctx, func(tx Tx) (err error) {
		a, err = tx.Action(res.Subject)
		return err
	})
	if errors.Is(err, holdfast.ErrNotFound) {
		return nil, nil
	}
	if err != nil || a.Asset != res.Asset {
		return nil, err
	}
	return r.Prober.Prove(ctx, a), nil
}

// confirm makes the new connection that an applied artefact waits for. The
// host undoes it by itself when this does not succeed in time.
func (r *Runner) confirm(ctx context.Context, a holdfast.Action) error {
	if !waitsForConfirmation(&a) || r.Prober == nil {
		return nil
	}
	if r.Clock.Now().After(a.Applied.Add(a.Plan.Confirm.Std())) {
		return nil
	}
	test := r.Prober.Confirm(ctx, a)
	_, err := r.change(ctx, a.ID, func(s step) error {
		if !waitsForConfirmation(s.a) {
			return nil
		}
		if !test.OK {
			s.a.Error = fmt.Sprintf("not confirmed: %s: wanted %s, got %s", test.Say, test.Want, test.Got)
			return s.tx.PutAction(*s.a)
		}
		t, _, err := s.last(holdfast.VerbConfirm)
		if err != nil || t.ID != "" && s.r.Clock.Now().Before(t.Expires) {
			return err
		}
		s.a.Error = ""
		if err := s.ask(holdfast.VerbConfirm, holdfastWho); err != nil {
			return err
		}
		return s.done(holdfastWho, "action.confirm", "reached over a new connection", s.a.Applied.String(), fmt.Sprintf("%s: %s: %s", s.a.Part, test.Say, test.Got))
	})
	return err
}

func waitsForConfirmation(a *holdfast.Action) bool {
	return a.Status == holdfast.Applied && a.Plan != nil && a.Plan.Confirm > 0 && a.Confirmed.IsZero()
}

// when is the time a host gives, or now if its clock is far off.
func (s step) when(t time.Time) time.Time {
	now := s.r.Clock.Now()
	if t.After(now) || now.Sub(t) > 2*taskTime {
		return now
	}
	return t
}

func (s step) planned(res holdfast.Result) error {
	a := s.a
	if a.Status != holdfast.Proposed {
		return nil
	}
	p := res.Plan
	switch {
	case res.Error != "":
		a.Status, a.Error = holdfast.Failed, res.Error
		if res.Refused {
			a.Status = holdfast.Rejected
		}
		return s.done(holdfastWho, "action.plan", string(a.Status), res.Task, fmt.Sprintf("%s cannot be planned: %s", a.Part, res.Error))
	case p == nil || p.Part != a.Part || !sameJSON(p.Params, a.Params):
		a.Status, a.Error = holdfast.Failed, "the agent planned something else than it was asked"
		return s.done(holdfastWho, "action.plan", "failed", res.Task, a.Error)
	}
	p.Asset = a.Asset
	if p.ID == "" {
		p.ID = holdfast.StableID("pln", a.ID, res.Task)
	}
	a.Plan, a.Status = p, holdfast.Planned
	if len(p.Refused) > 0 {
		a.Status, a.Error = holdfast.Rejected, strings.Join(p.Refused, "; ")
		return s.done(holdfastWho, "action.plan", "refused", res.Task, fmt.Sprintf("%s is refused: %s", a.Part, a.Error))
	}
	if p.Nothing {
		a.Status, a.Error = holdfast.Rejected, "nothing to do: "+p.Summary
		return s.done(holdfastWho, "action.plan", "nothing to do", res.Task, a.Error)
	}
	if err := s.done(holdfastWho, "action.plan", "planned", res.Task, fmt.Sprintf("planned: %s", p.Summary)); err != nil {
		return err
	}
	if !s.r.AutoApprove[a.Part] {
		return nil
	}
	over, err := s.overReach()
	if err != nil || over != "" {
		return err // a person decides
	}
	return s.apply(autoWho)
}

// sameJSON compares JSON by meaning; nothing at all is null.
func sameJSON(a, b holdfast.Raw) bool {
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		return len(a) == 0 && len(b) == 0
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

func (s step) applied(res holdfast.Result) error {
	a := s.a
	if a.Status != holdfast.Applying {
		return nil
	}
	if res.Error != "" {
		a.Error = "apply failed: " + res.Error
		if res.Refused {
			a.Status = holdfast.Rejected
			return s.done(holdfastWho, "action.apply", "refused", res.Task, fmt.Sprintf("the host refused %s: %s", a.Part, res.Error))
		}
		// Half of it may be done, so all of it is taken back.
		return s.undo(holdfastWho, "failed apply", fmt.Sprintf("%s failed and is taken back: %s", a.Part, res.Error))
	}
	a.Status, a.Applied, a.Error = holdfast.Applied, s.when(res.Ended), ""
	a.Expires = expiry(a, a.Applied)
	if !waitsForConfirmation(a) {
		if err := s.ask(holdfast.VerbVerify, holdfastWho); err != nil {
			return err
		}
	}
	return s.done(holdfastWho, "action.apply", "applied", res.Task, fmt.Sprintf("%s applied", a.Part))
}

func (s step) confirmed(res holdfast.Result) error {
	a := s.a
	if !waitsForConfirmation(a) {
		return nil
	}
	if res.Error != "" {
		a.Error = "confirm failed: " + res.Error
		return s.tx.PutAction(*a)
	}
	a.Confirmed, a.Error = s.when(res.Ended), ""
	if err := s.ask(holdfast.VerbVerify, holdfastWho); err != nil {
		return err
	}
	return s.done(holdfastWho, "action.confirm", "confirmed", res.Task, fmt.Sprintf("%s confirmed over a new connection; the host keeps it", a.Part))
}

func (s step) verified(res holdfast.Result, outside []holdfast.Test) error {
	a := s.a
	switch a.Status {
	case holdfast.Applied, holdfast.Verified, holdfast.Accepted:
	default:
		return nil
	}
	if a.Proof != nil && !res.Ended.After(a.Proof.At) || waitsForConfirmation(a) {
		return nil // told before
	}
	proof := &holdfast.Proof{At: res.Ended}
	switch {
	case res.Error != "":
		proof.Tests = []holdfast.Test{{Say: "verify on the host", Want: "a proof", Got: res.Error}}
	case res.Proof == nil:
		proof.Tests = []holdfast.Test{{Say: "verify on the host", Want: "a proof", Got: "none"}}
	default:
		proof.Holds = res.Proof.Holds
		proof.Tests = append(append(proof.Tests, res.Proof.Tests...), outside...)
	}
	for _, t := range outside {
		proof.Holds = proof.Holds && t.OK
	}
	a.Proof = proof
	if !proof.Holds {
		if a.Status == holdfast.Verified {
			a.Status = holdfast.Applied
		}
		a.Error = "not proven: " + firstFailure(proof)
		return s.done(holdfastWho, "action.verify", "does not hold", res.Task, fmt.Sprintf("%s is %s", a.Part, a.Error))
	}
	if a.Status == holdfast.Applied {
		a.Status = holdfast.Verified
	}
	a.Verified, a.Error = s.when(res.Ended), ""
	return s.done(holdfastWho, "action.verify", "holds", res.Task, fmt.Sprintf("%s verified by %d attempts", a.Part, len(proof.Tests)))
}

func firstFailure(p *holdfast.Proof) string {
	for _, t := range p.Tests {
		if !t.OK {
			return fmt.Sprintf("%s: wanted %s, got %s", t.Say, t.Want, t.Got)
		}
	}
	return "no attempt was made"
}

func (s step) undone(res holdfast.Result) error {
	a := s.a
	switch a.Status {
	case holdfast.Undoing:
	case holdfast.Applying, holdfast.Applied, holdfast.Verified, holdfast.Accepted:
		if res.Cause == "" {
			return nil
		}
	case holdfast.Undone:
		// A fresh proof of what is undone.
		if res.Proof == nil || a.UndoProof != nil && !res.Ended.After(a.UndoProof.At) {
			return nil
		}
		a.UndoProof = &holdfast.Proof{Holds: res.Proof.Holds, At: res.Ended, Tests: res.Proof.Tests}
		outcome, say := "holds", fmt.Sprintf("%s is proven undone", a.Part)
		if !res.Proof.Holds {
			outcome, say = "does not hold", fmt.Sprintf("%s is not proven undone: %s", a.Part, firstFailure(a.UndoProof))
		}
		return s.done(holdfastWho, "action.undo-verify", outcome, res.Task, say)
	default:
		return nil
	}
	if res.Cause != "" {
		a.UndoneBy = res.Cause
	}
	if res.Error != "" {
		a.Status, a.Error = holdfast.Undoing, "undo failed: "+res.Error
		return s.done(holdfastWho, "action.undo", "failed", res.Task+res.Cause, fmt.Sprintf("%s could not be undone: %s", a.Part, res.Error))
	}
	if res.Proof != nil {
		a.UndoProof = &holdfast.Proof{Holds: res.Proof.Holds, At: res.Ended, Tests: res.Proof.Tests}
		if !res.Proof.Holds {
			a.Status, a.Error = holdfast.Undoing, "undo is not proven: "+firstFailure(a.UndoProof)
			return s.done(holdfastWho, "action.undo", "does not hold", res.Task+res.Cause, fmt.Sprintf("%s: %s", a.Part, a.Error))
		}
	}
	a.Status, a.Undone = holdfast.Undone, s.when(res.Ended)
	if a.UndoneBy != "failed apply" {
		a.Error = ""
	}
	if res.Proof == nil && res.Cause != "" {
		// The host's timer reports no proof; ask for one.
		if err := s.ask(holdfast.VerbUndo, holdfastWho); err != nil {
			return err
		}
	}
	return s.done(holdfastWho, "action.undo", "undone", a.UndoneBy, fmt.Sprintf("%s undone by %s", a.Part, a.UndoneBy))
}
