package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/natslab"
	"holdfast/internal/testkit/netlab"
	"holdfast/internal/testkit/postgres"
	"holdfast/store/state"
)

// TestDrillOverNodes runs a drill on one node against a real sshd, whose lines come
// in on another and are looked at by a third, which is killed in a second drill. In
// neither do they raise an alert outside of the drill.
func TestDrillOverNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("seven programs take a while")
	}
	netlab.Require(t, "ssh", "rsyslogd")
	lab := netlab.New(t)
	lab.StartRsyslog("")
	lab.StartSSHD()
	db, bus, shared := postgres.Start(t), natslab.Start(t, "TestNATSNode"), t.TempDir()
	node := func(name, role string) *solo {
		s := newSolo(t, filepath.Join(t.TempDir(), name), "--no-agent", "--state", db.URL, "--bus", bus.URL, "--events", shared, "--role", role)
		s.start()
		return s
	}
	serve, other := node("serve", "serve"), node("other", "serve")
	in, look := node("in", "ingest"), node("look", "detect")
	st, err := state.OpenPostgres(t.Context(), db.URL, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	enrolled(t, st, reached(t, lab))
	stop := forward(t, lab, in, serve.inputToken("victim"))

	d := drilled(t, serve)
	if d.Status != holdfast.DrillPassed || len(d.Hops) != 4 {
		t.Errorf("over nodes: %+v", d)
	}
	for _, h := range d.Hops {
		if !h.OK || h.Took < 0 {
			t.Errorf("hop %+v", h)
		}
	}
	// The detector is killed, and another takes over while the drill waits.
	look.kill()
	passed := make(chan holdfast.Drill, 1)
	go func() { passed <- drilled(t, other) }()
	other.wait(time.Minute, "the drill runs", func() bool {
		list, err := st.Drills().All(context.Background(), map[string]string{"status": holdfast.DrillRunning})
		return err == nil && len(list) == 1
	})
	if out, errOut, code := serve.run("drills", "run", "ssh-bruteforce", "--asset", "web-1"); code == 0 || !strings.Contains(errOut, "runs on") {
		t.Errorf("a second drill on the host, from another node, ended with %d: %s %s", code, out, errOut)
	}
	look.start()
	if d = <-passed; d.Status != holdfast.DrillPassed {
		t.Errorf("with a detector killed: %+v", d)
	}
	stop()
	alerts, err := st.Alerts().All(t.Context(), map[string]string{"drill": ""})
	if err != nil || len(alerts) != 0 {
		t.Errorf("alerts outside of the drills: %+v %v", alerts, err)
	}
	live, err := st.Incidents().All(t.Context(), map[string]string{"live": "true"})
	if err != nil || len(live) != 0 {
		t.Errorf("incidents of drills that are not closed: %+v %v", live, err)
	}
}

// drilled runs a drill through a node and returns it when it is over.
func drilled(t *testing.T, s *solo) (d holdfast.Drill) {
	out, errOut, code := s.run("drills", "run", "ssh-bruteforce", "--asset", "web-1", "--json")
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Errorf("the drill ended with %d: %s %s", code, out, errOut)
	}
	return d
}

// reached lets this machine's loopback reach the lab's sshd, and returns the port.
func reached(t *testing.T, lab *netlab.Lab) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer from.Close()
				to, err := lab.Management.Dial(context.Background(), "tcp", lab.Victim.Addr.String()+":22")
				if err != nil {
					return
				}
				defer to.Close()
				go func() { _, _ = io.Copy(to, from) }()
				_, _ = io.Copy(from, to)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// enrolled makes an enrolled host whose sshd listens on a port of loopback.
func enrolled(t *testing.T, st *state.DB, port int) {
	t.Helper()
	now := time.Now().UTC()
	if err := st.Assets().Put(t.Context(), holdfast.Asset{ID: "ast-1", Name: "web-1", Host: "web-1", Kind: "host", Local: true, Addresses: []string{"127.0.0.1"}, Enrolled: now}); err != nil {
		t.Fatal(err)
	}
	facts := holdfast.Facts{Asset: "ast-1", Tables: map[string]holdfast.Table{"listeners": {Rows: []holdfast.Row{{"port": int64(port), "process": "sshd"}}}}}
	if err := st.PutFacts(t.Context(), facts); err != nil {
		t.Fatal(err)
	}
}

// forward posts what the victim's rsyslogd writes to a node, until stop.
func forward(t *testing.T, lab *netlab.Lab, to *solo, token string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		said := ""
		for at, n := 0, 0; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			b, err := os.ReadFile(lab.Victim.Path("/var/log/auth.log"))
			if err != nil {
				continue
			}
			end := bytes.LastIndexByte(b, '\n') + 1
			if end <= at {
				continue
			}
			if status, _, answer := to.post(token, fmt.Sprint("lines-", strconv.Itoa(n)), b[at:end]); status != 200 {
				if said != answer {
					said = answer
					t.Logf("%d %s", status, answer)
				}
				continue
			}
			at, n = end, n+1
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}
