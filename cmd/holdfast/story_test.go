package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/api"
	"holdfast/spine"
)

// TestStory is one full turn of the loop on real hosts: an attack is seen,
// becomes an incident, is blocked, the requirement it showed to be broken is
// put right, and the incident closes when nothing stands open any more.
func TestStory(t *testing.T) {
	if testing.Short() {
		t.Skip("the story takes a minute")
	}
	w := newWorld(t, "")
	w.attack()
	in := w.incidents()[0]
	w.oneAlertGrows()
	w.successRaises()
	w.blockCutsAndIsProven(in.ID)
	w.unconfirmedChangeUndoesItself()
	w.hardenedAndProven(in.ID)
	w.closesOnlyWhenNothingStandsOpen(in.ID)
	w.evidenceHolds()
	w.ledgerBalances()
}

// TestStoryBySyslog has the lines come over the network instead, and the block
// carried out without a person.
func TestStoryBySyslog(t *testing.T) {
	if testing.Short() {
		t.Skip("the story takes half a minute")
	}
	w := newWorld(t, "tcp://10.77.0.40:"+syslogPort, "--auto-approve", "action/block-address")
	w.guess(5)
	start := time.Now()
	w.wait(time.Minute, "a verified block", func() bool {
		_, ok := w.action("action/block-address", holdfast.Verified)
		return ok
	})
	w.t.Logf("the fifth failure to a verified block, as the command line sees it: %s", time.Since(start).Round(time.Millisecond))
	a := w.alerts("ssh_bruteforce")[0]
	act, _ := w.action("action/block-address", holdfast.Verified)
	w.t.Logf("alert to verified block: %s", act.Verified.Sub(a.Raised).Round(time.Millisecond))
	if act.ApprovedBy != "auto" || a.Asset != w.asset {
		t.Errorf("approved by %q, alert about %q", act.ApprovedBy, a.Asset)
	}
	if ok, _ := w.lab.SSHPassword(w.lab.Attacker, user, password); ok {
		t.Error("the attacker still gets in")
	}
	w.ledgerBalances()
}

// attack makes five failing logins and waits for the alert and the incident.
func (w *world) attack() {
	w.t.Helper()
	w.guess(5)
	start := time.Now()
	w.wait(time.Minute, "one alert and one incident from five failing logins", func() bool {
		return len(w.alerts("ssh_bruteforce")) == 1 && len(w.incidents()) == 1
	})
	w.t.Logf("alert and incident are shown %s after the fifth login was refused", time.Since(start).Round(time.Millisecond))
	a := w.alerts("ssh_bruteforce")[0]
	if a.Count < 5 || len(a.Matches) < 5 || !hasEntity(a.Group, holdfast.EntitySource, w.lab.Attacker.Addr.String()) {
		w.t.Fatalf("%+v", a)
	}
	m := a.Matches[0]
	if len(m.Because) == 0 || m.Because[0].Field == "" || m.Because[0].Got == "" || !strings.Contains(m.Message, "Failed password") {
		w.t.Errorf("the match does not say what matched: %+v", m)
	}
	in := w.incidents()[0]
	for kind, value := range map[string]string{holdfast.EntitySource: w.lab.Attacker.Addr.String(), holdfast.EntityUser: user} {
		if !hasEntity(in.Entities, kind, value) {
			w.t.Errorf("the incident does not name %s=%s: %v", kind, value, in.Entities)
		}
	}
	sum := 0
	for _, r := range in.Reasons {
		sum += r.Points
	}
	if in.Rank == 0 || sum != in.Rank || !slices.Contains(in.Assets, w.asset) {
		w.t.Errorf("rank %d of reasons %v, assets %v", in.Rank, in.Reasons, in.Assets)
	}
	if !slices.ContainsFunc(in.Requirements, func(b holdfast.BrokenRequirement) bool {
		return b.Requirement == "ssh-hard" && b.Why == "password login was allowed"
	}) {
		w.t.Errorf("the incident does not name the broken requirement: %+v", in.Requirements)
	}
}

func hasEntity(es []holdfast.Entity, kind, value string) bool {
	return slices.Contains(es, holdfast.Entity{Kind: kind, Value: value})
}

