package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/host"
)

// tasks takes tasks from the server, one by one, in the order of their
// counters; collecting facts, which is slow and changes nothing, goes beside.
type tasks struct {
	a   *runtimeAgent
	dir string // a file for each task that was begun and has no result

	mu      sync.Mutex
	counter uint64
	have    []string // at work on, or done of late
	ended   chan struct{}
	side    sync.WaitGroup
}

const maxHave = 200

func openTasks(a *runtimeAgent) (*tasks, error) {
	t := &tasks{a: a, dir: filepath.Join(a.o.Dir, "tasks"), ended: make(chan struct{}, 1)}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(t.counterPath())
	if err == nil {
		if t.counter, err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err != nil {
			// Without it a replay is still known by its result, and by its expiry.
			t.counter = 0
			a.setAside(t.counterPath(), err)
			return t, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("task counter: %w", err)
	}
	return t, nil
}

func (t *tasks) counterPath() string { return filepath.Join(t.dir, "counter") }

func (t *tasks) path(id string) string {
	return filepath.Join(t.dir, holdfast.StableID("task", id)+".json")
}

// pollLoop finishes what a crash interrupted, then asks for tasks for ever.
func (t *tasks) pollLoop(ctx context.Context) error {
	defer t.side.Wait()
	if err := t.resume(ctx); err != nil {
		return err
	}
	var b backoff
	for ctx.Err() == nil {
		t.mu.Lock()
		ask := wire.Ask{Have: slices.Clone(t.have)}
		t.mu.Unlock()
		var got wire.Tasks
		if err := t.a.link.send(ctx, wire.PathTasks, ask, &got, wire.MaxSmall); err != nil {
			b.wait(ctx)
			continue
		}
		b.reset()
		for i := range got.Tasks {
			if ctx.Err() != nil {
				break
			}
			t.take(ctx, got.Tasks[i])
		}
	}
	return nil
}

// take judges a task and carries it out.
func (t *tasks) take(ctx context.Context, task holdfast.Task) {
	a := t.a
	log := a.o.Log.With("task", task.ID, "part", task.Part, "verb", task.Verb)
	if err := task.Check(ed25519.PublicKey(a.link.id.TaskKey), a.link.id.Asset, a.o.Clock.Now()); errors.Is(err, holdfast.ErrUnsigned) {
		// Nothing of it may be kept: it could bear a real task's id.
		log.Error("refused a task that nobody signed")
		r := t.blank(&task)
		r.Refused, r.Error = true, err.Error()
		_ = a.link.send(ctx, wire.PathResult, r, &wire.Done{}, wire.MaxSmall)
		pause(ctx, time.Second)
		return
	}
	k, done, err := a.results.get(task.ID)
	if err != nil {
		log.Error("result", "error", err)
		pause(ctx, time.Second)
		return
	}
	if done { // the server wants it again
		k.Posted = time.Time{}
		if err := a.link.send(ctx, wire.PathResult, k.Result, &wire.Done{}, wire.MaxFacts); err == nil {
			t.remember(task.ID)
		}
		return
	}
	t.mu.Lock()
	underWay := slices.Contains(t.have, task.ID)
	t.mu.Unlock()
	if underWay {
		return
	}
	again := t.lost(task.ID)
	if why := t.refuses(&task, again); why != "" {
		log.Warn("refused", "why", why)
		r := t.blank(&task)
		r.Refused, r.Error = true, why
		t.end(ctx, task, r)
		return
	}
	if err := t.begin(task); err != nil {
		log.Error("task not begun", "error", err)
		pause(ctx, time.Second)
		return
	}
	if task.Verb == holdfast.VerbCollect {
		t.side.Go(func() { t.end(ctx, task, t.run(ctx, &task, again)) })
		return
	}
	log.Info("task", "subject", task.Subject, "by", task.By)
	t.end(ctx, task, t.run(ctx, &task, again))
}

// lost reports whether what the agent kept of a task was damaged: it may have
// been carried out, and is taken up again as one that a crash interrupted.
func (t *tasks) lost(id string) bool {
	return aside(t.path(id)) || aside(t.a.results.path(id))
}

// refuses says why a task is not carried out, or "". Again is a task that was
// begun before, whose counter has been used.
func (t *tasks) refuses(task *holdfast.Task, again bool) string {
	if err := task.Check(ed25519.PublicKey(t.a.link.id.TaskKey), t.a.link.id.Asset, t.a.o.Clock.Now()); err != nil {
		return err.Error()
	}
	t.mu.Lock()
	counter := t.counter
	t.mu.Unlock()
	if task.Counter <= counter && !again {
		return fmt.Sprintf("task %s has the counter %d, and %d was done already: it is a replay", task.ID, task.Counter, counter)
	}
	if p := task.Plan; p != nil {
		switch {
		case p.Part != task.Part:
			return "the plan is for " + p.Part
		case p.Asset != task.Asset:
			return "the plan is for the asset " + p.Asset
		case task.Verb == holdfast.VerbApply && len(p.Refused) > 0:
			return "the plan was refused: " + strings.Join(p.Refused, "; ")
		}
	}
	return t.a.refuse.check(task)
}

// begin makes durable that the task is under way, and its counter used.
func (t *tasks) begin(task holdfast.Task) error {
	b, err := json.Marshal(task)
	if err != nil {
		return err
	}
	if err := host.WriteAtomic(t.path(task.ID), b, 0o600); err != nil {
		return err
	}
	t.mu.Lock()
	counter := max(t.counter, task.Counter)
	t.mu.Unlock()
	if err := host.WriteAtomic(t.counterPath(), []byte(strconv.FormatUint(counter, 10)), 0o600); err != nil {
		return err
	}
	t.mu.Lock()
	t.counter = counter
	t.mu.Unlock()
	t.remember(task.ID)
	return nil
}

// forget takes a task whose result was damaged off the list of those that the
// server need not send again.
func (t *tasks) forget(resultPath string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have = slices.DeleteFunc(t.have, func(id string) bool { return t.a.results.path(id) == resultPath })
}

func (t *tasks) remember(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.have, id) {
		return
	}
	t.have = append(t.have, id)
	if len(t.have) > maxHave {
		t.have = slices.Delete(t.have, 0, len(t.have)-maxHave)
	}
}

