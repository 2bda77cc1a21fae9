package respond

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// rig is a runner with a host that does as it is told.
type rig struct {
	t     *testing.T
	book  *memory
	clock *clock.Fixed
	*Runner

	// plan is what the host plans; answered keeps results by task, as an agent
	// does; applies counts the times that apply really ran.
	plan     holdfast.Plan
	fail     map[string]string // verb → error
	unproven bool
	answered map[string]holdfast.Result
	applies  map[string]int
}

func newRig(t *testing.T) *rig {
	c := clock.NewFixed(start)
	b := newMemory()
	if err := b.PutIncident(holdfast.Incident{ID: "inc-1", Status: holdfast.IncidentOpen, Opened: start}); err != nil {
		t.Fatal(err)
	}
	return &rig{
		t: t, book: b, clock: c,
		Runner: &Runner{
			Book: b, Clock: c, Log: slog.New(slog.DiscardHandler), AutoApprove: map[string]bool{},
			Parts: map[string]Part{
				"action/block-address":  {MaxReach: 1, DefaultLease: time.Minute, MaxLease: time.Hour, Params: blockParams},
				"artefact/sshd-drop-in": {},
			},
		},
		plan:     holdfast.Plan{Summary: "block it", Undo: holdfast.Raw(`{}`), Lease: holdfast.Duration(time.Minute)},
		fail:     map[string]string{},
		answered: map[string]holdfast.Result{}, applies: map[string]int{},
	}
}

func blockParams(e holdfast.Entity, lease time.Duration) (json.RawMessage, error) {
	return json.Marshal(map[string]any{"address": e.Value, "lease": lease.String()})
}

func (r *rig) propose(part, asset string) holdfast.Action {
	r.t.Helper()
	a, err := r.Propose(r.t.Context(), Proposal{Part: part, Asset: asset, Incident: "inc-1", Params: holdfast.Raw(`{"address":"192.0.2.7"}`), Why: "it attacks", By: "ann"})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// answer is what the host reports for a task; the same task, the same result.
func (r *rig) answer(task holdfast.Task) holdfast.Result {
	if res, ok := r.answered[task.ID]; ok {
		return res
	}
	r.clock.Advance(10 * time.Millisecond)
	res := holdfast.Result{Task: task.ID, Asset: task.Asset, Subject: task.Subject, Part: task.Part, Verb: task.Verb, Started: r.clock.Now(), Ended: r.clock.Now(), Error: r.fail[task.Verb]}
	if res.Error == "" {
		switch task.Verb {
		case holdfast.VerbPlan:
			p := r.plan
			p.Part, p.Params = task.Part, task.Params
			res.Plan = &p
		case holdfast.VerbApply:
			r.applies[task.Subject]++
		case holdfast.VerbVerify, holdfast.VerbUndo:
			res.Proof = &holdfast.Proof{Holds: !r.unproven, At: r.clock.Now(), Tests: []holdfast.Test{{Say: "a new connection", Want: "x", Got: "x", OK: !r.unproven}}}
		}
	}
	r.answered[task.ID] = res
	return res
}

// work lets the host do all tasks that wait, until none does.
func (r *rig) work() {
	r.t.Helper()
	for range 20 {
		done := true
		for _, task := range r.book.tasks {
			if _, ok := r.answered[task.ID]; ok || !r.clock.Now().Before(task.Expires) {
				continue
			}
			done = false
			if err := r.OnResult(r.t.Context(), r.answer(task)); err != nil {
				r.t.Fatal(err)
			}
		}
		if done {
			return
		}
	}
	r.t.Fatal("the host never comes to an end")
}

func (r *rig) want(id string, status holdfast.ActionStatus) holdfast.Action {
	r.t.Helper()
	a, err := r.book.Action(id)
	if err != nil {
		r.t.Fatal(err)
	}
	if a.Status != status {
		r.t.Fatalf("%s is %s (%s), want %s", id, a.Status, a.Error, status)
	}
	return a
}

func TestFromProposalToTheLeasesEnd(t *testing.T) {
	r := newRig(t)
	a := r.propose("action/block-address", "ast-1")
	r.work()
	r.want(a.ID, holdfast.Planned)
	if _, err := r.Approve(t.Context(), "eve", a.ID); err != nil {
		t.Fatal(err)
	}
	r.work()
	got := r.want(a.ID, holdfast.Verified)
	if !got.Proof.Holds || !got.Expires.Equal(got.Applied.Add(time.Minute)) || got.ApprovedBy != "eve" {
		t.Errorf("verified as %+v", got)
	}
	r.clock.Advance(time.Minute)
	// The host's own timer reports without proof; the server asks for one.
	res := holdfast.Result{Asset: "ast-1", Subject: a.ID, Part: a.Part, Verb: holdfast.VerbUndo, Cause: "lease", Ended: r.clock.Now()}
	for range 3 {
		if err := r.OnResult(t.Context(), res); err != nil {
			t.Fatal(err)
		}
	}
	got = r.want(a.ID, holdfast.Undone)
	if got.UndoneBy != "lease" || got.UndoProof != nil {
		t.Errorf("undone as %+v", got)
	}
	r.work()
	if got = r.want(a.ID, holdfast.Undone); got.UndoProof == nil || !got.UndoProof.Holds {
		t.Errorf("the undo is not proven: %+v", got.UndoProof)
	}
	if r.applies[a.ID] != 1 {
		t.Errorf("applied %d times", r.applies[a.ID])
	}
	in, err := r.book.Incident("inc-1")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, m := range in.Timeline {
		said = append(said, m.Say)
	}
	if len(said) != 7 {
		t.Errorf("the timeline has %d moments, want proposed, planned, approved, applied, verified, undone, proven undone:\n%s", len(said), strings.Join(said, "\n"))
	}
}

func TestAServerThatHearsNothingAsksAfterTheLease(t *testing.T) {
	r := newRig(t)
	r.AutoApprove["action/block-address"] = true
	a := r.propose("action/block-address", "ast-1")
	r.work()
	if got := r.want(a.ID, holdfast.Verified); got.ApprovedBy != "auto" {
		t.Errorf("approved by %q", got.ApprovedBy)
	}
	r.clock.Advance(time.Minute + 3*time.Second)
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want(a.ID, holdfast.Undoing)
	r.work()
	if got := r.want(a.ID, holdfast.Undone); got.UndoneBy != "lease" || !got.UndoProof.Holds {
		t.Errorf("undone as %+v", got)
	}
}

func TestAProofThatFailsOnceIsAskedForAgain(t *testing.T) {
	r := newRig(t)
	r.AutoApprove["action/block-address"] = true
	r.unproven = true
	a := r.propose("action/block-address", "ast-1")
	r.work()
	r.want(a.ID, holdfast.Applied)
	tick := func() {
		t.Helper()
		r.clock.Advance(grace)
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.work()
	}
	tick()
	if got := r.want(a.ID, holdfast.Applied); !strings.Contains(got.Error, "not proven") {
		t.Errorf("%+v", got)
	}
	r.unproven = false
	for range 5 {
		tick()
	}
	if got := r.want(a.ID, holdfast.Verified); got.Error != "" {
		t.Errorf("%+v", got)
	}
}

func TestAProofThatNeverHoldsIsLeftToAPerson(t *testing.T) {
	r := newRig(t)
	r.plan.Lease = 0
	r.unproven = true
	a := r.propose("artefact/sshd-drop-in", "ast-1")
	r.work()
	if _, err := r.Approve(t.Context(), "eve", a.ID); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		r.clock.Advance(grace)
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.work()
	}
	r.want(a.ID, holdfast.Applied)
	asked := 0
	for _, task := range r.book.tasks {
		if task.Verb == holdfast.VerbVerify {
			asked++
		}
	}
	if asked != maxAttempts {
		t.Errorf("asked %d times", asked)
	}
}

func TestWhatGoesWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		rig  func(*rig)
		want holdfast.ActionStatus
		say  string
	}{
		{"the plan fails", func(r *rig) { r.fail["plan"] = "no nft" }, holdfast.Failed, "no nft"},
		{"the plan is refused", func(r *rig) { r.plan.Refused = []string{"management access"} }, holdfast.Rejected, "management access"},
		{"there is nothing to do", func(r *rig) { r.plan.Nothing = true }, holdfast.Rejected, "nothing to do"},
		{"apply fails", func(r *rig) { r.fail["apply"] = "table busy" }, holdfast.Undone, "table busy"},
		{"verify does not hold", func(r *rig) { r.unproven = true }, holdfast.Applied, "not proven"},
		{"verify fails", func(r *rig) { r.fail["verify"] = "no right" }, holdfast.Applied, "no right"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.AutoApprove["action/block-address"] = true
			c.rig(r)
			a := r.propose("action/block-address", "ast-1")
			r.work()
			if got := r.want(a.ID, c.want); !strings.Contains(got.Error, c.say) {
				t.Errorf("error %q, want %q", got.Error, c.say)
			}
		})
	}
}

func TestReachNeedsASecondPerson(t *testing.T) {
	r := newRig(t)
	r.AutoApprove["action/block-address"] = true
	first := r.propose("action/block-address", "ast-1")
	r.work()
	r.want(first.ID, holdfast.Verified)
	second := r.propose("action/block-address", "ast-2")
	r.work()
	r.want(second.ID, holdfast.Planned) // auto-approval stops at the limit
	for _, who := range []string{"ann", "ann"} {
		_, err := r.Approve(t.Context(), who, second.ID)
		if got := r.want(second.ID, holdfast.Approved); got.ApprovedBy != "ann" {
			t.Errorf("approved by %q, %v", got.ApprovedBy, err)
		}
	}
	if _, err := r.Approve(t.Context(), "ben", second.ID); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.want(second.ID, holdfast.Verified)
}

// prober is a server's view that the test sets.
type prober struct{ reached, proven bool }

func (p *prober) Confirm(context.Context, holdfast.Action) holdfast.Test {
	return holdfast.Test{Say: "new SSH connection", Want: "served", Got: "tried", OK: p.reached}
}

