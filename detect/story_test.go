package detect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
)

var begin = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// line is one sshd event; n makes its id.
func line(n int, after time.Duration, action, user, ip, drill string) holdfast.Event {
	at := begin.Add(after)
	raw := fmt.Sprintf("%d %s for %s from %s", n, action, user, ip)
	return holdfast.Event{
		ID: holdfast.NewEventID("test", fmt.Sprint(n), []byte(raw), 0), Time: at, Received: at.Add(time.Second),
		Asset: "ast-1", Dataset: "linux.sshd", Drill: drill, Raw: []byte(raw),
		Fields: []holdfast.Field{{Name: "hostname", Text: "web-1"}, {Name: "action", Text: action}, {Name: "user", Text: user}, {Name: "src_ip", Text: ip}},
	}
}

func failures(from, n int, after time.Duration, ip, drill string) []holdfast.Event {
	var out []holdfast.Event
	for i := range n {
		out = append(out, line(from+i, after+time.Duration(i)*time.Second, "login_failed", "admin", ip, drill))
	}
	return out
}

func detector(t testing.TB) *Detector {
	t.Helper()
	d := New(Options{Datasets: datasets(), Clock: clock.NewFixed(begin)})
	if f := d.Load(ours(t)); len(f) > 0 {
		t.Fatal(f)
	}
	return d
}

// run processes events in blocks of one and returns the newest state of every
// alert, in the order in which they were raised.
func run(d *Detector, seq uint64, events ...holdfast.Event) []holdfast.Alert {
	var out []holdfast.Alert
	at := map[string]int{}
	for i := range events {
		s := uint64(0)
		if seq > 0 {
			s = seq + uint64(i)
		}
		for _, a := range d.Process(s, &holdfast.Block{Events: events[i : i+1]}) {
			if n, ok := at[a.ID]; ok {
				out[n] = a
				continue
			}
			at[a.ID] = len(out)
			out = append(out, a)
		}
	}
	return out
}

