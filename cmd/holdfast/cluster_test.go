package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/natslab"
	"holdfast/internal/testkit/postgres"
	"holdfast/spine"
	"holdfast/spine/health"
	"holdfast/store/state"
)

// TestNATSNode is a server of a cluster when this binary is run as one.
func TestNATSNode(t *testing.T) { natslab.Serve(t) }

// TestCluster runs two nodes that take records in, two that look for alerts and
// one that serves, over a NATS cluster of three servers and PostgreSQL, and
// kills each with signal 9 in turn, a NATS server and the database too, while a
// sender goes on. Afterwards every record that was acknowledged is there once,
// and so is every alert, although each needs records from before and after
// kills.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("seven programs take a while")
	}
	db := postgres.Start(t)
	bus := natslab.Start(t, "TestNATSNode")
	shared := t.TempDir()
	node := func(name, role string) *solo {
		s := newSolo(t, filepath.Join(t.TempDir(), name), "--no-agent", "--state", db.URL, "--bus", bus.URL, "--events", shared, "--role", role, "--health", "quiet:http:*=4s")
		s.start()
		return s
	}
	serve := node("serve", "serve")
	in := []*solo{node("in1", "ingest"), node("in2", "ingest")}
	look := []*solo{node("look1", "detect"), node("look2", "detect")}
	st, err := state.OpenPostgres(context.Background(), db.URL, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })

	send := &clusterSender{t: t, to: in, token: serve.inputToken("sender"), stop: make(chan struct{})}
	var sending sync.WaitGroup
	sending.Go(send.run)
	detected := func() uint64 {
		seq, _, err := st.Position(context.Background(), "detect")
		if err != nil {
			return 0
		}
		return seq
	}
	// goesOn waits until records that come from now on are acknowledged, stored
	// and looked at.
	goesOn := func(after string) {
		t.Helper()
		from := send.count()
		serve.wait(time.Minute, "records are acknowledged "+after, func() bool { return send.count() > from+10 })
		seq, before := detected(), waited(st)
		serve.wait(time.Minute, "records are looked at "+after, func() bool { return detected() > seq })
		serve.wait(time.Minute, "records are stored "+after, func() bool { return waited(st) > before })
	}
	goesOn("at first")
	schedule(serve)
	kill := func(s *solo, what string) {
		t.Helper()
		if err := s.server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-s.done
		if s != serve {
			goesOn("without " + what)
		}
		s.start()
		goesOn("with " + what + " again")
	}
	for i, s := range look {
		kill(s, fmt.Sprint("detector ", i))
	}
	for i, s := range in {
		kill(s, fmt.Sprint("intake ", i))
	}
	kill(serve, "the server")
	bus.Kill(0)
	goesOn("without a NATS server")
	bus.Restart(0, "TestNATSNode")
	db.Kill()
	db.Start()
	goesOn("after a kill of the database")
	killed := time.Now()
	// A detector dies for good now, and the rule that is a search goes on.
	goner := look[0]
	if err := goner.server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-goner.done
	goner.server = nil
	goesOn("with one detector")
	close(send.stop)
	sending.Wait()
	everyRecordOnce(t, serve, send)
	everyAlertOnce(t, st, send)
	serve.wait(100*time.Second, "the search has run after the last kill", func() bool { return searched(t, st).At.After(killed) })
	everySearchAlertOnce(t, st, send)
	healthEverywhere(t, st, goner, append([]*solo{serve, look[1]}, in...))
}

const clusterSearch = "logins"

// schedule makes a search a rule that raises one alert for each batch that has
// failed logins: a batch has one pid and comes in one block, so that it is in one
// run of the rule, and all of it.
func schedule(s *solo) {
	s.t.Helper()
	for _, args := range [][]string{
		{"search", "save", clusterSearch, "dataset:linux.sshd action:login_failed"},
		{"search", "schedule", clusterSearch, "--every", "1m", "--threshold", strconv.Itoa(loginsOfOne), "--group-by", "process.pid"},
	} {
		if _, errOut, code := s.run(args...); code != 0 {
			s.t.Fatalf("holdfast %v ended with %d: %s", args, code, errOut)
		}
	}
}

func searched(t *testing.T, st *state.DB) holdfast.SearchRuns {
	t.Helper()
	x, err := st.Searches().Get(context.Background(), clusterSearch)
	if err != nil || x.Runs == nil {
		t.Fatal(x, err)
	}
	return *x.Runs
}

// everySearchAlertOnce looks at the alerts of the search, which ran on one detector
// after the other: one for each batch with failed logins of the time that it has
// seen, whoever was killed in between.
func everySearchAlertOnce(t *testing.T, st *state.DB, send *clusterSender) {
	t.Helper()
	x, err := st.Searches().Get(context.Background(), clusterSearch)
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := st.Alerts().All(context.Background(), map[string]string{"rule": x.AlertRule()})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for i := range alerts {
		for _, e := range alerts[i].Group {
			got[e.Value]++
		}
	}
	first, last := -1, -1
	for n := 0; n < send.count(); n += oneIn {
		if got[strconv.Itoa(n+1)] > 0 {
			if first < 0 {
				first = n
			}
			last = n
		}
	}
	if first < 0 || x.Runs.Fault != "" || x.Runs.Alerts != uint64(len(alerts)) || x.Runs.Throttled != 0 {
		t.Fatalf("%d alerts, %+v", len(alerts), x.Runs)
	}
	for n := first; n <= last; n += oneIn {
		if got[strconv.Itoa(n+1)] != 1 {
			t.Errorf("%d alerts of the search for batch %d", got[strconv.Itoa(n+1)], n)
		}
	}
	// It saw all that came until its last run, which was after the last kill.
	if left := send.count() - last; left > 2*oneIn {
		t.Errorf("the search has seen batches %d to %d of %d", first, last, send.count())
	}
	t.Logf("%d runs of the search, %d alerts", x.Runs.Runs, len(alerts))
}

