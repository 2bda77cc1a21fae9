package respond

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

func bruteforce(id, from string, users ...string) holdfast.Alert {
	a := holdfast.Alert{
		ID: id, Rule: "ssh_bruteforce", Title: "Password guessing over SSH", Level: holdfast.High, Asset: "ast-1",
		Group: []holdfast.Entity{{Kind: holdfast.EntitySource, Value: from}}, Attack: []string{"T1110.001"},
		Stages:   []holdfast.Stage{{Rule: "ssh_bruteforce", Title: "Password guessing over SSH", Level: holdfast.High, Why: "5 events within 1m", At: start}},
		Entities: []holdfast.Entity{{Kind: holdfast.EntitySource, Value: from}, {Kind: holdfast.EntityHost, Value: "victim"}},
		Last:     start, Status: holdfast.AlertOpen,
	}
	for _, u := range users {
		a.Entities = append(a.Entities, holdfast.Entity{Kind: holdfast.EntityUser, Value: u})
	}
	return a
}

func raised(a holdfast.Alert, user string) holdfast.Alert {
	a.Rule, a.Level = "ssh_bruteforce_success", holdfast.Critical
	a.Title = "Login after password guessing"
	a.Stages = append(a.Stages, holdfast.Stage{Rule: a.Rule, Title: a.Title, Level: a.Level, Why: "then a login", At: start.Add(time.Second)})
	a.Matches = append(a.Matches, holdfast.Match{Rule: "ssh_login_success", Message: fmt.Sprintf("victim sshd[7]: Accepted password for %s from 192.0.2.7 port 4242 ssh2", user)})
	return a
}

func input(next *int) TriageInput {
	return TriageInput{
		Now: start.Add(time.Minute), Asset: &holdfast.Asset{ID: "ast-1", Name: "victim"},
		Broken: []holdfast.BrokenRequirement{
			{Requirement: "ssh-hard", Asset: "ast-1", Check: "linux.sshd_password_auth", Why: "password login was allowed"},
			{Requirement: "ssh-hard", Asset: "ast-2", Check: "linux.sshd_password_auth", Why: "elsewhere"},
		},
		NextID: func() string { *next++; return fmt.Sprintf("inc-%d", *next) },
	}
}

// triaged is what triage makes of an alert beside some incidents.
func triaged(a holdfast.Alert, open []holdfast.Incident, in TriageInput) (holdfast.Incident, bool) {
	var s Stories
	for _, one := range open {
		s.Put(clone(one))
	}
	return s.Triage(a, in)
}

func TestOneStoryIsOneIncident(t *testing.T) {
	n := 0
	in, changed := triaged(bruteforce("alr-1", "192.0.2.7", "root"), nil, input(&n))
	if !changed || in.ID != "inc-1" || in.Title != "Password guessing over SSH from 192.0.2.7 on victim" || len(in.Requirements) != 1 {
		t.Fatalf("opened as %+v", in)
	}
	sum := func(in holdfast.Incident) (n int) {
		for _, r := range in.Reasons {
			n += r.Points
		}
		return n
	}
	if in.Rank != sum(in) || in.Rank != 45 {
		t.Errorf("rank %d of %+v", in.Rank, in.Reasons)
	}
	// The same alert again, with more of the same events, is nothing new.
	more := bruteforce("alr-1", "192.0.2.7", "root")
	more.Count = 50
	if again, changed := triaged(more, []holdfast.Incident{in}, input(&n)); changed {
		t.Errorf("fifty more changed it:\n%s", cmp.Diff(in, again))
	}
	risen, changed := triaged(raised(more, "anna"), []holdfast.Incident{in}, input(&n))
	if !changed || risen.ID != in.ID || risen.Level != holdfast.Critical || risen.Rank != 85 || risen.Rank != sum(risen) {
		t.Errorf("risen to %s %d: %+v", risen.Level, risen.Rank, risen.Reasons)
	}
	if len(risen.Tasks) != 1 || !strings.Contains(risen.Tasks[0].Say, "anna") {
		t.Errorf("tasks %+v", risen.Tasks)
	}
	if len(in.Timeline) != 2 || len(risen.Timeline) != 3 {
		t.Errorf("timelines %d and %d: the first incident was changed in place, or a moment lacks", len(in.Timeline), len(risen.Timeline))
	}
	if n != 1 {
		t.Errorf("%d incidents", n)
	}
	// What anna does on the host afterwards belongs to it; what root is tried
	// with from elsewhere does not.
	sudo := holdfast.Alert{ID: "alr-2", Title: "Audit log removed", Level: holdfast.Low, Asset: "ast-1", Entities: []holdfast.Entity{{Kind: holdfast.EntityUser, Value: "anna"}}}
	risen.Entities = append(risen.Entities, holdfast.Entity{Kind: holdfast.EntityUser, Value: "anna"})
	if got, changed := triaged(sudo, []holdfast.Incident{risen}, input(&n)); !changed || got.ID != "inc-1" {
		t.Errorf("a deed of the intruder went to %+v", got)
	}
	if got, _ := triaged(bruteforce("alr-3", "198.51.100.1", "root"), []holdfast.Incident{in}, input(&n)); got.ID != "inc-2" {
		t.Errorf("another attacker went to %s", got.ID)
	}
}