func (w *world) oneAlertGrows() {
	w.t.Helper()
	before := w.alerts("ssh_bruteforce")[0]
	w.guess(6)
	w.wait(time.Minute, "further failures add to the alert", func() bool {
		a := w.alerts("")
		return len(a) >= 1 && a[len(a)-1].ID == before.ID && a[len(a)-1].Count >= before.Count+6 || w.alerts("ssh_bruteforce")[0].Count >= before.Count+6
	})
	if n := len(w.incidents()); n != 1 {
		w.t.Errorf("%d incidents", n)
	}
}

func (w *world) successRaises() {
	w.t.Helper()
	before := w.incidents()[0]
	if ok, out := w.lab.SSHPassword(w.lab.Attacker, user, password); !ok {
		w.t.Fatalf("the right password does not log in: %s", out)
	}
	w.wait(time.Minute, "the alert rises to fail then success", func() bool { return len(w.alerts("ssh_bruteforce_success")) == 1 })
	a := w.alerts("ssh_bruteforce_success")[0]
	if len(a.Stages) != 2 || a.Stages[0].Rule != "ssh_bruteforce" || a.Level != holdfast.Critical {
		w.t.Errorf("%+v", a.Stages)
	}
	in := w.incidents()
	if len(in) != 1 || in[0].Rank <= before.Rank {
		w.t.Errorf("%d incidents, rank %d after %d", len(in), in[0].Rank, before.Rank)
	}
}

// blockCutsAndIsProven approves the block that was proposed, with a session of
// the attacker open, and lets its lease run out in the end.
func (w *world) blockCutsAndIsProven(incident string) {
	w.t.Helper()
	session := w.lab.HoldSession(w.lab.Attacker, user, password)
	var act holdfast.Action
	w.wait(time.Minute, "block-address is proposed and planned", func() bool {
		var ok bool
		act, ok = w.action("action/block-address", holdfast.Planned)
		return ok
	})
	if act.Incident != incident || act.Plan == nil || len(act.Plan.Steps) == 0 || act.Plan.Lease <= 0 {
		w.t.Fatalf("%+v", act.Plan)
	}
	start := time.Now()
	w.cli(&act, "actions", "approve", act.ID)
	w.t.Logf("approved to verified block: %s", time.Since(start).Round(time.Millisecond))
	if act.Status != holdfast.Verified || act.Proof == nil || !act.Proof.Holds || len(act.Proof.Tests) < 2 {
		w.t.Fatalf("%s %s %+v", act.Status, act.Error, act.Proof)
	}
	select {
	case <-session.Ended():
	case <-time.After(time.Minute):
		w.t.Error("the attacker's established session lives on")
	}
	if ok, _ := w.lab.SSHPassword(w.lab.Attacker, user, password); ok {
		w.t.Error("the attacker still gets in")
	}
	for _, h := range []string{"bystander", "management"} {
		from := w.lab.Bystander
		if h == "management" {
			from = w.lab.Management
		}
		if ok, out := w.lab.SSHPassword(from, user, password); !ok {
			w.t.Errorf("%s is not served: %s", h, out)
		}
	}
	w.cli(&act, "actions", "undo", act.ID)
	if act.Status != holdfast.Undone || act.UndoProof == nil || !act.UndoProof.Holds {
		w.t.Errorf("after undo: %s %s %+v", act.Status, act.Error, act.UndoProof)
	}
}

// unconfirmedChangeUndoesItself applies the hardening while the server cannot
// reach sshd, so that no confirmation comes.
func (w *world) unconfirmedChangeUndoesItself() {
	w.t.Helper()
	var acts []holdfast.Action
	w.cli(&acts, "plan", "ssh-hard", "--asset", "victim")
	if len(acts) != 1 || acts[0].Plan == nil || !strings.Contains(acts[0].Plan.Diff, "+PasswordAuthentication no") {
		w.t.Fatalf("%+v", acts)
	}
	rules := "table inet wall { chain in { type filter hook input priority 10; ip saddr " + w.lab.Management.Addr.String() + " tcp dport 22 drop; }; }"
	if out, err := w.lab.Victim.Feed(rules, "nft", "-f", "-"); err != nil {
		w.t.Fatal(err, out)
	}
	if _, code := w.try("actions", "approve", acts[0].ID); code == 0 {
		w.t.Log("the approval came back at once")
	}
	w.wait(time.Minute, "the change undoes itself without confirmation", func() bool {
		var a holdfast.Action
		w.cli(&a, "actions", acts[0].ID)
		return a.Status == holdfast.Undone && a.UndoneBy == "unconfirmed"
	})
	w.lab.Victim.Must("nft", "delete", "table", "inet", "wall")
	if ok, out := w.lab.SSHPassword(w.lab.Bystander, user, password); !ok {
		w.t.Errorf("passwords do not work as before: %s", out)
	}
}

