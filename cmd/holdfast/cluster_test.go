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
		s := newSolo(t, filepath.Join(t.TempDir(), name), "--no-agent", "--state", db.URL, "--bus", bus.URL, "--events", shared, "--role", role)
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
		serve.wait(40*time.Second, "records are acknowledged "+after, func() bool { return send.count() > from+10 })
		seq, before := detected(), waited(st)
		serve.wait(40*time.Second, "records are looked at "+after, func() bool { return detected() > seq })
		serve.wait(40*time.Second, "records are stored "+after, func() bool { return waited(st) > before })
	}
	goesOn("at first")
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
	close(send.stop)
	sending.Wait()
	everyRecordOnce(t, serve, send)
	everyAlertOnce(t, st, send)
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
	s.wait(60*time.Second, fmt.Sprintf("%d records are found", sent), func() bool {
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
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
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
