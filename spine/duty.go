package spine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast"
	"holdfast/store/events"
	"holdfast/store/state"
)

// Roles are what a node does. A node alone does everything.
type Roles struct {
	Ingest bool // takes records in, and writes segments when it is its turn
	Detect bool // looks for alerts when it is its turn
	Serve  bool // answers people, and moves actions along when it is its turn
}

func allRoles() Roles { return Roles{true, true, true} }

// RoleNames are the roles by name.
func RoleNames() []string { return []string{"ingest", "detect", "serve"} }

// ParseRoles reads a list of roles; an empty one is all.
func ParseRoles(names []string) (r Roles, err error) {
	if len(names) == 0 {
		return allRoles(), nil
	}
	for _, n := range names {
		switch strings.TrimSpace(n) {
		case "ingest":
			r.Ingest = true
		case "detect":
			r.Detect = true
		case "serve":
			r.Serve = true
		default:
			return r, fmt.Errorf("there is no role %q; the roles are %s: %w", n, strings.Join(RoleNames(), ", "), holdfast.ErrInvalid)
		}
	}
	return r, nil
}

// names are the roles that it has.
func (r Roles) names() (out []string) {
	for i, has := range []bool{r.Ingest, r.Detect, r.Serve} {
		if has {
			out = append(out, RoleNames()[i])
		}
	}
	return out
}

// All reports whether nothing is left to other nodes.
func (r Roles) All() bool { return r == allRoles() }

const (
	// leaseTime is how long a node that is silent keeps its duties, and with it
	// the longest pause when one dies.
	leaseTime  = 6 * time.Second
	leaseRenew = leaseTime / 4
	leaseAsk   = time.Second
	awayAsk    = time.Second // of a store that is away
)

// duty carries what one node at a time carries: at once on a node alone, else
// while it has the lease of that name. What do writes is fenced by the lease,
// so that a node that was away does not write over its successor; do begins
// where the state says that its predecessor stood, and ends soon after its
// context.
func (s *Spine) duty(ctx context.Context, name string, do func(context.Context, state.Lease) error) error {
	if s.Node == "" {
		return do(ctx, state.Lease{})
	}
	silent := false
	for ctx.Err() == nil {
		l, ok, err := s.State.TakeLease(ctx, name, s.Node, leaseTime)
		if err != nil && ctx.Err() == nil && !silent {
			s.Log.Warn("asking for a duty", "duty", name, "error", err)
		}
		silent = err != nil
		if ok {
			s.Log.Info("took over a duty", "duty", name, "term", l.Term)
			if err := s.whileHeld(ctx, l, do); err != nil && ctx.Err() == nil {
				s.Log.Warn("a duty ended", "duty", name, "error", err)
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			if err := s.State.DropLease(last, l); err != nil && ctx.Err() == nil {
				s.Log.Warn("giving a duty back", "duty", name, "error", err)
			}
			cancel()
		}
		select {
		case <-ctx.Done():
		case <-time.After(leaseAsk):
		}
	}
	return ctx.Err()
}

// whileHeld runs do until it ends or the lease is gone.
func (s *Spine) whileHeld(ctx context.Context, l state.Lease, do func(context.Context, state.Lease) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		t := time.NewTicker(leaseRenew)
		defer t.Stop()
		good := time.Now() // monotonic: this is about a span, not about the time of day
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			one, stop := context.WithTimeout(ctx, leaseTime/2)
			got, ok, err := s.State.TakeLease(one, l.Name, l.Holder, leaseTime)
			stop()
			switch {
			case err == nil && (!ok || got != l):
				cancel(fmt.Errorf("another node took over %s: %w", l.Name, holdfast.ErrConflict))
				return
			case err == nil:
				good = time.Now()
			case time.Since(good) > leaseTime:
				cancel(fmt.Errorf("the lease of %s could not be renewed: %w", l.Name, err))
				return
			}
		}
	}()
	err := do(ctx, l)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	cancel(nil)
	<-renewed
	return err
}