func (w *world) hardenedAndProven(incident string) {
	w.t.Helper()
	var acts []holdfast.Action
	w.cli(&acts, "apply", "ssh-hard", "--asset", "victim", "--yes")
	if len(acts) != 1 || acts[0].Status != holdfast.Verified || acts[0].Confirmed.IsZero() || acts[0].Incident != incident {
		w.t.Fatalf("%+v", acts)
	}
	if ok, _ := w.lab.SSHPassword(w.lab.Bystander, user, password); ok {
		w.t.Error("a password still logs in")
	}
	var p spine.Proofs
	w.cli(&p, "verify", "ssh-hard", "--asset", "victim")
	tried := false
	for _, x := range p.Proofs {
		for _, test := range x.Proof.Tests {
			tried = tried || strings.Contains(strings.ToLower(test.Say), "password")
			if !test.OK {
				w.t.Errorf("%s: wanted %s, got %s", test.Say, test.Want, test.Got)
			}
		}
	}
	if !tried || len(p.Verdicts) != 2 || p.Verdicts[0].Status != holdfast.Pass || p.Verdicts[1].Status != holdfast.Pass {
		w.t.Errorf("%+v", p)
	}
}

func (w *world) closesOnlyWhenNothingStandsOpen(incident string) {
	w.t.Helper()
	out, code := w.try("incidents", "close", incident, "--json")
	if code != exitConflict || !strings.Contains(out, `"gate": "detection"`) {
		w.t.Fatalf("closing too early ended with %d: %s", code, out)
	}
	var v api.IncidentView
	w.cli(&v, "incidents", incident)
	for _, task := range v.Incident.Tasks {
		w.cli(nil, "incidents", "task", incident, task.ID)
	}
	for _, a := range v.Actions { // what else was proposed and is not wanted
		if a.Status == holdfast.Planned || a.Status == holdfast.Proposed {
			w.cli(nil, "actions", "reject", a.ID, "--because", "not needed")
		}
	}
	for _, kind := range []string{"ssh-bruteforce", "ssh-password-login"} {
		var d holdfast.Drill
		w.cli(&d, "drills", "run", kind, "--asset", "victim", "--incident", incident)
		if d.Status != holdfast.DrillPassed {
			w.t.Errorf("%s: %s %s %+v", kind, d.Status, d.Why, d.Hops)
		}
		for _, h := range d.Hops {
			w.t.Logf("%s: %s +%s", kind, h.Name, h.Took.Round(time.Millisecond))
		}
	}
	w.cli(nil, "verify", "ssh-hard", "--asset", "victim")
	if out, code := w.try("incidents", "close", incident, "--json"); code != 0 {
		w.t.Fatalf("it does not close: %d %s", code, out)
	}
	if n := len(w.incidents()); n != 1 {
		w.t.Errorf("%d incidents besides those of drills", n)
	}
}

// evidenceHolds checks the chain offline, and changes one byte.
func (w *world) evidenceHolds() {
	w.t.Helper()
	copied := filepath.Join(w.t.TempDir(), "evidence")
	w.cli(nil, "evidence", "export", copied)
	args := []string{"evidence", "verify", "--dir", copied, "--key", filepath.Join(w.data, evidencePublic)}
	if out, code := w.try(args...); code != 0 {
		w.t.Fatalf("%d %s", code, out)
	}
	path := filepath.Join(copied, "records")
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if out, code := w.try(args...); code != exitBroken {
		w.t.Errorf("a changed byte is not found: %d %s", code, out)
	}
}

func (w *world) ledgerBalances() {
	w.t.Helper()
	stored := uint64(0)
	for _, r := range w.status().Ledger {
		if !r.Balanced() {
			w.t.Errorf("%+v does not add up", r)
		}
		stored += r.Stored
	}
	if stored == 0 {
		w.t.Error("nothing is stored")
	}
	out, code := w.try("query", fmt.Sprintf("dataset:linux.sshd src_ip:%s | summarize n=count() by action", w.lab.Attacker.Addr))
	if code != 0 || !strings.Contains(out, "login_failed") {
		w.t.Errorf("%d %s", code, out)
	}
}
