package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/api"
)

// kills is how often TestKills kills a program; HOLDFAST_KILLS says otherwise.
const kills = 30

// TestKills goes through the story while the server, and every third time the
// agent, is killed with signal 9 at random moments, 30 times in all: while real
// logins fail, while a block is applied, while the host is hardened, and while
// drills run and the incident is closed. Afterwards every line that sshd wrote
// is there exactly once, there is one alert and one incident, nothing was
// applied twice, the lease has ended, and the evidence is unbroken.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("the kills take minutes")
	}
	n := kills
	if s := os.Getenv("HOLDFAST_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, "")
	k := &killer{w: w}
	stop := make(chan struct{})
	var attacking sync.WaitGroup
	attacking.Go(func() { // one login every moment
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = w.lab.SSHPassword(w.lab.Attacker, user, fmt.Sprintf("wrong-%d", i))
		}
	})
	w.wait(time.Minute, "an incident", func() bool { return len(w.incidents()) == 1 })
	k.times(max(1, n/6))
	incident := w.incidents()[0].ID
	block := w.propose(incident)
	k.during(n/6, "the block", func() error { return w.proven(block.ID) })
	k.during(n/3, "the hardening", w.hardened)
	close(stop)
	attacking.Wait()
	k.during(n-k.done-1, "the closing", func() error { return w.closed(incident) })
	k.times(n - k.done)
	t.Logf("killed %d times", k.done)
	if ok, _ := w.lab.SSHPassword(w.lab.Management, user, password); ok {
		t.Error("a password still logs in")
	}
	w.everythingOnce(block)
}

// killer kills programs at random moments and starts them again.
type killer struct {
	w    *world
	done int
}

func (k *killer) times(n int) {
	k.w.t.Helper()
	for range n {
		time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond) // the moment is the point
		if k.done++; k.done%3 == 0 {
			k.w.killAgent()
		} else {
			k.w.killServer()
		}
	}
}

// during kills n times while the step goes on, which then has to come to its
// end in peace.
func (k *killer) during(n int, what string, step func() error) {
	k.w.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- step() }()
	k.times(n)
	select {
	case err := <-ended:
		if err != nil {
			k.w.t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(2 * time.Minute):
		k.w.t.Fatalf("%s does not come to its end after the kills", what)
	}
}

