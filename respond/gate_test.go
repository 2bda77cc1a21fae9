package respond

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

// settled is an incident with everything in order.
func settled() (holdfast.Incident, GateInput) {
	in := holdfast.Incident{
		ID: "inc-1", Status: holdfast.IncidentOpen, Opened: start, Assets: []string{"ast-1"}, Alerts: []string{"alr-1"},
		Requirements: []holdfast.BrokenRequirement{{Requirement: "ssh-hard", Asset: "ast-1", Check: "linux.sshd_password_auth"}},
		Tasks:        []holdfast.IncidentTask{{ID: "credentials", Say: "replace them", Done: true}},
	}
	return in, GateInput{
		Alerts:   []holdfast.Alert{bruteforce("alr-1", "192.0.2.7")},
		Drillers: map[string]string{"ssh_bruteforce": "ssh-bruteforce"},
		Actions: []holdfast.Action{
			{ID: "act-1", Part: "action/block-address", Asset: "ast-1", Incident: "inc-1", Status: holdfast.Undone, Applied: at(1), Verified: at(1), Undone: at(5), UndoProof: &holdfast.Proof{Holds: true}},
			{ID: "act-2", Part: "artefact/sshd-drop-in", Asset: "ast-1", Requirement: "ssh-hard", Status: holdfast.Verified, Applied: at(3), Confirmed: at(3), Verified: at(4)},
		},
		Verdicts: []holdfast.Verdict{{Asset: "ast-1", Check: "linux.sshd_password_auth", Status: holdfast.Pass, FactsAt: at(6)}},
		Drills:   []holdfast.Drill{{ID: "drl-1", Kind: "ssh-bruteforce", Asset: "ast-1", Status: holdfast.DrillPassed, Started: at(6), Fired: []string{"ssh_bruteforce"}}},
	}
}

func TestGate(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*holdfast.Incident, *GateInput)
		want  []string // gates that stand open
		do    string
	}{
		{"all settled", func(*holdfast.Incident, *GateInput) {}, nil, ""},
		{"the check fails", func(_ *holdfast.Incident, g *GateInput) { g.Verdicts[0].Status = holdfast.Fail }, []string{"check"}, "holdfast apply ssh-hard --asset ast-1"},
		{"the check is unknown", func(_ *holdfast.Incident, g *GateInput) { g.Verdicts[0].Status = holdfast.Unknown }, []string{"check"}, "holdfast verify ssh-hard --asset ast-1"},
		{"no verdict", func(_ *holdfast.Incident, g *GateInput) { g.Verdicts = nil }, []string{"check"}, "holdfast verify ssh-hard --asset ast-1"},
		{"another host's verdict", func(_ *holdfast.Incident, g *GateInput) { g.Verdicts[0].Asset = "ast-2" }, []string{"check"}, "holdfast verify ssh-hard --asset ast-1"},
		{"green on old facts", func(_ *holdfast.Incident, g *GateInput) { g.Verdicts[0].FactsAt = at(5) }, []string{"check"}, "holdfast verify ssh-hard --asset ast-1"},
		{"the block stands", func(_ *holdfast.Incident, g *GateInput) {
			g.Actions[0].Status, g.Actions[0].Undone = holdfast.Verified, time.Time{}
		}, []string{"containment"}, "holdfast actions undo act-1, or: holdfast actions accept act-1"},
		{"the block is accepted", func(_ *holdfast.Incident, g *GateInput) { g.Actions[0].Status = holdfast.Accepted }, nil, ""},
		{"the undo is not proven", func(_ *holdfast.Incident, g *GateInput) { g.Actions[0].UndoProof.Holds = false }, []string{"containment"}, "holdfast actions verify act-1"},
		{"an action waits", func(_ *holdfast.Incident, g *GateInput) { g.Actions[0].Status = holdfast.Planned }, []string{"action"}, "holdfast actions approve act-1, or: holdfast actions reject act-1"},
		{"an action is mid-way", func(_ *holdfast.Incident, g *GateInput) { g.Actions[1].Status = holdfast.Applying }, []string{"action"}, "holdfast actions act-2"},
		{"an action failed", func(_ *holdfast.Incident, g *GateInput) { g.Actions[1].Status = holdfast.Failed }, []string{"action"}, "holdfast actions reject act-2"},
		{"not proven", func(_ *holdfast.Incident, g *GateInput) { g.Actions[1].Status = holdfast.Applied }, []string{"action"}, "holdfast actions verify act-2, or: holdfast actions undo act-2"},
		{"the drill is older", func(_ *holdfast.Incident, g *GateInput) { g.Drills[0].Started = at(4) }, []string{"detection"}, "holdfast drills run ssh-bruteforce --asset ast-1 --incident inc-1"},
		{"the drill failed", func(_ *holdfast.Incident, g *GateInput) { g.Drills[0].Status = holdfast.DrillFailed }, []string{"detection"}, "holdfast drills run ssh-bruteforce --asset ast-1 --incident inc-1"},
		{"the drill fired another rule", func(_ *holdfast.Incident, g *GateInput) { g.Drills[0].Fired = []string{"x"} }, []string{"detection"}, "holdfast drills run ssh-bruteforce --asset ast-1 --incident inc-1"},
		{"a task is to do", func(in *holdfast.Incident, _ *GateInput) { in.Tasks[0].Done = false }, []string{"task"}, "holdfast incidents task inc-1 credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, g := settled()
			c.spoil(&in, &g)
			var gates []string
			open := Gate(in, g)
			for _, o := range open {
				gates = append(gates, o.Gate)
			}
			if diff := cmp.Diff(c.want, gates); diff != "" {
				t.Fatalf("(-want +got):\n%s\n%+v", diff, open)
			}
			if len(open) > 0 && open[0].Do != c.do {
				t.Errorf("do %q, want %q", open[0].Do, c.do)
			}
		})
	}
}