// healthEverywhere asks each node for the health of all: the sender is quiet now,
// and a detector is gone, with one alert for each.
func healthEverywhere(t *testing.T, st *state.DB, goner *solo, nodes []*solo) {
	t.Helper()
	id, err := nodeID(filepath.Join(goner.data, "node"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range nodes {
		var h spine.Health
		s.wait(time.Minute, "every node says that the sender is quiet and a node is gone", func() bool {
			h = s.health()
			quiet, gone := false, false
			for _, x := range h.Troubles {
				quiet = quiet || x.Kind == health.Quiet && x.Subject == "http:sender"
				gone = gone || x.Kind == health.Node && x.Subject == id
			}
			return quiet && gone
		})
		here := 0
		for _, n := range h.Nodes {
			if n.Here {
				here++
			}
			if n.Gone != (n.ID == id) {
				t.Errorf("%s: %+v", s.args, n)
			}
		}
		if len(h.Nodes) != 5 || here != 1 || len(h.Readers) != 2 {
			t.Errorf("%s: nodes %+v, readers %+v", s.args, h.Nodes, h.Readers)
		}
	}
	nodes[0].wait(time.Minute, "each has one alert", func() bool {
		open, err := st.Alerts().All(context.Background(), map[string]string{"status": holdfast.AlertOpen})
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for i := range open {
			n[open[i].Rule]++
		}
		return n["health.quiet"] == 1 && n["health.node"] == 1
	})
}

func waited(st *state.DB) uint64 {
	seq, _, err := st.Position(context.Background(), holdfast.WriterPosition)
	if err != nil {
		return 0
	}
	return seq
}

// clusterSender posts batches, one after the other, each until it is
// acknowledged by one of the nodes. Every tenth batch has a failed login of six
// addresses, five of which are in the one before, so that each address has six
// in as many batches.
type clusterSender struct {
	t     *testing.T
	to    []*solo
	token string
	stop  chan struct{}

	mu    sync.Mutex
	acked int // batches
	again int // tries without an answer
}

const (
	loginsOfOne = 6
	oneIn       = 10
)

func addressOf(n int) string { return fmt.Sprintf("10.9.%d.%d", n/250, 1+n%250) }

func (c *clusterSender) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked
}

func (c *clusterSender) run() {
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		case <-time.After(100 * time.Millisecond): // the rhythm of a sender, not a wait
		}
		var body bytes.Buffer
		now := time.Now().Format(time.Stamp)
		for i := range loginsOfOne {
			if n%oneIn == 0 {
				fmt.Fprintf(&body, "%s web-01 sshd[%d]: Failed password for root from %s port %d ssh2\n", now, n+1, addressOf(n/oneIn+i), 1024+i)
			} else {
				fmt.Fprintf(&body, "%s web-01 sshd[%d]: Accepted publickey for deploy from 192.0.2.9 port %d ssh2\n", now, n+1, 1024+i)
			}
		}
		for try := n; ; try++ {
			status, _, _ := c.to[try%len(c.to)].post(c.token, "batch-"+strconv.Itoa(n), body.Bytes())
			c.mu.Lock()
			if status == http.StatusOK {
				c.acked++
				c.mu.Unlock()
				break
			}
			c.again++
			c.mu.Unlock()
			select {
			case <-c.stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func everyRecordOnce(t *testing.T, s *solo, send *clusterSender) {
	t.Helper()
	sent := send.count() * loginsOfOne
	seen := map[string]int{}
	s.wait(time.Minute, fmt.Sprintf("%d records are found", sent), func() bool {
		clear(seen)
		total := 0
		for _, row := range s.rows("dataset:linux.sshd | summarize n=count() by raw") {
			n, _ := row["n"].(float64)
			raw, _ := row["raw"].(string)
			seen[raw] = int(n)
			total += int(n)
		}
		return total >= sent
	})
	for raw, n := range seen {
		if n != 1 {
			t.Errorf("%d times: %s", n, raw)
		}
	}
	if len(seen) != sent {
		t.Errorf("%d records were acknowledged and %d are there", sent, len(seen))
	}
	t.Logf("%d records in %d batches, %d tries without an answer", sent, send.count(), send.again)
}

func everyAlertOnce(t *testing.T, st *state.DB, send *clusterSender) {
	t.Helper()
	// The first and the last addresses have fewer logins than the rule's five.
	first, last := loginsOfOne-2, (send.count()-1)/oneIn+1
	got := map[string]int{}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		alerts, err := st.Alerts().All(context.Background(), map[string]string{"rule": "ssh_bruteforce"})
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
		for _, a := range alerts {
			for _, e := range a.Group {
				got[e.Value]++
			}
		}
		if len(got) > last-first || time.Now().After(end) {
			break
		}
	}
	for n := first; n <= last; n++ {
		if got[addressOf(n)] != 1 {
			t.Errorf("%d alerts for %s", got[addressOf(n)], addressOf(n))
		}
	}
	t.Logf("%d alerts", len(got))
	if len(got) != last-first+1 {
		t.Errorf("%d addresses have an alert, %d should", len(got), last-first+1)
	}
}
