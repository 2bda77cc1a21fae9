// Package agent is the program on a host: it enrols, runs the inputs into a
// spool on disk and sends that to its server, reports facts, and carries out
// signed tasks that its own refusals allow, with the undo armed on the host
// first. What inputs, collectors and parts do is left to them; what should be
// done, to the server.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/agent/lock"
	"holdfast/agent/spool"
	"holdfast/agent/undo"
	"holdfast/agent/wire"
	"holdfast/assess/collect"
	"holdfast/control/artefact"
	"holdfast/ingest/input"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	"holdfast/respond/action"
)

// Options are what an agent is given.
type Options struct {
	Dir        string         // its folder; made with mode 0700
	Server     string         // https://address:port of the server's agent port
	Token      string         // enrolment token; needed once
	Inputs     []input.Config // what to read
	InputKinds []input.Input
	Collectors []collect.Collector
	Actions    []action.Action
	Artefacts  []artefact.Artefact
	Host       *host.Host
	Clock      clock.Clock
	Log        *slog.Logger
	Version    string
	// Watch is the program and arguments that run UndoWatch; "--dir D --subject
	// S" is added. It must be able to run after this process has died.
	Watch []string
	// Refuse is added to what the folder's refuse.yaml says.
	Refuse     Refuse
	SpoolMax   int64         // 0 for spool.DefaultMax
	Reserve    uint64        // bytes of disk that stay free; 0 for spool.DefaultReserve
	FactsEvery time.Duration // 0 for 15 minutes
	BeatEvery  time.Duration // 0 for 15 seconds
	// Enrolled, if set, is called with the asset's id once it is known.
	Enrolled func(asset string)
}

// Agent is a running agent.
type runtimeAgent struct {
	o       Options
	link    *link
	spool   *spool.Spool
	undo    undo.Store
	results results
	parts   map[string]part
	refuse  Refuse
	tasks   *tasks

	mu    sync.Mutex
	notes map[string]string
	beat  chan struct{}
}

// Run runs an agent until ctx is done, or until it cannot: a wrong token, a
// folder that another agent holds. A server that is away is waited for.
func Run(ctx context.Context, o Options) error {
	if o.FactsEvery <= 0 {
		o.FactsEvery = 15 * time.Minute
	}
	if o.BeatEvery <= 0 {
		o.BeatEvery = 15 * time.Second
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	o.Dir = dir
	l, err := lock.Take(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return fmt.Errorf("agent: is another agent running on %s? %w", o.Dir, err)
	}
	defer func() { _ = l.Unlock() }()
	a := &runtimeAgent{o: o, notes: map[string]string{}, beat: make(chan struct{}, 1)}
	if a.refuse, err = LoadRefuse(filepath.Join(o.Dir, "refuse.yaml")); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	a.refuse = a.refuse.with(o.Refuse)
	a.parts = partsOf(o.Actions, o.Artefacts)
	a.undo = undo.Store{Dir: filepath.Join(o.Dir, "undo"), Clock: o.Clock}
	a.results = results{dir: filepath.Join(o.Dir, "results"), clock: o.Clock, damaged: func(path string, why error) {
		a.setAside(path, why)
		if a.tasks != nil {
			a.tasks.forget(path)
		}
	}}
	// What is overdue does not wait for a server.
	a.guard(ctx)
	if a.link, err = connect(ctx, o, hostFacts(o)); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if o.Enrolled != nil {
		o.Enrolled(a.link.id.Asset)
	}
	if a.spool, err = spool.Open(spool.Options{Dir: filepath.Join(o.Dir, "spool"), Max: o.SpoolMax, Reserve: o.Reserve, Clock: o.Clock, Log: o.Log}); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if a.tasks, err = openTasks(a); err != nil {
		return errors.Join(fmt.Errorf("agent: %w", err), a.spool.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.link.renewLoop(ctx) })
	g.Go(func() error { return a.sendLoop(ctx) })
	g.Go(func() error { return a.beatLoop(ctx) })
	g.Go(func() error { return a.factsLoop(ctx) })
	g.Go(func() error { return a.guardLoop(ctx) })
	g.Go(func() error { return a.resultLoop(ctx) })
	g.Go(func() error { return a.tasks.pollLoop(ctx) })
	for _, cfg := range o.Inputs {
		g.Go(func() error { return a.runInput(ctx, cfg) })
	}
	err = g.Wait()
	err = errors.Join(err, a.spool.Close())
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// runInput keeps one input running.
func (a *runtimeAgent) runInput(ctx context.Context, cfg input.Config) error {
	name := cfg.Kind + ":" + cfg.Where
	var kind *input.Input
	for i := range a.o.InputKinds {
		if a.o.InputKinds[i].Name == cfg.Kind {
			kind = &a.o.InputKinds[i]
		}
	}
	if kind == nil {
		a.note(name, fmt.Sprintf("there is no input of the kind %q", cfg.Kind))
		return nil
	}
	if kind.Check != nil {
		if err := kind.Check(cfg); err != nil {
			a.note(name, err.Error())
			return nil
		}
	}
	env := input.Env{
		Sink: a.spool, Positions: a.spool, Log: a.o.Log.With("input", name),
		Clock: a.o.Clock, Asset: a.link.id.Asset, Note: a.note,
	}
	var b backoff
	for ctx.Err() == nil {
		err := safely(func() error { return kind.Run(ctx, cfg, env) })
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			return nil
		}
		a.note(name, err.Error())
		b.wait(ctx)
	}
	return nil
}

// safely turns a panic of a part into an error: one bad input or part must not
// end the agent, and with it the others.
func safely(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("stopped on a fault of its own: %v", r)
		}
	}()
	return do()
}

func (a *runtimeAgent) note(source, trouble string) {
	a.mu.Lock()
	old := a.notes[source]
	if trouble == "" {
		delete(a.notes, source)
	} else {
		a.notes[source] = trouble
	}
	a.mu.Unlock()
	if old == trouble {
		return
	}
	if trouble != "" {
		a.o.Log.Warn("source in trouble", "source", source, "trouble", trouble)
	}
	select {
	case a.beat <- struct{}{}:
	default:
	}
}

// hostFacts is what the host says of itself.
func hostFacts(o Options) wire.Host {
	name, err := os.Hostname()
	if err != nil {
		o.Log.Warn("host name", "error", err)
	}
	h := wire.Host{Name: name, OS: runtime.GOOS, Arch: runtime.GOARCH, Version: o.Version, Addresses: []string{}}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		o.Log.Warn("addresses", "error", err)
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() && len(h.Addresses) < 64 {
			h.Addresses = append(h.Addresses, n.IP.String())
		}
	}
	return h
}

// Lacks says which rights the process does not have, and what that costs.
func Lacks(collectors []collect.Collector) []string {
	var lacks []string
	if privileged() {
		return lacks
	}
	lacks = append(lacks, "not root: actions and requirements cannot be applied; logs that only root reads are left out")
	for _, c := range collectors {
		if c.Needs != "" && forThisOS(c) {
			lacks = append(lacks, c.Name+" wants "+c.Needs)
		}
	}
	return lacks
}

func forThisOS(c collect.Collector) bool {
	return len(c.OS) == 0 || slices.Contains(c.OS, runtime.GOOS)
}
