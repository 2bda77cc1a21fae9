// Package spine is the loop: it starts and stops the stages in order and joins
// them. Records become blocks on the bus; two readers take the bus from where
// they stand, one to segments, one to alerts and incidents; facts become
// verdicts, verdicts and actions become standings; everything anybody did goes
// to the evidence log. What each stage does is left to the stage.
package spine

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast"
	"holdfast/agent/port"
	"holdfast/control"
	"holdfast/detect"
	"holdfast/drill"
	"holdfast/ingest"
	"holdfast/internal/clock"
	"holdfast/respond"
	"holdfast/spine/health"
	"holdfast/store/events"
	"holdfast/store/evidence"
	"holdfast/store/state"
)

// Assessor judges facts; package assess is one.
type Assessor interface {
	Judge(facts holdfast.Facts, before []holdfast.Verdict, findings []holdfast.Finding) ([]holdfast.Verdict, []holdfast.Finding)
	Checks() []CheckInfo
	Faults() holdfast.Faults
	Watch(ctx context.Context, every time.Duration, changed func(holdfast.Faults))
}

// Options are the stages and what they share, made by cmd.
type Options struct {
	State    *state.DB
	Bus      Bus
	Events   *events.Store
	Evidence *evidence.Log // nil where another node keeps it
	Ingest   *ingest.Ingest
	Detect   *detect.Detector
	Assess   Assessor
	Control  *control.Book
	Lossy    map[string]string // ways in that promise less, by the start of their sources' names
	Respond  *respond.Runner   // its Book and Prober are set by New
	Drills   *drill.Runner     // its Book is set by New
	CA       *port.CA
	TaskKey  ed25519.PrivateKey
	Parts    map[string][]Part // the catalogues, for people
	Clock    clock.Clock
	Log      *slog.Logger
	Version  string
	DataDir  string
	// Node is the name of this run of this node where several share state, bus
	// and events; "" for a node alone. Roles are what it does.
	Node  string
	Roles Roles
	// NodeID is the node's name over all of its runs.
	NodeID string
	// Retention are the rules that stand in the settings.
	Retention []holdfast.Retention
	// Health says from when on something is wrong with the pipeline.
	Health health.Limits
	// Troubles are those of the program around the loop. May be nil.
	Troubles func() []Trouble
}

// Spine is the running loop. Its methods may run at the same time.
type Spine struct {
	Options
	started time.Time
	writer  atomic.Pointer[events.Writer] // while this node writes
	kept    atomic.Pointer[events.Store]  // what it writes through, while it does
	blank   []byte                        // the state of a detector that has seen nothing

	mu       sync.Mutex
	detected uint64
	// snapshotted is when the state of correlation was last kept.
	snapshotted  time.Time
	snapshotSize int                  // its bytes
	steady       time.Time            // since when this node says without a gap that it is there
	lastSeen     map[string]time.Time // asset to its newest event
	notes        map[string]map[string]string
	tasks        *signal // a task was queued, or is done
	changed      *signal // something standings rest on has changed
	outbox       *signal
	hosts        *signal
	excepted     *signal
	drilled      *signal
	nameKey      atomic.Pointer[loopNames]
	hunts        hunts
	well         wellness
	except       sync.Mutex        // held while exceptions change
	byName       map[string]string // host name to asset
	running      context.Context   //nolint:containedctx // the program's, for drills that outlive a request
}

