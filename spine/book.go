package spine

import (
	"context"
	"errors"

	"holdfast"
	"holdfast/respond"
	"holdfast/store/state"
)

// book is respond's view of the state.
type book struct{ s *Spine }

func (b book) Update(ctx context.Context, do func(respond.Tx) error) error {
	return b.s.State.Tx(ctx, func(tx *state.Tx) error { return do(bookTx{ctx, b.s, tx}) })
}

type bookTx struct {
	ctx context.Context //nolint:containedctx // lives as long as the transaction
	s   *Spine
	tx  *state.Tx
}

func (b bookTx) Action(id string) (holdfast.Action, error) { return b.tx.Actions().Get(b.ctx, id) }

func (b bookTx) PutAction(a holdfast.Action) error { return b.tx.Actions().Put(b.ctx, a) }

func (b bookTx) ActionsOf(incident string) ([]holdfast.Action, error) {
	if incident == "" {
		return b.tx.Actions().All(b.ctx, map[string]string{"ended": "false"})
	}
	return b.tx.Actions().All(b.ctx, map[string]string{"incident": incident})
}

func (b bookTx) Incident(id string) (holdfast.Incident, error) {
	return b.tx.Incidents().Get(b.ctx, id)
}

func (b bookTx) PutIncident(in holdfast.Incident) error { return b.tx.Incidents().Put(b.ctx, in) }

func (b bookTx) PutTask(t holdfast.Task) error { return b.s.putTask(b.ctx, b.tx, t) }

func (b bookTx) TasksOf(subject string) ([]holdfast.Task, error) {
	list, err := b.tx.Tasks().All(b.ctx, map[string]string{"subject": subject})
	out := make([]holdfast.Task, len(list))
	for i := range list {
		out[i] = list[i].Task
	}
	return out, err
}

func (b bookTx) Record(e holdfast.Evidence) error { return b.tx.Record(b.ctx, e) }

// putTask counts, signs and queues a task; one that is there already stays.
func (s *Spine) putTask(ctx context.Context, tx *state.Tx, t holdfast.Task) error {
	if _, err := tx.Tasks().Get(ctx, t.ID); !errors.Is(err, holdfast.ErrNotFound) {
		return err
	}
	n, err := tx.NextNumber(ctx, "task:"+t.Asset)
	if err != nil {
		return err
	}
	t.Counter = n
	if err := t.Sign(s.TaskKey); err != nil {
		return err
	}
	return tx.Tasks().Put(ctx, state.QueuedTask{Task: t, Status: state.TaskQueued})
}