// store is the duty of turning blocks into segments.
func (s *Spine) store(ctx context.Context, l state.Lease) error {
	kept := s.Events
	if l != (state.Lease{}) {
		var err error
		if kept, err = s.Events.Succeed(ctx, state.Held{DB: s.State, Lease: l}, fmt.Sprintf("-t%d", l.Term)); err != nil {
			return err
		}
	}
	if err := s.beginHealth(ctx); err != nil {
		return err
	}
	defer s.endHealth()
	s.kept.Store(kept)
	defer s.kept.Store(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.writeAll(ctx, kept) })
	g.Go(func() error { kept.Compact(ctx); return nil })
	g.Go(func() error { return s.every(ctx, retainEvery, s.retain) })
	g.Go(func() error { return s.every(ctx, 10*time.Second, s.release) })
	g.Go(func() error {
		return s.every(ctx, s.healthEvery(), func(ctx context.Context) error { return s.judgeHealth(ctx, l) })
	})
	err := g.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return errors.Join(err, s.keepHealth(last, l, s.Clock.Now().UTC()))
}

// writeAll turns blocks into segments from where the manifest stands. Where events
// lie with another program that is away, it waits for that: blocks stay on the bus.
func (s *Spine) writeAll(ctx context.Context, kept *events.Store) error {
	w, err := kept.NewWriter(ctx, s.Ingest.Entities)
	for said := ""; err != nil && kept.Elsewhere() && ctx.Err() == nil; w, err = kept.NewWriter(ctx, s.Ingest.Entities) {
		if said != err.Error() {
			said = err.Error()
			s.Log.Warn("events wait on the bus for their store", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(awayAsk):
		}
	}
	if err != nil {
		return err
	}
	defer w.Settle()
	s.writer.Store(w)
	defer s.writer.Store(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { w.Run(ctx); return nil })
	g.Go(func() error {
		return s.Bus.Consume(ctx, w.Position(), func(seq uint64, b *holdfast.Block) error { return s.write(ctx, w, seq, b) })
	})
	return g.Wait()
}

// move is the duty of moving actions and standings along.
func (s *Spine) move(ctx context.Context, l state.Lease) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.every(ctx, time.Second, s.Respond.Tick) })
	g.Go(func() error { return s.every(ctx, time.Minute, s.endOverrides) })
	g.Go(func() error {
		if err := s.takeHunts(ctx, s.Node == ""); err != nil && ctx.Err() == nil {
			s.Log.Warn("hunts of before", "error", err)
		}
		return s.every(ctx, time.Minute, func(ctx context.Context) error { return s.takeHunts(ctx, false) })
	})
	g.Go(func() error {
		return s.every(ctx, time.Minute, func(ctx context.Context) error { return s.endDrills(ctx, false) })
	})
	g.Go(func() error { return s.on(ctx, s.changed, time.Minute, s.stand) })
	g.Go(func() error {
		return s.every(ctx, s.healthEvery(), func(ctx context.Context) error { return s.judgeShared(ctx, l) })
	})
	return g.Wait()
}

// written is how far segments have come, on whichever node, and what waits in
// this one.
func (s *Spine) written(ctx context.Context) (uint64, map[string]holdfast.LedgerRow) {
	if w := s.writer.Load(); w != nil {
		return w.Position(), w.Waiting()
	}
	seq, _, err := s.State.Position(ctx, holdfast.WriterPosition)
	if err != nil {
		s.Log.Warn("the writer's place", "error", err)
	}
	return seq, nil
}

// looked is how far the rules have come, on whichever node.
func (s *Spine) looked(ctx context.Context) uint64 {
	own := s.Detected()
	if s.Node == "" {
		return own
	}
	seq, _, err := s.State.Position(ctx, detectPosition)
	if err != nil {
		return own
	}
	return max(own, seq)
}