func TestWhatOpensNothing(t *testing.T) {
	n := 0
	low := bruteforce("alr-1", "192.0.2.7")
	low.Level = holdfast.Low
	if in, changed := triaged(low, nil, input(&n)); changed || in.ID != "" {
		t.Errorf("a low alert opened %+v", in)
	}
	// A drill never meets the real thing, in either direction.
	genuine, _ := triaged(bruteforce("alr-2", "192.0.2.7"), nil, input(&n))
	exercise := bruteforce("alr-3", "192.0.2.7")
	exercise.Drill = "drl-1"
	drill, _ := triaged(exercise, []holdfast.Incident{genuine}, input(&n))
	if drill.ID == genuine.ID || drill.Drill != "drl-1" || !strings.HasPrefix(drill.Title, "Drill: ") {
		t.Errorf("the drill went to %+v", drill)
	}
	if again, _ := triaged(bruteforce("alr-4", "192.0.2.7"), []holdfast.Incident{drill, genuine}, input(&n)); again.ID != genuine.ID {
		t.Errorf("a real alert went to %s", again.ID)
	}
	closed := genuine
	closed.Status = holdfast.IncidentClosed
	stale := genuine
	stale.Updated = start.Add(-25 * time.Hour)
	for _, old := range []holdfast.Incident{closed, stale} {
		if got, _ := triaged(bruteforce("alr-5", "192.0.2.7"), []holdfast.Incident{old}, input(&n)); got.ID == old.ID {
			t.Errorf("an incident %s of %s took it", old.Status, old.Updated)
		}
	}
}

func TestSuggestions(t *testing.T) {
	r := newRig(t)
	r.Parts["action/disable-account"] = Part{Params: func(e holdfast.Entity, _ time.Duration) (json.RawMessage, error) {
		return json.Marshal(map[string]string{"user": e.Value})
	}}
	in := holdfast.Incident{ID: "inc-1", Status: holdfast.IncidentOpen}
	suggest := func(a holdfast.Alert) (out []holdfast.Action) {
		t.Helper()
		err := r.book.Update(t.Context(), func(tx Tx) (err error) {
			out, err = r.Suggest(tx, in, a)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	alert := bruteforce("alr-1", "192.0.2.7")
	first := suggest(alert)
	if len(first) != 1 || first[0].Part != blockAddress {
		t.Fatalf("suggested %+v", first)
	}
	both := suggest(raised(alert, "anna"))
	if len(both) != 2 || both[0].ID != first[0].ID || string(both[1].Params) != `{"user":"anna"}` {
		t.Errorf("suggested %+v", both)
	}
	// Once the block is over, and only if the attack goes on, it is suggested anew.
	over := first[0]
	over.Status, over.Undone = holdfast.Undone, start.Add(time.Minute)
	if err := r.book.PutAction(over); err != nil {
		t.Fatal(err)
	}
	if again := suggest(alert); again[0].ID != over.ID {
		t.Error("an attack that has stopped calls for another block")
	}
	alert.Last = start.Add(2 * time.Minute)
	if again := suggest(alert); again[0].ID == over.ID || again[0].Status != holdfast.Proposed {
		t.Errorf("an attack that goes on: %+v", again)
	}
	alert.Drill = "drl-1"
	if got := suggest(alert); len(got) != 0 {
		t.Errorf("a drill calls for %+v", got)
	}
}
