package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
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

// TestKills kills the server, and every third time the agent, with signal 9 at
// random moments, 30 times in all, while real logins fail, a block is applied,
// its lease runs out, and the host is hardened. Afterwards every line that sshd
// wrote is there exactly once, there is one alert and one incident, nothing was
// applied twice, the lease has ended, and the evidence is unbroken.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("the kills take two minutes")
	}
	n := kills
	if s := os.Getenv("HOLDFAST_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, "")
	stop := make(chan struct{})
	var attacking sync.WaitGroup
	attacking.Add(1)
	go func() { // one login every moment, as long as the killing goes on
		defer attacking.Done()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = w.lab.SSHPassword(w.lab.Attacker, user, fmt.Sprintf("wrong-%d", i))
		}
	}()
	blocked := w.survive(n)
	close(stop)
	attacking.Wait()
	w.everythingOnce(blocked)
}

// survive kills n times and moves the story on in between; it returns the block.
func (w *world) survive(n int) holdfast.Action {
	w.t.Helper()
	var block holdfast.Action
	for i := range n {
		time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond) // the moment is the point
		if i%3 == 2 {
			w.killAgent()
		} else {
			w.killServer()
		}
		switch {
		case i == 3:
			w.wait(20*time.Second, "an incident between the kills", func() bool { return len(w.incidents()) == 1 })
			block = w.propose(w.incidents()[0].ID)
		case i > 3 && block.Status == holdfast.Planned:
			// Not waited for: the next kill comes in the middle of it.
			go w.try("actions", "approve", block.ID)
			block.Status = holdfast.Approved
		}
	}
	return block
}

// propose asks for a short block of the bystander, who does nothing else.
func (w *world) propose(incident string) holdfast.Action {
	w.t.Helper()
	var a holdfast.Action
	w.cli(&a, "actions", "propose", "block-address", "--asset", "victim", "--value", w.lab.Bystander.Addr.String(), "--lease", "1m", "--incident", incident, "--because", "a test of leases")
	w.wait(30*time.Second, "the block is planned", func() bool {
		w.cli(&a, "actions", a.ID)
		return a.Status == holdfast.Planned
	})
	return a
}

func (w *world) everythingOnce(block holdfast.Action) {
	w.t.Helper()
	w.wait(30*time.Second, "the block has come to rest", func() bool {
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
	w.wait(30*time.Second, "every line is stored", func() bool {
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
		if m.Ref == block.ID && strings.HasSuffix(m.Say, "applied") {
			applied[m.Ref]++
		}
	}
	if applied[block.ID] != 1 {
		w.t.Errorf("the block was applied %d times by the timeline", applied[block.ID])
	}
}
