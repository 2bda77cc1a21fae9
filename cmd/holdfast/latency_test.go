package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
)

// BenchmarkAlert measures from the line that crosses the threshold, appended to
// the victim's auth.log, to the alert and its incident in the server's API: file
// tail, agent, wire, disk, rules, triage. Each round is another attacker. Run it
// with -benchtime 200x: p50 and p99 need some rounds.
func BenchmarkAlert(b *testing.B) {
	w := newWorld(b, "")
	l := w.liveView()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		start, addr := w.burst(i)
		took = append(took, l.until(start, func() bool {
			return slices.ContainsFunc(l.incidents(), func(in holdfast.Incident) bool {
				return hasEntity(in.Entities, holdfast.EntitySource, addr) && len(in.Alerts) > 0
			})
		}))
	}
	quantiles(b, "", took)
}

// BenchmarkBlock measures from the alert to the block that is verified with new
// connections, approved without a person.
func BenchmarkBlock(b *testing.B) {
	w := newWorld(b, "", "--auto-approve", "action/block-address")
	l := w.liveView()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		start, addr := w.burst(i)
		var done holdfast.Action
		l.until(start, func() bool {
			for _, a := range l.actions() {
				if a.Part == "action/block-address" && strings.Contains(string(a.Params), `"`+addr+`"`) {
					done = a
				}
			}
			return done.Status == holdfast.Verified
		})
		raised := l.alert(addr).Raised
		if raised.IsZero() {
			b.Fatalf("no alert about %s", addr)
		}
		took = append(took, done.Verified.Sub(raised))
	}
	quantiles(b, "", took)
}

// burst appends five failing logins of the i-th attacker to the victim's log,
// as its rsyslogd writes them, and returns when the last was there.
func (w *world) burst(i int) (time.Time, string) {
	w.t.Helper()
	addr := fmt.Sprintf("192.0.2.%d", 1+i%250)
	if i >= 250 {
		addr = fmt.Sprintf("198.51.100.%d", 1+i%250)
	}
	path := w.lab.Victim.Path("/var/log/auth.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for n := range 5 {
		time.Sleep(20 * time.Millisecond)
		at := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
		if _, err := fmt.Fprintf(f, "%s victim sshd[%d]: Failed password for %s from %s port %d ssh2\n", at, 10000+i, user, addr, 40000+n); err != nil {
			w.t.Fatal(err)
		}
	}
	return time.Now(), addr
}

// liveView is a client that keeps its connection to the server.
type liveView struct {
	w *world
	http.Client
	contact contact
}

func (w *world) liveView() *liveView {
	w.t.Helper()
	l := &liveView{w: w}
	raw, err := os.ReadFile(filepath.Join(w.data, contactFile))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &l.contact); err != nil {
		w.t.Fatal(err)
	}
	l.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return w.lab.Management.Dial(ctx, network, addr)
	}}
	return l
}

func (l *liveView) get(path string, into any) {
	l.w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, l.contact.URL+"/api/v1"+path, http.NoBody)
	if err != nil {
		l.w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.contact.Token)
	resp, err := l.Do(req)
	if err != nil {
		l.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		l.w.t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
	}
}

func (l *liveView) incidents() []holdfast.Incident {
	var all list[holdfast.Incident]
	l.get("/incidents?limit=5", &all)
	return all.Items
}

func (l *liveView) alert(addr string) holdfast.Alert {
	var all list[holdfast.Alert]
	l.get("/alerts?limit=10", &all)
	for _, a := range all.Items {
		if hasEntity(a.Group, holdfast.EntitySource, addr) {
			return a
		}
	}
	return holdfast.Alert{}
}

func (l *liveView) actions() []holdfast.Action {
	var all list[holdfast.Action]
	l.get("/actions?limit=5", &all)
	return all.Items
}

// until looks every two milliseconds, for ten seconds.
func (l *liveView) until(start time.Time, done func() bool) time.Duration {
	l.w.t.Helper()
	for range 5000 {
		if done() {
			return time.Since(start)
		}
		time.Sleep(2 * time.Millisecond)
	}
	l.w.t.Fatal("it never came")
	return 0
}

func quantiles(b *testing.B, of string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1)+0.5)].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), of+"p50-ms")
	b.ReportMetric(at(0.99), of+"p99-ms")
	b.ReportMetric(at(1), of+"max-ms")
}
