package spine

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/control"
	"holdfast/detect"
	"holdfast/drill"
	"holdfast/ingest"
	parsers "holdfast/ingest/parser/all"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/postgres"
	"holdfast/respond"
	"holdfast/store/bus"
	"holdfast/store/state"
)

// Every second event of a storm holds for a rule, mostly the noisy one.
const (
	stormEvents  = 500 // in a block
	stormSources = 3000
	noisyRule    = `title: Login failed
id: 5f1cbd31-6d21-4a53-8f0e-5d9a4e1f0a01
name: noisy
logsource: {product: linux, service: sshd}
detection:
  selection: {action: login_failed}
  condition: selection
level: medium
`
	graveRule = `title: Login as root
id: 5f1cbd31-6d21-4a53-8f0e-5d9a4e1f0a02
name: grave
logsource: {product: linux, service: sshd}
detection:
  selection: {action: login_root}
  condition: selection
level: high
`
)

// storm is a detecting duty over real stores.
type storm struct {
	*Spine
	bus *bus.Bus
	n   int
}

func newStorm(tb testing.TB, db *state.DB) *storm {
	tb.Helper()
	ctx, log, c := context.Background(), slog.New(slog.DiscardHandler), clock.System{}
	b, err := bus.Open(ctx, bus.Options{Dir: filepath.Join(tb.TempDir(), "bus"), Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	d := detect.New(detect.Options{Clock: c, Log: log, Datasets: map[string]holdfast.Dataset{"linux.sshd": {
		Name: "linux.sshd", Logsource: holdfast.Logsource{Product: "linux", Service: "sshd"}, ECS: map[string]string{"src_ip": "source.ip", "user": "user.name"},
	}}})
	rules := fstest.MapFS{"noisy.yml": {Data: []byte(noisyRule)}, "grave.yml": {Data: []byte(graveRule)}}
	if faults := d.Load(detect.Source{Name: "storm", FS: rules}); len(faults) > 0 {
		tb.Fatal(faults)
	}
	block := respond.Part{DefaultLease: time.Hour, MaxLease: 24 * time.Hour, Params: func(e holdfast.Entity, _ time.Duration) (json.RawMessage, error) {
		return json.Marshal(map[string]string{"address": e.Value})
	}}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := New(ctx, Options{
		State: db, Bus: b, Detect: d, Control: control.New(control.Options{Log: log}), Clock: c, Log: log,
		Ingest:  ingest.New(ingest.Options{Parsers: parsers.All(), Bus: b, Clock: c, Log: log}),
		Respond: &respond.Runner{Clock: c, Log: log, Parts: map[string]respond.Part{"action/block-address": block}}, TaskKey: key,
		Drills: &drill.Runner{Clock: c, Log: log},
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := db.Assets().Put(ctx, holdfast.Asset{ID: "ast-1", Name: "web-1", Enrolled: c.Now()}); err != nil {
		tb.Fatal(err)
	}
	return &storm{Spine: s, bus: b}
}

// block makes the next block: failed logins of many accounts from many addresses,
// and of each hundred one as root.
func (s *storm) block(tb testing.TB, n int) uint64 {
	tb.Helper()
	b := &holdfast.Block{ID: fmt.Sprint("b", s.n)}
	for range n {
		s.n++
		asset := ""
		from, user, action := fmt.Sprintf("2001:db8::%x", s.n*7919%stormSources), fmt.Sprint("u", s.n*31%9973), "login_failed"
		switch {
		case s.n%2 == 1:
			action = "login"
		case s.n%100 == 0:
			action, user, asset = "login_root", "root", "ast-1"
		}
		e := s.event(action, user, from)
		e.Asset = asset
		b.Events = append(b.Events, e)
	}
	seq, _, err := s.bus.Publish(context.Background(), b)
	if err != nil {
		tb.Fatal(err)
	}
	return seq
}

// event is one of its own with some values.
func (s *storm) event(action, user, from string) holdfast.Event {
	e := holdfast.Event{Time: s.Clock.Now(), Received: s.Clock.Now(), Source: "s", Dataset: "linux.sshd"}
	e.Raw = fmt.Appendf(nil, "sshd[%d]: %s of %s from %s port 22 ssh2: a line that is about as long as what comes from a real host", s.n, action, user, from)
	e.ID = holdfast.NewEventID("s", fmt.Sprint(s.n), e.Raw, 0)
	e.Fields = []holdfast.Field{{Name: "action", Text: action}, {Name: "user", Text: user}, {Name: "src_ip", Text: from}}
	return e
}

// filled opens an incident for every address.
func (s *storm) filled(tb testing.TB) {
	tb.Helper()
	err := s.State.Tx(context.Background(), func(tx *state.Tx) error {
		for i := range stormSources {
			now := s.Clock.Now()
			in := holdfast.Incident{
				ID: fmt.Sprint("inc-old-", i), Title: "Password guessing", Status: holdfast.IncidentOpen, Level: holdfast.Medium, Alerts: []string{fmt.Sprint("alt-old-", i)},
				Entities: []holdfast.Entity{{Kind: holdfast.EntitySource, Value: fmt.Sprintf("2001:db8::%x", i)}}, Opened: now, Updated: now, Tasks: []holdfast.IncidentTask{},
				Timeline: []holdfast.Moment{{At: now, Kind: "alert", Ref: fmt.Sprint("alt-old-", i), Say: "Password guessing (medium): one event holds"}},
			}
			if err := tx.Incidents().Put(context.Background(), in); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// upto waits until the alerts of a block are kept.
func (s *storm) upto(tb testing.TB, seq uint64) {
	tb.Helper()
	for {
		at, _, err := s.State.Position(context.Background(), alertsPosition)
		if err != nil {
			tb.Fatal(err)
		}
		if at >= seq {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// run carries the duty until stop, or the end of the test.
func (s *storm) run(tb testing.TB) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.detectDuty(ctx, state.Lease{}); close(done) }()
	stop = func() { cancel(); <-done }
	tb.Cleanup(stop)
	return stop
}

func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// opened is a new state in an engine.
func opened(tb testing.TB, engine string) *state.DB {
	tb.Helper()
	ctx := context.Background()
	open := func() (*state.DB, error) {
		return state.Open(ctx, filepath.Join(tb.TempDir(), "state.db"), clock.System{})
	}
	if engine == "postgres" {
		server := postgres.Start(tb)
		open = func() (*state.DB, error) { return state.OpenPostgres(ctx, server.URL, clock.System{}) }
	}
	db, err := open()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// kept is what is kept of a storm.
func (s *storm) kept(t *testing.T) (alerts map[string]string, incidents []string) {
	t.Helper()
	ctx := context.Background()
	list, err := s.State.Alerts().All(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	alerts = map[string]string{}
	for _, a := range list {
		alerts[a.ID] = fmt.Sprintf("%s %v %d %s", a.Rule, a.Group, a.Count, a.Status)
	}
	opened, err := s.State.Incidents().All(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]int{}
	for _, x := range opened {
		incidents = append(incidents, x.ID)
		for _, id := range x.Alerts {
			in[id]++
		}
	}
	slices.Sort(incidents)
	said := map[string]int{}
	evidence, _, err := s.State.Outbox(ctx, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range evidence {
		said[e.Key]++
		if e.Did == "alert.raise" {
			said[e.On]++
		}
	}
	for _, a := range list {
		if in[a.ID] != 1 || said[a.ID] != 1 {
			t.Errorf("%s is in %d incidents, and the evidence tells of it %d times", a.ID, in[a.ID], said[a.ID])
		}
	}
	for key, n := range said {
		if n != 1 {
			t.Errorf("the evidence %s is there %d times", key, n)
		}
	}
	return alerts, incidents
}

// TestStormOverKills holds that what many blocks of alerts cause is the same, each
// once, however often the duty ends in the middle, while the alerts of several
// blocks are kept together.
func TestStormOverKills(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			play := func(kills int) (map[string]string, []string) {
				s := newStorm(t, opened(t, engine))
				var last uint64
				for range 30 {
					last = s.block(t, 100)
				}
				for n := range kills {
					stop := s.run(t)
					at, _, err := s.State.Position(t.Context(), alertsPosition)
					if err != nil {
						t.Fatal(err)
					}
					s.upto(t, min(at+uint64(n), last))
					stop()
				}
				s.run(t)
				s.upto(t, last)
				return s.kept(t)
			}
			alerts, incidents := play(0)
			if len(alerts) < 1000 || len(incidents) < 1000 {
				t.Fatalf("%d alerts in %d incidents show little", len(alerts), len(incidents))
			}
			again, numbers := play(6)
			if diff := cmp.Diff(alerts, again); diff != "" {
				t.Errorf("alerts, without and with kills:\n%s", diff)
			}
			if diff := cmp.Diff(incidents, numbers); diff != "" {
				t.Errorf("incidents, without and with kills:\n%s", diff)
			}
		})
	}
}

// TestClosedMeanwhile holds that an incident that was closed takes in no alert, and
// one that somebody wrote in keeps that, though the duty has them in memory.
func TestClosedMeanwhile(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			ctx := t.Context()
			s := newStorm(t, opened(t, engine))
			s.run(t)
			s.upto(t, s.block(t, 2*stormSources))
			_, before := s.kept(t)
			had := map[string]int{}
			for i, id := range before[:20] {
				in, err := s.State.Incidents().Get(ctx, id)
				if err != nil {
					t.Fatal(err)
				}
				if had[id] = len(in.Alerts); i%2 == 0 {
					in.Notes = append(in.Notes, holdfast.Note{By: "ann", Text: "seen"})
				} else {
					in.Status = holdfast.IncidentClosed
				}
				if err := s.State.Incidents().Put(ctx, in); err != nil {
					t.Fatal(err)
				}
			}
			s.n += 62 // other accounts
			s.upto(t, s.block(t, 2*stormSources))
			list, err := s.State.Incidents().All(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			grown := 0
			for _, in := range list {
				n, worked := had[in.ID]
				switch {
				case !worked:
				case in.Status == holdfast.IncidentClosed && len(in.Alerts) != n:
					t.Errorf("%s is closed and had %d alerts, and has %d", in.ID, n, len(in.Alerts))
				case in.Status != holdfast.IncidentClosed && len(in.Notes) != 1:
					t.Errorf("%s has %d notes", in.ID, len(in.Notes))
				case len(in.Alerts) > n:
					grown++
				}
			}
			if grown < 5 {
				t.Errorf("%d of 10 incidents have grown: this shows little", grown)
			}
			if n := len(list) - len(before); n != 10 {
				t.Errorf("%d incidents opened in place of 10 that were closed", n)
			}
		})
	}
}

// BenchmarkStorm measures how many alerts are kept a second, with 3,000 incidents
// live and every second event an alert. One op is a block of 500 events; all are
// there when it begins. Run it with -benchtime 40x.
func BenchmarkStorm(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			s := newStorm(b, opened(b, engine))
			s.filled(b)
			var last uint64
			for range b.N {
				last = s.block(b, stormEvents)
			}
			b.ResetTimer()
			before := spent()
			s.run(b)
			s.upto(b, last)
			b.StopTimer()
			b.ReportMetric(float64(b.N*stormEvents/2)/b.Elapsed().Seconds(), "alerts/s")
			b.ReportMetric(float64((spent()-before).Microseconds())/float64(b.N*stormEvents/2), "cpu-µs/alert")
		})
	}
}

// BenchmarkStormBeside measures how late the alerts of a block are that comes every
// 100 ms, while a storm of 1,000 alerts a second lasts. One op is such a block; run
// it with -benchtime 50x.
func BenchmarkStormBeside(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			s := newStorm(b, opened(b, engine))
			s.filled(b)
			s.run(b)
			var late []time.Duration
			start := time.Now()
			b.ResetTimer()
			for i := range b.N {
				due := start.Add(time.Duration(i) * 100 * time.Millisecond)
				time.Sleep(time.Until(due))
				s.upto(b, s.block(b, 200))
				late = append(late, time.Since(due))
			}
			b.StopTimer()
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(late[len(late)-1].Microseconds())/1000, "max-ms")
		})
	}
}