// until tries for two minutes; what one try cannot do because a program was
// just killed, the next one does.
func until(try func() bool) error {
	for range 600 {
		if try() {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return errors.New("not done in two minutes")
}

// read asks once, and reports whether there was an answer.
func (w *world) read(into any, args ...string) bool {
	out, _ := w.try(append(args, "--json")...)
	return json.Unmarshal([]byte(out), into) == nil
}

// proven approves an action until it is verified, or has been and is over.
func (w *world) proven(id string) error {
	return until(func() bool {
		var a holdfast.Action
		if !w.read(&a, "actions", id) {
			return false
		}
		if a.Status == holdfast.Planned {
			_, _ = w.try("actions", "approve", id)
		}
		return a.Status == holdfast.Verified || a.Status == holdfast.Undone
	})
}

// hardened plans and approves the hardening until one plan of it is verified.
// A change whose confirmation the kills delayed has undone itself, as it must,
// and is planned anew.
func (w *world) hardened() error {
	return until(func() bool {
		var all []holdfast.Action
		if !w.read(&all, "actions") {
			return false
		}
		all = slices.DeleteFunc(all, func(a holdfast.Action) bool { return a.Part != "artefact/sshd-drop-in" })
		if slices.ContainsFunc(all, func(a holdfast.Action) bool { return a.Status == holdfast.Verified }) {
			return true
		}
		for _, a := range all {
			switch {
			case a.Status == holdfast.Planned:
				_, _ = w.try("actions", "approve", a.ID)
				return false
			case a.Live() || a.Status == holdfast.Proposed:
				return false
			}
		}
		_, _ = w.try("plan", "ssh-hard", "--asset", "victim")
		return false
	})
}

// closed does what the gate lists until the incident closes.
func (w *world) closed(incident string) error {
	return until(func() bool {
		var v api.IncidentView
		if !w.read(&v, "incidents", incident) {
			return false
		}
		if v.Incident.Status == holdfast.IncidentClosed {
			return true
		}
		for _, task := range v.Incident.Tasks {
			if !task.Done {
				_, _ = w.try("incidents", "task", incident, task.ID)
			}
		}
		for _, a := range v.Actions {
			switch {
			case a.Status == holdfast.Planned || a.Status == holdfast.Proposed:
				_, _ = w.try("actions", "reject", a.ID, "--because", "not needed")
			case a.Status == holdfast.Verified && a.Part == "action/block-address":
				_, _ = w.try("actions", "undo", a.ID)
			}
		}
		for _, kind := range []string{"ssh-bruteforce", "ssh-password-login"} {
			var all []holdfast.Drill
			if !w.read(&all, "drills") {
				return false
			}
			if !slices.ContainsFunc(all, func(d holdfast.Drill) bool {
				return d.Kind == kind && d.Incident == incident && d.Status == holdfast.DrillPassed
			}) {
				_, _ = w.try("drills", "run", kind, "--asset", "victim", "--incident", incident)
				return false
			}
		}
		_, _ = w.try("verify", "ssh-hard", "--asset", "victim")
		_, _ = w.try("incidents", "close", incident)
		return false
	})
}

// propose asks for a short block of the bystander, who does nothing else.
func (w *world) propose(incident string) holdfast.Action {
	w.t.Helper()
	var a holdfast.Action
	w.cli(&a, "actions", "propose", "block-address", "--asset", "victim", "--value", w.lab.Bystander.Addr.String(), "--lease", "1m", "--incident", incident, "--because", "a test of leases")
	w.wait(time.Minute, "the block is planned", func() bool {
		w.cli(&a, "actions", a.ID)
		return a.Status == holdfast.Planned
	})
	return a
}

func (w *world) everythingOnce(block holdfast.Action) {
	w.t.Helper()
	w.wait(time.Minute, "the block has come to rest", func() bool {
		w.cli(&block, "actions", block.ID)
		return block.Status == holdfast.Verified || block.Status == holdfast.Undone
	})
	var written int
	count := func() map[string]int {
		b, err := w.lab.Victim.ReadFile("/var/log/auth.log")
		if err != nil {
			w.t.Fatal(err)
		}
		lines := map[string]int{}
		written = 0
		for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			lines[l]++
			written++
		}
		return lines
	}
	stored := map[string]int{}
	w.wait(time.Minute, "every line is stored", func() bool {
		clear(stored)
		total := 0
		for l, n := range w.rawLines() {
			stored[l] += n
			total += n
		}
		count()
		return total >= written
	})
	lost, doubled := 0, 0
	for l, n := range count() {
		switch {
		case stored[l] < n:
			lost += n - stored[l]
		case stored[l] > n:
			doubled += stored[l] - n
		}
	}
	w.t.Logf("%d lines written; lost %d, doubled %d", written, lost, doubled)
	if lost > 0 || doubled > 0 || written < 50 {
		w.t.Errorf("of %d lines %d were lost and %d doubled", written, lost, doubled)
	}
	if a := w.alerts(""); len(alertsOf(a, "ssh_bruteforce")) != 1 {
		w.t.Errorf("%d alerts of brute force", len(alertsOf(a, "ssh_bruteforce")))
	}
	in := w.incidents()
	if len(in) != 1 {
		w.t.Errorf("%d incidents", len(in))
	}
	w.appliedOnce(block, in[0].ID)
	w.wait(2*time.Minute, "the lease has ended and that is proven", func() bool {
		w.cli(&block, "actions", block.ID)
		return block.Status == holdfast.Undone && block.UndoProof != nil
	})
	if !block.UndoProof.Holds {
		w.t.Errorf("%+v", block.UndoProof)
	}
	w.evidenceHolds()
	for _, r := range w.status().Ledger {
		if !r.Balanced() {
			w.t.Errorf("%+v does not add up", r)
		}
	}
}

func alertsOf(all []holdfast.Alert, rule string) (out []holdfast.Alert) {
	for _, a := range all {
		if a.Rule == rule {
			out = append(out, a)
		}
	}
	return out
}

// rawLines asks for every stored line of the victim's file.
func (w *world) rawLines() map[string]int {
	w.t.Helper()
	out, code := w.try("query", `source:*auth.log | project raw`, "--limit", "10000", "--json")
	if code != 0 {
		return nil
	}
	lines := map[string]int{}
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		var row struct{ Raw string }
		if json.Unmarshal([]byte(l), &row) == nil && row.Raw != "" {
			lines[row.Raw]++
		}
	}
	return lines
}

// appliedOnce looks for actions told twice.
func (w *world) appliedOnce(block holdfast.Action, incident string) {
	w.t.Helper()
	var v api.IncidentView
	w.cli(&v, "incidents", incident)
	applied := map[string]int{}
	for _, m := range v.Incident.Timeline {
		if m.Kind == "action" && strings.HasSuffix(m.Say, " applied") {
			applied[m.Ref]++
		}
	}
	for id, n := range applied {
		if n != 1 {
			w.t.Errorf("%s was applied %d times by the timeline", id, n)
		}
	}
	if applied[block.ID] != 1 || len(applied) < 2 {
		w.t.Errorf("the timeline tells of %v", applied)
	}
}
