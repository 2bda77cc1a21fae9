package respond

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast"
)

// Tick moves on what waits for time: leases that ran out, confirmations that
// never came, tasks that no agent did in time. Call it every second or so.
func (r *Runner) Tick(ctx context.Context) error {
	var open []holdfast.Action
	err := r.Book.Update(ctx, func(tx Tx) (err error) {
		open, err = tx.ActionsOf("")
		return err
	})
	if err != nil {
		return err
	}
	var faults []error
	for _, one := range open {
		a, err := r.change(ctx, one.ID, step.tick)
		if err == nil {
			err = r.confirm(ctx, a)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("action %s: %w", one.ID, err))
		}
	}
	return errors.Join(faults...)
}

func (s step) tick() error {
	a, now := s.a, s.r.Clock.Now()
	switch a.Status {
	case holdfast.Proposed:
		return s.again(holdfast.VerbPlan, func() error {
			a.Status, a.Error = holdfast.Failed, "the host's agent did not answer with a plan"
			return s.done(holdfastWho, "action.plan", "failed", "no answer", a.Error)
		})
	case holdfast.Applying:
		return s.again(holdfast.VerbApply, func() error {
			a.Error = "apply failed: the host's agent did not answer"
			return s.undo(holdfastWho, "failed apply", fmt.Sprintf("%s is taken back: the host's agent did not answer", a.Part))
		})
	case holdfast.Undoing:
		return s.again(holdfast.VerbUndo, nil)
	}
	if (a.Status == holdfast.Applied || a.Status == holdfast.Verified || a.Status == holdfast.Accepted) &&
		!a.Expires.IsZero() && now.After(a.Expires.Add(grace)) {
		return s.undo(holdfastWho, "lease", fmt.Sprintf("the lease of %s has run out; asking the host for proof", a.Part))
	}
	if a.Status != holdfast.Applied {
		return nil
	}
	if waitsForConfirmation(a) {
		if now.After(a.Applied.Add(a.Plan.Confirm.Std() + grace)) {
			return s.undo(holdfastWho, "unconfirmed", fmt.Sprintf("%s was not confirmed in time; the host has undone it, asking for proof", a.Part))
		}
		return nil
	}
	if a.Proof == nil {
		return s.again(holdfast.VerbVerify, func() error {
			a.Proof = &holdfast.Proof{At: a.Applied, Tests: []holdfast.Test{{Say: "verify on the host", Want: "a proof", Got: "the agent did not answer"}}}
			a.Error = "not proven: the host's agent did not answer"
			return s.done(holdfastWho, "action.verify", "does not hold", "no answer", fmt.Sprintf("%s is %s", a.Part, a.Error))
		})
	}
	return s.proveAgain()
}

// proveAgain asks anew for a proof that did not hold: a service may still be
// starting again. The pauses grow, and after maxAttempts a person has to look.
func (s step) proveAgain() error {
	t, n, err := s.last(holdfast.VerbVerify)
	if err != nil || s.a.Proof.Holds || n >= maxAttempts {
		return err
	}
	now := s.r.Clock.Now()
	if s.a.Proof.At.Before(t.Made) && now.Before(t.Expires) || now.Before(t.Made.Add(grace*time.Duration(n*n))) {
		return nil // asked already, or too soon
	}
	return s.ask(holdfast.VerbVerify, holdfastWho)
}

// again asks anew when the newest task of the verb has run out of time; after
// maxAttempts it gives up instead, or never if giveUp is nil.
func (s step) again(verb string, giveUp func() error) error {
	t, n, err := s.last(verb)
	if err != nil {
		return err
	}
	patience := grace * time.Duration(min(n*n, 300)) // a host may be away for days
	if n > 0 && s.r.Clock.Now().Before(t.Expires.Add(patience)) {
		return nil
	}
	if n >= maxAttempts && giveUp != nil {
		return giveUp()
	}
	by := t.By
	if by == "" {
		by = holdfastWho
	}
	return s.ask(verb, by)
}
