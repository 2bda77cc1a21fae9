package agent

import (
	"context"
	"errors"
	"maps"
	"os"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/assess/collect"
)

// noteServer is the source under which trouble with the server is noted.
const noteServer = "server"

// sendLoop sends the spool's batches, in order, each until it is acknowledged.
func (a *runtimeAgent) sendLoop(ctx context.Context) error {
	var b backoff
	for ctx.Err() == nil {
		batch, err := a.spool.Next(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
				return nil
			}
			a.note("spool", err.Error())
			b.wait(ctx)
			continue
		}
		a.note("spool", "")
		var got wire.Accepted
		for i := range batch.Records { // what was spooled under an earlier identity, too
			batch.Records[i].Asset = a.link.id.Asset
		}
		msg := wire.Events{ID: batch.ID(a.link.id.Asset), Records: batch.Records}
		if err := a.link.send(ctx, wire.PathEvents, msg, &got, wire.MaxEvents); err != nil {
			if ctx.Err() == nil {
				a.note(noteServer, err.Error())
			}
			b.wait(ctx)
			continue
		}
		a.note(noteServer, "")
		b.reset()
		if err := a.spool.Ack(batch); err != nil {
			a.note("spool", err.Error())
			b.wait(ctx)
		}
	}
	return nil
}

// beatLoop says that the agent lives, and at once when a source's health
// changes.
func (a *runtimeAgent) beatLoop(ctx context.Context) error {
	lacks := Lacks(a.o.Collectors)
	for ctx.Err() == nil {
		h := wire.Heartbeat{Host: hostFacts(a.o), Lacks: lacks, Spool: a.spool.Stats()}
		a.mu.Lock()
		h.Notes = maps.Clone(a.notes)
		a.mu.Unlock()
		delete(h.Notes, noteServer) // what is said of the server to the server is over
		a.noteAside(h.Notes)
		armed, err := a.undo.List()
		if err != nil {
			h.Notes["undo"] = err.Error()
		}
		h.Armed = len(armed)
		for _, e := range armed {
			if e.Trouble != "" {
				h.Notes["undo:"+e.Subject] = e.Trouble
			}
		}
		if err := a.link.send(ctx, wire.PathHeartbeat, h, &wire.Done{}, wire.MaxSmall); err != nil && ctx.Err() == nil {
			a.o.Log.Debug("heartbeat", "error", err)
		}
		pause(ctx, 200*time.Millisecond)
		t := time.NewTimer(a.o.BeatEvery)
		select {
		case <-ctx.Done():
		case <-a.beat:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// factsLoop collects at start and then on schedule; what could not be sent is
// tried again, until newer facts are there.
func (a *runtimeAgent) factsLoop(ctx context.Context) error {
	if len(a.o.Collectors) == 0 {
		return nil
	}
	for ctx.Err() == nil {
		f := a.collect(ctx)
		next := time.Now().Add(a.o.FactsEvery)
		var b backoff
		for ctx.Err() == nil && time.Now().Before(next) {
			err := a.link.send(ctx, wire.PathFacts, f, &wire.Done{}, wire.MaxFacts)
			if err == nil {
				break
			}
			a.o.Log.Debug("facts", "error", err)
			b.wait(ctx)
		}
		pause(ctx, time.Until(next))
	}
	return nil
}

func (a *runtimeAgent) collect(ctx context.Context) holdfast.Facts {
	return collect.Run(ctx, a.o.Host, a.link.id.Asset, a.o.Collectors, 0)
}

// resultLoop posts results: those of tasks at once, those that a watchdog left
// within a second.
func (a *runtimeAgent) resultLoop(ctx context.Context) error {
	seen := map[string]time.Time{}
	var b backoff
	for ctx.Err() == nil {
		err := a.results.open(seen, func(k kept) error {
			k.Result.Asset = a.link.id.Asset
			err := a.link.send(ctx, wire.PathResult, k.Result, &wire.Done{}, wire.MaxFacts)
			var no refusal
			if errors.As(err, &no) && no.Code == "" && no.status != 429 {
				a.o.Log.Error("the server does not take a result", "task", k.Result.Task, "error", err)
				return nil
			}
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				a.o.Log.Debug("results", "error", err)
			}
			b.wait(ctx)
			continue
		}
		b.reset()
		t := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-a.tasks.ended:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// guardLoop sees that every armed undo has a watchdog.
func (a *runtimeAgent) guardLoop(ctx context.Context) error {
	for ctx.Err() == nil {
		a.guard(ctx)
		pause(ctx, 30*time.Second)
	}
	return nil
}

func (a *runtimeAgent) guard(ctx context.Context) {
	armed, err := a.undo.List()
	if err != nil {
		a.o.Log.Error("armed undos", "error", err)
	}
	for _, e := range armed {
		if a.undo.Watched(e.Subject) {
			continue
		}
		err := a.undo.Spawn(ctx, a.o.Watch, a.o.Dir, e.Subject)
		if err == nil {
			continue
		}
		// No process can be started: watch from here, which is better than not.
		a.o.Log.Error("watchdog", "subject", e.Subject, "error", err)
		go func() { _ = a.undo.Watch(ctx, e.Subject, undoing(a.parts, a.o.Host, a.results)) }()
	}
}