// New joins the stages.
func New(ctx context.Context, o Options) (*Spine, error) {
	s := &Spine{
		Options: o, started: o.Clock.Now(), lastSeen: map[string]time.Time{}, notes: map[string]map[string]string{},
		tasks: newSignal(), changed: newSignal(), outbox: newSignal(), hosts: newSignal(), drilled: newSignal(), excepted: newSignal(), running: ctx,
	}
	s.hunts.cancel = map[string]context.CancelFunc{}
	s.Respond.Book, s.Respond.Prober = book{s}, prober{s}
	s.Drills.Book, s.Drills.Account = drills{s}, s.drillAccount
	s.well.model = health.New(o.Health)
	if o.Node == "" {
		s.Roles = allRoles()
	}
	var err error
	if s.blank, err = o.Detect.Snapshot(); err != nil {
		return nil, fmt.Errorf("spine: %w", err)
	}
	seq, _, err := o.State.Position(ctx, detectPosition)
	if err != nil {
		return nil, fmt.Errorf("spine: %w", err)
	}
	s.detected = seq
	if err := s.loadExceptions(ctx); err != nil {
		return nil, fmt.Errorf("spine: %w", err)
	}
	o.State.OnChange(s.onChange)
	if o.Node != "" {
		return s, nil // a duty does it
	}
	return s, s.endDrills(ctx, true)
}

// Run runs the loop until ctx is done. What was acknowledged is durable at any
// moment, so the end may come at any moment.
func (s *Spine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	do := func(f func(context.Context) error) {
		g.Go(func() error {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	// ingest → store
	if s.Roles.Ingest {
		do(func(ctx context.Context) error { return s.duty(ctx, "store", s.store) })
	}
	// ingest → detect → respond
	if s.Roles.Detect {
		do(func(ctx context.Context) error { return s.duty(ctx, "detect", s.detectDuty) })
		do(func(ctx context.Context) error { return s.duty(ctx, "search", s.searchDuty) })
	}
	// respond, control
	if s.Roles.Serve {
		do(func(ctx context.Context) error { return s.duty(ctx, "move", s.move) })
		if s.Node != "" {
			do(func(ctx context.Context) error { return s.on(ctx, s.drilled, time.Minute, s.hearDrills) })
		}
	}
	do(func(ctx context.Context) error { return s.on(ctx, s.hosts, time.Minute, s.nameAssets) })
	do(func(ctx context.Context) error { return s.every(ctx, s.healthEvery(), s.seeLag) })
	if s.Node != "" {
		do(s.beThere)
		do(func(ctx context.Context) error { return s.on(ctx, s.excepted, time.Minute, s.loadExceptions) })
	}
	// evidence
	do(func(ctx context.Context) error { return s.on(ctx, s.outbox, 5*time.Second, s.CarryEvidence) })
	// what people write
	faults := func(what string) func(holdfast.Faults) {
		return func(f holdfast.Faults) { s.reloaded(ctx, what, f) }
	}
	do(func(ctx context.Context) error { s.Detect.Watch(ctx, 2*time.Second, faults("rules")); return nil })
	do(func(ctx context.Context) error { s.Assess.Watch(ctx, 2*time.Second, faults("checks")); return nil })
	do(func(ctx context.Context) error {
		s.Control.Watch(ctx, 2*time.Second, faults("requirements"))
		return nil
	})
	err := g.Wait()
	s.hunts.done.Wait() // they end with the program's context
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, s.CarryEvidence(last))
}

// every calls f in a rhythm. An error is logged; the rhythm goes on.
func (s *Spine) every(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if err := f(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("the loop", "error", err)
			}
		}
	}
}

// on calls f when the signal is given, and at least every so often.
func (s *Spine) on(ctx context.Context, sig *signal, most time.Duration, f func(context.Context) error) error {
	for {
		wait := sig.wait()
		if err := f(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("the loop", "error", err)
		}
		t := time.NewTimer(most)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-wait:
		case <-t.C:
		}
		t.Stop()
		select { // what comes together is done together
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *Spine) onChange(noun, _ string) {
	switch noun {
	case "task":
		s.tasks.give()
	case "evidence":
		s.outbox.give()
	case "verdict", "action", "drill":
		s.changed.give()
		if noun == "drill" {
			s.drilled.give()
		}
	case "asset":
		s.hosts.give()
	case "exception":
		s.excepted.give()
	}
}

// signal wakes all who wait.
type signal struct {
	mu sync.Mutex
	c  chan struct{}
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c
}

func (s *signal) give() {
	s.mu.Lock()
	close(s.c)
	s.c = make(chan struct{})
	s.mu.Unlock()
}