func TestStages(t *testing.T) {
	in, g := settled()
	if got := Stage(in, g); got != holdfast.IncidentVerified {
		t.Errorf("all settled is %s", got)
	}
	g.Drills = nil
	if got := Stage(in, g); got != holdfast.IncidentRestored {
		t.Errorf("without the drill it is %s", got)
	}
	g.Actions[0].Status, g.Actions[0].Undone = holdfast.Verified, time.Time{}
	if got := Stage(in, g); got != holdfast.IncidentEradicated {
		t.Errorf("with the block in force it is %s", got)
	}
	g.Verdicts = nil
	if got := Stage(in, g); got != holdfast.IncidentContained {
		t.Errorf("with the hole open it is %s", got)
	}
	g.Actions = nil
	if got := Stage(in, g); got != holdfast.IncidentOpen {
		t.Errorf("with nothing done it is %s", got)
	}
}

func TestClosingAndOverride(t *testing.T) {
	r := newRig(t)
	in, g := settled()
	for _, put := range []error{r.book.PutIncident(in), r.book.PutAction(g.Actions[0])} {
		if put != nil {
			t.Fatal(put)
		}
	}
	r.clock.Advance(10 * time.Minute)
	without := g
	without.Drills = nil
	open, err := r.Close(t.Context(), "ann", in.ID, without)
	if !errors.Is(err, holdfast.ErrRefused) || len(open) != 1 {
		t.Fatalf("closed all the same: %v %+v", err, open)
	}
	until := r.clock.Now().Add(time.Hour)
	for what, err := range map[string]error{
		"no reason":        r.AskOverride(t.Context(), "ann", in.ID, "", until, without),
		"no end":           r.AskOverride(t.Context(), "ann", in.ID, "x", time.Time{}, without),
		"an end too far":   r.AskOverride(t.Context(), "ann", in.ID, "x", until.Add(365*24*time.Hour), without),
		"granted unasked":  r.GrantOverride(t.Context(), "ben", in.ID, without),
		"nothing is open":  r.AskOverride(t.Context(), "ann", in.ID, "x", until, g),
		"unknown incident": r.AskOverride(t.Context(), "ann", "inc-9", "x", until, g),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if err := r.AskOverride(t.Context(), "ann", in.ID, "no test host", until, without); err != nil {
		t.Fatal(err)
	}
	if err := r.GrantOverride(t.Context(), "ann", in.ID, without); !errors.Is(err, holdfast.ErrForbidden) {
		t.Errorf("the first person granted: %v", err)
	}
	if err := r.GrantOverride(t.Context(), "ben", in.ID, without); err != nil {
		t.Fatal(err)
	}
	got, err := r.book.Incident(in.ID)
	if err != nil || got.Status != holdfast.IncidentClosed || got.Override.GrantedBy != "ben" || len(got.Override.Open) != 1 {
		t.Fatalf("after the grant: %+v %v", got, err)
	}
	if reopened, err := r.OverrideEnded(t.Context(), in.ID, without); reopened || err != nil {
		t.Errorf("before its end: %v %v", reopened, err)
	}
	r.clock.Advance(time.Hour)
	if reopened, err := r.OverrideEnded(t.Context(), in.ID, without); !reopened || err != nil {
		t.Fatalf("at its end: %v %v", reopened, err)
	}
	if open, err := r.Close(t.Context(), "ann", in.ID, g); err != nil || len(open) > 0 {
		t.Errorf("with everything settled: %v %+v", err, open)
	}
	if got, err = r.book.Incident(in.ID); err != nil || got.Status != holdfast.IncidentClosed || got.ClosedBy != "ann" {
		t.Errorf("closed as %+v %v", got, err)
	}
	var did []string
	for _, e := range r.book.evidence {
		did = append(did, e.Did+" "+e.Outcome)
	}
	slices.Sort(did)
	if diff := cmp.Diff([]string{"incident.close closed", "incident.override-ask asked", "incident.override-end reopened", "incident.override-grant closed"}, did); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
}

func TestCloseReadsTheActionsAnew(t *testing.T) {
	r := newRig(t)
	in, g := settled()
	live := g.Actions[0]
	live.Status, live.Undone = holdfast.Verified, time.Time{}
	for _, put := range []error{r.book.PutIncident(in), r.book.PutAction(live)} {
		if put != nil {
			t.Fatal(put)
		}
	}
	if _, err := r.Close(t.Context(), "ann", in.ID, g); !errors.Is(err, holdfast.ErrRefused) {
		t.Errorf("closed with a block in force: %v", err)
	}
}

func TestReopen(t *testing.T) {
	r := newRig(t)
	in, g := settled()
	if err := r.book.PutIncident(in); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(10 * time.Minute)
	if err := r.Reopen(t.Context(), "ann", in.ID, "seen again"); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("an open one was reopened: %v", err)
	}
	if _, err := r.Close(t.Context(), "ann", in.ID, g); err != nil {
		t.Fatal(err)
	}
	if err := r.Reopen(t.Context(), "ben", in.ID, ""); !errors.Is(err, holdfast.ErrInvalid) {
		t.Errorf("reopened without a reason: %v", err)
	}
	if err := r.Reopen(t.Context(), "ben", in.ID, "seen again"); err != nil {
		t.Fatal(err)
	}
	got, err := r.book.Incident(in.ID)
	if err != nil || got.Status != holdfast.IncidentOpen || !got.Closed.IsZero() || got.ClosedBy != "" || got.Override != nil {
		t.Errorf("%+v %v", got, err)
	}
	recorded := 0
	for _, e := range r.book.evidence {
		if e.Did == "incident.reopen" && e.Who == "user:ben" && e.On == in.ID {
			recorded++
		}
	}
	if recorded != 1 {
		t.Errorf("%d entries of evidence", recorded)
	}
	if say := got.Timeline[len(got.Timeline)-1].Say; say != "ben opened it again: seen again" {
		t.Errorf("the timeline says %q", say)
	}
}
