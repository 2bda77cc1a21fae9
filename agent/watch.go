package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"holdfast"
	"holdfast/agent/undo"
	"holdfast/control/artefact"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	"holdfast/respond/action"
)

// WatchCommand is the name of the hidden command of the holdfast program that
// runs UndoWatch with the flags --dir and --subject.
const WatchCommand = "agent-undo-watch"

// WatchOptions are what UndoWatch is given.
type WatchOptions struct {
	Dir       string // the agent's folder
	Subject   string
	Actions   []action.Action
	Artefacts []artefact.Artefact
	Host      *host.Host
	Clock     clock.Clock
}

// UndoWatch waits until the subject's undo is due and carries it out, then
// leaves the result for the agent to post. It returns at once if the undo is
// not armed or is watched already. Agent and server may be dead meanwhile.
func UndoWatch(ctx context.Context, o WatchOptions) error {
	s := undo.Store{Dir: filepath.Join(o.Dir, "undo"), Clock: o.Clock}
	r := results{dir: filepath.Join(o.Dir, "results"), clock: o.Clock}
	return s.Watch(ctx, o.Subject, undoing(partsOf(o.Actions, o.Artefacts), o.Host, r))
}

// undoResult is the id under which the result of an undo by the host itself is
// kept. One change is armed and undone at most once at a time, so it names the
// arming too.
func undoResult(e undo.Entry) string {
	return holdfast.StableID("undone", e.Subject, e.Plan.ID, e.Armed.UTC().Format(time.RFC3339Nano))
}

func undoing(parts map[string]part, h *host.Host, r results) undo.Do {
	return undo.Do{
		Undo: func(ctx context.Context, e undo.Entry) (*holdfast.Proof, error) {
			p, ok := parts[e.Part]
			if !ok {
				return nil, fmt.Errorf("there is no part %s: %w", e.Part, holdfast.ErrNotFound)
			}
			return p.undone(ctx, h, e.Plan)
		},
		Done: func(e undo.Entry, started time.Time, proof *holdfast.Proof) error {
			return r.put(kept{Result: holdfast.Result{
				Task: undoResult(e), Asset: e.Plan.Asset, Subject: e.Subject, Part: e.Part, Verb: holdfast.VerbUndo,
				Started: started, Ended: r.clock.Now(), Plan: &e.Plan, Proof: proof, Cause: e.Cause,
			}})
		},
	}
}
