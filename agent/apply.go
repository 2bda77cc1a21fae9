package agent

import (
	"context"
	"errors"
	"fmt"

	"holdfast"
	"holdfast/agent/undo"
)

// apply arms the undo and then carries out the plan. Again says that a crash
// interrupted it before.
func (t *tasks) apply(ctx context.Context, p part, task *holdfast.Task, again bool) error {
	a, plan := t.a, *task.Plan
	e := undo.Entry{Subject: task.Subject, Part: task.Part, Plan: plan, Armed: task.Made}
	if again {
		if stop, err := t.applied(ctx, p, task, e); stop {
			return err
		}
	} else if err := t.arm(ctx, e); err != nil {
		return err
	}
	err := safely(func() error { return p.apply(ctx, a.o.Host, plan) })
	if err == nil {
		return t.inTime(ctx, p, e)
	}
	if ctx.Err() != nil {
		return err // stopped halfway: still armed, and taken up again at start
	}
	if errors.Is(err, holdfast.ErrConflict) && !again {
		return errors.Join(err, a.disarm(ctx, task.Subject)) // it has changed nothing
	}
	l, lerr := a.undo.Lock(ctx, task.Subject)
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	defer func() { _ = l.Unlock() }()
	if _, uerr := p.undone(ctx, a.o.Host, plan); uerr != nil {
		return errors.Join(err, fmt.Errorf("and what was begun could not be undone: %w", uerr))
	}
	return errors.Join(err, a.undo.Drop(task.Subject))
}

// inTime undoes once more what was applied so slowly that its undo came before
// its end: nothing on the host would take the rest of it back.
func (t *tasks) inTime(ctx context.Context, p part, e undo.Entry) error {
	a := t.a
	if e.Plan.Lease == 0 && e.Plan.Confirm == 0 {
		return nil
	}
	l, err := a.undo.Lock(ctx, e.Subject)
	if err != nil {
		return err
	}
	defer func() { _ = l.Unlock() }()
	if _, err := a.undo.Get(e.Subject); !errors.Is(err, holdfast.ErrNotFound) {
		return err
	}
	_, err = p.undone(ctx, a.o.Host, e.Plan)
	return errors.Join(errors.New("the change took longer than the host waits for it, and was undone"), err)
}

// applied looks what an interrupted apply came to; it reports whether that
// settles it. If not, the undo is armed and apply is to be called again.
func (t *tasks) applied(ctx context.Context, p part, task *holdfast.Task, e undo.Entry) (bool, error) {
	a := t.a
	if _, undone, err := a.results.get(undoResult(e)); undone || err != nil {
		if undone { // while apply was still at work, perhaps
			_, err = p.undone(ctx, a.o.Host, *task.Plan)
		}
		return true, errors.Join(errors.New("the agent was interrupted, and the host undid the change on time"), err)
	}
	if got, err := a.undo.Get(task.Subject); err == nil && !a.o.Clock.Now().Before(got.Deadline) {
		return true, errors.New("the agent was interrupted, and the host undoes the change, which is overdue")
	}
	holds := false
	err := safely(func() error {
		proof, err := p.verify(ctx, a.o.Host, *task.Plan)
		holds = err == nil && proof.Holds
		return err
	})
	if holds {
		if _, err := a.undo.Get(task.Subject); err == nil || e.Plan.Lease == 0 && e.Plan.Confirm == 0 {
			return true, nil
		}
	}
	if !a.o.Clock.Now().Before(task.Expires) {
		l, lerr := a.undo.Lock(ctx, task.Subject)
		if lerr != nil {
			return true, lerr
		}
		defer func() { _ = l.Unlock() }()
		_, uerr := p.undone(ctx, a.o.Host, *task.Plan)
		return true, errors.Join(errors.New("the agent was interrupted, and the task has expired since; the change was undone"), err, uerr, a.undo.Drop(task.Subject))
	}
	if _, err := a.undo.Get(task.Subject); errors.Is(err, holdfast.ErrNotFound) {
		return false, t.arm(ctx, e)
	}
	return false, nil
}

// arm makes sure that the host undoes the change by itself, before the change
// is made. A plan without lease and confirmation needs none.
func (t *tasks) arm(ctx context.Context, e undo.Entry) error {
	a, now := t.a, t.a.o.Clock.Now()
	if e.Plan.Lease > 0 {
		e.LeaseEnd = now.Add(e.Plan.Lease.Std())
		e.Deadline, e.Cause = e.LeaseEnd, undo.Lease
	}
	if c := e.Plan.Confirm.Std(); c > 0 && (e.Deadline.IsZero() || now.Add(c).Before(e.Deadline)) {
		e.Deadline, e.Cause = now.Add(c), undo.Unconfirmed
	}
	if e.Deadline.IsZero() {
		return nil
	}
	l, err := a.undo.Lock(ctx, e.Subject)
	if err != nil {
		return err
	}
	defer func() { _ = l.Unlock() }()
	if old, err := a.undo.Get(e.Subject); err == nil && old.Plan.ID != e.Plan.ID {
		return fmt.Errorf("another change of %s is still armed: %w", e.Subject, holdfast.ErrConflict)
	}
	if err := a.undo.Put(e); err != nil {
		return fmt.Errorf("the undo could not be armed, so nothing was done: %w", err)
	}
	if a.undo.Watched(e.Subject) {
		return nil
	}
	if err := a.undo.Spawn(ctx, a.o.Watch, a.o.Dir, e.Subject); err != nil {
		return fmt.Errorf("the undo could not be armed, so nothing was done: %w", errors.Join(err, a.undo.Drop(e.Subject)))
	}
	return nil
}

func (a *runtimeAgent) disarm(ctx context.Context, subject string) error {
	l, err := a.undo.Lock(ctx, subject)
	if err != nil {
		return err
	}
	defer func() { _ = l.Unlock() }()
	return a.undo.Drop(subject)
}

// confirm lets the change stay until its lease ends, or for good.
func (t *tasks) confirm(ctx context.Context, task *holdfast.Task, again bool) error {
	a := t.a
	l, err := a.undo.Lock(ctx, task.Subject)
	if err != nil {
		return err
	}
	defer func() { _ = l.Unlock() }()
	e, err := a.undo.Get(task.Subject)
	if errors.Is(err, holdfast.ErrNotFound) {
		undone, err := a.results.undone(task.Subject, task.Plan.ID)
		if err != nil {
			return err
		}
		if !undone && (again || task.Plan.Lease == 0 && task.Plan.Confirm == 0) {
			return nil // disarmed just before the crash, or never armed
		}
		return fmt.Errorf("the confirmation came too late, the change was undone: %w", holdfast.ErrConflict)
	}
	if err != nil {
		return err
	}
	if e.Cause == undo.Unconfirmed && !a.o.Clock.Now().Before(e.Deadline) {
		return fmt.Errorf("the confirmation came too late, the change is being undone: %w", holdfast.ErrConflict)
	}
	if e.LeaseEnd.IsZero() {
		return a.undo.Drop(task.Subject)
	}
	e.Deadline, e.Cause = e.LeaseEnd, undo.Lease
	return a.undo.Put(e)
}