func only(t *testing.T, as []holdfast.Alert, rule string) holdfast.Alert {
	t.Helper()
	var found []holdfast.Alert
	for _, a := range as {
		if a.Rule == rule {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d alerts of %s, want 1; all: %+v", len(found), rule, as)
	}
	return found[0]
}

func TestFiftyMoreFailuresAddToTheSameAlert(t *testing.T) {
	d := detector(t)
	first := only(t, run(d, 0, failures(0, 5, 0, "192.0.2.7", "")...), "ssh_bruteforce")
	if first.Count != 5 || len(first.Matches) != 5 || first.Level != holdfast.High {
		t.Fatalf("count %d, matches %d, level %s", first.Count, len(first.Matches), first.Level)
	}
	if diff := cmp.Diff([]holdfast.Entity{{Kind: "source.ip", Value: "192.0.2.7"}}, first.Group); diff != "" {
		t.Error(diff)
	}
	if got := first.Stages[0].Why; got != "5 events by source.ip=192.0.2.7 within 1m" {
		t.Error(got)
	}
	want := holdfast.Predicate{Selection: "failed", Field: "action", Op: "equals", Want: "login_failed", Got: "login_failed"}
	if diff := cmp.Diff([]holdfast.Predicate{want}, first.Matches[0].Because); diff != "" {
		t.Error(diff)
	}
	more := only(t, run(d, 0, failures(5, 60, 5*time.Second, "192.0.2.7", "")...), "ssh_bruteforce")
	if more.ID != first.ID || more.Count != 65 || len(more.Matches) != holdfast.MaxMatches || len(more.Stages) != 1 {
		t.Errorf("id %s (was %s), count %d, matches %d, stages %d", more.ID, first.ID, more.Count, len(more.Matches), len(more.Stages))
	}
	if more.Matches[0].Event != first.Matches[0].Event || !more.Last.Equal(begin.Add(64*time.Second)) {
		t.Error("the first match or the last time is wrong")
	}
}

func TestSuccessRaisesTheAlert(t *testing.T) {
	d := detector(t)
	events := append(failures(0, 7, 0, "192.0.2.7", ""), line(50, 4*time.Minute, "login_success", "admin", "192.0.2.7", ""))
	before := only(t, run(d, 0, events[:7]...), "ssh_bruteforce")
	after := run(d, 0, events[7:]...)
	a := only(t, after, "ssh_bruteforce_success")
	if len(after) != 1 || a.ID != before.ID || a.Level != holdfast.Critical || len(a.Stages) != 2 || a.Count != 8 {
		t.Fatalf("%+v", after)
	}
	if diff := cmp.Diff([]string{"T1110.001", "T1078"}, a.Attack); diff != "" {
		t.Error(diff)
	}
	again := run(d, 0, failures(60, 3, 4*time.Minute+time.Second, "192.0.2.7", "")...)
	for _, b := range again {
		if b.ID != a.ID {
			t.Errorf("a new alert %s of %s", b.ID, b.Rule)
		}
	}
}

func TestDrillsStayApart(t *testing.T) {
	d := detector(t)
	drill, real := failures(0, 4, 0, "192.0.2.7", "drl-1"), failures(10, 4, 0, "192.0.2.7", "")
	if got := run(d, 0, append(drill, real...)...); len(got) != 0 {
		t.Fatalf("events of a drill and others were counted together: %+v", got)
	}
	if a := only(t, run(d, 0, failures(20, 1, 5*time.Second, "192.0.2.7", "drl-1")...), "ssh_bruteforce"); a.Drill != "drl-1" {
		t.Errorf("drill %q", a.Drill)
	}
	if a := only(t, run(d, 0, failures(21, 1, 5*time.Second, "192.0.2.7", "")...), "ssh_bruteforce"); a.Drill != "" {
		t.Errorf("a real attack hides in drill %q", a.Drill)
	}
}

func TestLateAndDoubledEvents(t *testing.T) {
	d := detector(t)
	es := failures(0, 5, 0, "192.0.2.7", "")
	if got := run(d, 0, es[4], es[0], es[0], es[2], es[2], es[1]); len(got) != 0 {
		t.Fatalf("an event that came twice was counted twice: %+v", got)
	}
	a := only(t, run(d, 0, es[3]), "ssh_bruteforce")
	if !a.First.Equal(begin) || a.Matches[0].Event != es[0].ID {
		t.Errorf("first %s", a.First)
	}
	far := line(99, 80*365*24*time.Hour, "login_failed", "admin", "198.51.100.1", "")
	far.Received = begin
	if got := run(d, 0, append([]holdfast.Event{far}, failures(100, 5, 0, "198.51.100.1", "")...)...); len(got) == 0 {
		t.Error("one clock that runs ahead blinded the rule")
	}
}

// TestRestoreAtEveryPoint stops and starts again after every event, and must
// come to the same alerts as a run without a stop.
func TestRestoreAtEveryPoint(t *testing.T) {
	events := failures(0, 30, 0, "192.0.2.7", "")
	events = append(events, failures(100, 8, 5*time.Second, "192.0.2.8", "drl-1")...)
	events = append(events, line(200, time.Minute, "login_success", "admin", "192.0.2.7", ""), line(201, time.Minute, "login_success", "root", "192.0.2.9", ""))
	events = append(events, failures(300, 10, 61*time.Second, "192.0.2.7", "")...)
	whole := detector(t)
	want := run(whole, 1, events...)
	got := map[string]holdfast.Alert{}
	d := detector(t)
	for i := range events {
		b := &holdfast.Block{Events: events[i : i+1]}
		for _, a := range d.Process(uint64(i+1), b) {
			got[a.ID] = a
		}
		s, err := d.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		next := detector(t)
		if err := next.Restore(s); err != nil {
			t.Fatal(err)
		}
		if again, err := next.Snapshot(); err != nil || !bytes.Equal(s, again) {
			t.Fatalf("after event %d the snapshot of what was restored differs: %v", i, err)
		}
		if a := next.Process(uint64(i+1), b); len(a) > 0 {
			t.Fatal("a block was processed twice")
		}
		d = next
	}
	for _, a := range want {
		if diff := cmp.Diff(a, got[a.ID]); diff != "" {
			t.Errorf("%s: %s", a.Rule, diff)
		}
	}
	if len(got) != len(want) || len(want) < 3 {
		t.Errorf("%d alerts, without stops %d", len(got), len(want))
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	d := detector(t)
	run(d, 1, failures(0, 6, 0, "192.0.2.7", "")...)
	want, _ := d.Snapshot()
	for _, bad := range []string{"", "{", `{"version":2}`, `{"version":1,"correlation":{"version":1,"slots":[{"alert":3}]}}`, `{"version":1,"correlation":{"version":1,"groups":[{"entries":[{"match":9}]}]}}`} {
		if err := d.Restore([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if got, _ := d.Snapshot(); !bytes.Equal(got, want) {
		t.Error("damage changed the state")
	}
}

func TestPlainAlertsCount(t *testing.T) {
	d := detector(t)
	var es []holdfast.Event
	for i := range 20 {
		es = append(es, line(i, time.Duration(i)*time.Minute, "max_attempts", "root", "192.0.2.7", ""))
	}
	a := only(t, run(d, 0, es...), "ssh_max_attempts")
	if a.Count != 20 {
		t.Errorf("count %d", a.Count)
	}
	later := only(t, run(d, 0, line(50, time.Hour, "max_attempts", "root", "192.0.2.7", "")), "ssh_max_attempts")
	if later.ID == a.ID || later.Count != 1 {
		t.Error("an hour later it is a new alert")
	}
}

func TestReloadKeepsWindowsAndFaultsNameThePlace(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := New(Options{Datasets: datasets(), Clock: clock.NewFixed(begin)})
	if f := d.Load(ours(t), Dir(dir)); len(f) > 0 {
		t.Fatal(f)
	}
	run(d, 0, failures(0, 4, 0, "192.0.2.7", "")...)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	reloaded := make(chan holdfast.Faults, 100)
	go d.Watch(ctx, 5*time.Millisecond, func(f holdfast.Faults) { reloaded <- f })
	write("bad.yml", "title: x\nlogsource: {product: linux}\ndetection:\n  sel:\n    a|wrong: 1\n  condition: sel\n")
	deadline := time.After(10 * time.Second)
	for found := false; !found; {
		select {
		case f := <-reloaded:
			for _, x := range f {
				found = found || x.Line == 5 && x.Column == 5 && filepath.Base(x.File) == "bad.yml"
			}
		case <-deadline:
			t.Fatalf("the bad rule was not seen; faults: %v", d.Faults())
		}
	}
	only(t, run(d, 0, failures(4, 1, 4*time.Second, "192.0.2.7", "")...), "ssh_bruteforce")
}

func TestReloadDuringProcess(t *testing.T) {
	d := detector(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 5 {
			d.Reload()
		}
	})
	var last holdfast.Alert
	for _, a := range run(d, 0, failures(0, 200, 0, "192.0.2.7", "")...) {
		last = a
	}
	wg.Wait()
	if last.Count != 200 {
		t.Errorf("count %d", last.Count)
	}
}

func TestBadRuleLeavesTheRest(t *testing.T) {
	fsys := fstest.MapFS{
		"a.yml": {Data: []byte("title: good\nlogsource: {product: linux}\ndetection: {s: {action: x}, condition: s}\n")},
		"b.yml": {Data: []byte("title: [\n")},
		"c.yml": {Data: []byte("title: c\nname: c\ncorrelation: {type: event_count, rules: [d], timespan: 1m, condition: {gte: 1}}\n---\ntitle: d\nname: d\ncorrelation: {type: event_count, rules: [c], timespan: 1m, condition: {gte: 1}}\n")},
	}
	d := New(Options{})
	f := d.Load(Source{"x", fsys})
	if len(d.Rules()) != 1 || len(f) != 3 {
		t.Errorf("%d rules, faults %v", len(d.Rules()), f)
	}
}

func BenchmarkProcess(b *testing.B) {
	d := detector(b)
	block := &holdfast.Block{}
	for i := range 500 {
		action := []string{"login_failed", "disconnect", "login_success", "session_opened", "other"}[i%5]
		e := line(i, time.Duration(i)*time.Millisecond, action, fmt.Sprintf("user%d", i%40), fmt.Sprintf("192.0.2.%d", i%200), "")
		block.Events = append(block.Events, e)
	}
	n := 0
	for b.Loop() {
		n++
		for i := range block.Events {
			e := &block.Events[i]
			e.ID = holdfast.NewEventID("bench", fmt.Sprint(n, i), nil, 0)
			e.Time = e.Time.Add(time.Minute)
			e.Received = e.Time
		}
		d.Process(0, block)
	}
	b.ReportMetric(float64(b.N*len(block.Events))/b.Elapsed().Seconds(), "events/s")
}