func (p *prober) Prove(context.Context, holdfast.Action) []holdfast.Test {
	return []holdfast.Test{{Say: "password login", Want: "refused", Got: "tried", OK: p.proven}}
}

func TestConfirmationOverANewConnection(t *testing.T) {
	for _, reached := range []bool{true, false} {
		r := newRig(t)
		r.Prober = &prober{reached: reached, proven: true}
		r.AutoApprove["artefact/sshd-drop-in"] = true
		r.plan.Confirm, r.plan.Lease = holdfast.Duration(20*time.Second), 0
		a := r.propose("artefact/sshd-drop-in", "ast-1")
		r.work()
		if reached {
			if got := r.want(a.ID, holdfast.Verified); got.Confirmed.IsZero() || len(got.Proof.Tests) != 2 {
				t.Errorf("confirmed %v, proof %+v", got.Confirmed, got.Proof)
			}
			continue
		}
		r.want(a.ID, holdfast.Applied)
		for range 25 {
			r.clock.Advance(time.Second)
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.work()
		if got := r.want(a.ID, holdfast.Undone); got.UndoneBy != "unconfirmed" || !got.Confirmed.IsZero() {
			t.Errorf("undone as %+v", got)
		}
	}
}

func TestTheOutsideProofCounts(t *testing.T) {
	r := newRig(t)
	r.Prober = &prober{reached: true, proven: false}
	r.AutoApprove["action/block-address"] = true
	a := r.propose("action/block-address", "ast-1")
	r.work()
	if got := r.want(a.ID, holdfast.Applied); got.Proof.Holds || !strings.Contains(got.Error, "password login") {
		t.Errorf("proof %+v, error %q", got.Proof, got.Error)
	}
}

func TestForgedResults(t *testing.T) {
	r := newRig(t)
	a := r.propose("action/block-address", "ast-1")
	res := r.answer(r.book.tasks[0])
	for what, forge := range map[string]func(*holdfast.Result){
		"another host":  func(res *holdfast.Result) { res.Asset = "ast-9" },
		"another part":  func(res *holdfast.Result) { res.Part = "action/disable-account" },
		"unasked apply": func(res *holdfast.Result) { res.Verb = holdfast.VerbApply },
		"made-up task":  func(res *holdfast.Result) { res.Task = "tsk-x" },
		"unknown verb":  func(res *holdfast.Result) { res.Verb, res.Cause = "format", "lease" },
	} {
		forged := res
		forge(&forged)
		err := r.OnResult(t.Context(), forged)
		if !errors.Is(err, holdfast.ErrForbidden) && !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
		r.want(a.ID, holdfast.Proposed)
	}
	res.Plan.Params = holdfast.Raw(`{"address":"0.0.0.0"}`)
	if err := r.OnResult(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	r.want(a.ID, holdfast.Failed) // a plan for another target
}

// TestKilledAtAnyMoment lets commits be lost, results come twice and late, and
// people press twice; the action still goes its way once.
func TestKilledAtAnyMoment(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		r := newRig(t)
		r.book.crash = func() bool { return random.IntN(4) == 0 }
		p := Proposal{Key: "k", Part: "action/block-address", Asset: "ast-1", Incident: "inc-1", Params: holdfast.Raw(`{}`), Why: "x", By: "ann"}
		id := holdfast.StableID("act", "k")
		for n := range 400 {
			switch random.IntN(6) {
			case 0:
				_, _ = r.Propose(t.Context(), p)
			case 1, 2:
				if len(r.book.tasks) > 0 {
					task := r.book.tasks[random.IntN(len(r.book.tasks))]
					_, had := r.answered[task.ID]
					if had || r.clock.Now().Before(task.Expires) {
						_ = r.OnResult(t.Context(), r.answer(task))
					}
				}
			case 3:
				_ = r.Tick(t.Context())
			case 4:
				if n > 50 {
					_, _ = r.Approve(t.Context(), "eve", id)
				}
			case 5:
				r.clock.Advance(time.Duration(random.IntN(500)) * time.Millisecond)
			}
		}
		r.book.crash = nil
		_, _ = r.Propose(t.Context(), p)
		for range 60 {
			for _, task := range r.book.tasks {
				if _, had := r.answered[task.ID]; had || r.clock.Now().Before(task.Expires) {
					if err := r.OnResult(t.Context(), r.answer(task)); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
			}
			_, _ = r.Approve(t.Context(), "eve", id)
			r.clock.Advance(5 * time.Second)
			if err := r.Tick(t.Context()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if got := r.want(id, holdfast.Undone); got.UndoneBy != "lease" || !got.UndoProof.Holds || r.applies[id] != 1 {
			t.Fatalf("seed %d: undone by %q, proof %+v, applied %d times", seed, got.UndoneBy, got.UndoProof, r.applies[id])
		}
		in, err := r.book.Incident("inc-1")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, m := range in.Timeline {
			seen[m.Say]++
			if seen[m.Say] > 1 && !strings.Contains(m.Say, "proven undone") {
				t.Fatalf("seed %d: said twice: %s", seed, m.Say)
			}
		}
	}
}