// end keeps the result, for as long as that takes, then forgets that the task
// was under way. A task that ended only because the agent stops has no result:
// it is resumed.
func (t *tasks) end(ctx context.Context, task holdfast.Task, r *holdfast.Result) {
	if r == nil {
		return
	}
	r.Ended = t.a.o.Clock.Now()
	var b backoff
	for {
		err := t.a.results.put(kept{Result: *r})
		if err == nil {
			break
		}
		t.a.note("tasks", "results cannot be kept: "+err.Error())
		if b.wait(ctx); ctx.Err() != nil {
			return
		}
	}
	t.a.note("tasks", "")
	if err := os.Remove(t.path(task.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.a.o.Log.Warn("task file", "error", err)
	}
	t.remember(task.ID)
	select {
	case t.ended <- struct{}{}:
	default:
	}
}

func (t *tasks) blank(task *holdfast.Task) *holdfast.Result {
	return &holdfast.Result{
		Task: task.ID, Asset: t.a.link.id.Asset, Subject: task.Subject, Part: task.Part, Verb: task.Verb, Started: t.a.o.Clock.Now(),
	}
}

// resume ends the tasks that were under way when the agent died.
func (t *tasks) resume(ctx context.Context) error {
	names, err := filepath.Glob(filepath.Join(t.dir, "task-*.json"))
	if err != nil {
		return err
	}
	var open []holdfast.Task
	for _, n := range names {
		var task holdfast.Task
		b, err := os.ReadFile(n)
		if err == nil {
			if err = json.Unmarshal(b, &task); err == nil && task.ID == "" {
				err = errors.New("it holds no task")
			}
		}
		if err != nil {
			t.a.setAside(n, err)
			continue
		}
		open = append(open, task)
	}
	slices.SortFunc(open, func(x, y holdfast.Task) int { return int(int64(x.Counter) - int64(y.Counter)) })
	for _, task := range open {
		t.mu.Lock()
		t.counter = max(t.counter, task.Counter)
		t.mu.Unlock()
		_, done, err := t.a.results.get(task.ID)
		if err != nil {
			return err
		}
		if done {
			if err := os.Remove(t.path(task.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.a.o.Log.Warn("task file", "error", err)
			}
			continue
		}
		t.a.o.Log.Info("taking up an interrupted task", "task", task.ID, "verb", task.Verb)
		t.end(ctx, task, t.run(ctx, &task, true))
	}
	return nil
}

// run carries a task out. It returns nil when the agent stops meanwhile.
func (t *tasks) run(ctx context.Context, task *holdfast.Task, again bool) *holdfast.Result {
	r := t.blank(task)
	err := t.do(ctx, task, r, again)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		r.Error = err.Error()
		r.Refused = errors.Is(err, holdfast.ErrRefused)
	}
	return r
}

func (t *tasks) do(ctx context.Context, task *holdfast.Task, r *holdfast.Result, again bool) error {
	a := t.a
	if task.Verb == holdfast.VerbCollect {
		f := a.collect(ctx)
		r.Facts = &f
		return ctx.Err()
	}
	p, ok := a.parts[task.Part]
	if !ok {
		return fmt.Errorf("this agent has no part %s: %w", task.Part, holdfast.ErrNotFound)
	}
	if task.Verb != holdfast.VerbPlan && task.Plan == nil {
		return fmt.Errorf("%s needs a plan: %w", task.Verb, holdfast.ErrInvalid)
	}
	switch task.Verb {
	case holdfast.VerbPlan:
		plan, err := t.plan(ctx, p, task)
		r.Plan = plan
		return err
	case holdfast.VerbApply:
		r.Plan = task.Plan
		return t.apply(ctx, p, task, again)
	case holdfast.VerbConfirm:
		return t.confirm(ctx, task, again)
	case holdfast.VerbVerify:
		return safely(func() error {
			proof, err := p.verify(ctx, a.o.Host, *task.Plan)
			r.Proof = &proof
			return err
		})
	case holdfast.VerbUndo:
		l, err := a.undo.Lock(ctx, task.Subject)
		if err != nil {
			return err
		}
		defer func() { _ = l.Unlock() }()
		if r.Proof, err = p.undone(ctx, a.o.Host, *task.Plan); err != nil {
			return err
		}
		return a.undo.Drop(task.Subject)
	}
	return fmt.Errorf("this agent does not know the verb %q: %w", task.Verb, holdfast.ErrInvalid)
}

func (t *tasks) plan(ctx context.Context, p part, task *holdfast.Task) (*holdfast.Plan, error) {
	var plan holdfast.Plan
	err := safely(func() (err error) {
		plan, err = p.plan(ctx, t.a.o.Host, task.Params)
		return err
	})
	if err != nil {
		return nil, err
	}
	plan.Part, plan.Asset, plan.Params = task.Part, task.Asset, task.Params
	if lacks := t.a.refuse.Lacks; lacks != "" && !plan.Nothing {
		plan.Refused = append(plan.Refused, lacks)
	}
	if plan.ID == "" {
		plan.ID = holdfast.StableID("plan", task.ID)
	}
	if plan.Made.IsZero() {
		plan.Made = t.a.o.Clock.Now()
	}
	return &plan, nil
}
