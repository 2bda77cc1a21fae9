package spine

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
	"holdfast/control"
	"holdfast/detect"
	"holdfast/ingest"
	"holdfast/internal/clock"
	"holdfast/spine/health"
	"holdfast/store/bus"
	"holdfast/store/events"
	"holdfast/store/state"
)

// ward is a loop of which only what health needs is there, over a real state and
// bus, on a clock that stands.
type ward struct {
	*Spine
	t     *testing.T
	clock *clock.Fixed
	seq   uint64
}

const wardRules = `title: Root logged in
name: root_login
level: high
logsource: {product: linux, service: sshd}
detection: {s: {user: root}, condition: s}
---
title: A command of sudo
name: sudo_command
logsource: {product: linux, service: sudo}
detection: {s: {command|contains: x}, condition: s}
---
title: Many
name: many
correlation: {type: event_count, rules: [root_login], timespan: 1m, condition: {gte: 5}}
`

const wardRequirement = `requirements:
- id: people
  say: Nobody is made privileged
  owner: it
  access: {on: "kind=host", may: login, who: [nobody]}
`

func newWard(t *testing.T, dir string, c *clock.Fixed, settings ...string) *ward {
	t.Helper()
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)
	db, err := state.Open(ctx, filepath.Join(dir, "state.db"), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := bus.Open(ctx, bus.Options{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	limits := health.DefaultLimits()
	limits.Free, limits.Days = 0, 0 // the disk of whoever runs this is not meant
	for _, s := range settings {
		if err := limits.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	datasets := map[string]holdfast.Dataset{
		"linux.sshd":    {Name: "linux.sshd", Logsource: holdfast.Logsource{Product: "linux", Service: "sshd"}},
		"linux.sudo":    {Name: "linux.sudo", Logsource: holdfast.Logsource{Product: "linux", Service: "sudo"}},
		"linux.account": {Name: "linux.account", Logsource: holdfast.Logsource{Product: "linux", Service: "useradd"}},
	}
	d := detect.New(detect.Options{Datasets: datasets, Clock: c})
	rules := wardRules
	for _, name := range []string{"account_privileged_group", "account_uid_zero", "account_created"} {
		rules += "---\ntitle: " + name + "\nname: " + name + "\nlogsource: {product: linux, service: useradd}\ndetection: {s: {user: x}, condition: s}\n"
	}
	if faults := d.Load(detect.Source{Name: "r", FS: fstest.MapFS{"a.yml": {Data: []byte(rules)}}}); len(faults) > 0 {
		t.Fatal(faults)
	}
	book := control.New(control.Options{Clock: c, Log: log})
	if faults := book.Load(control.Source{Name: "q", FS: fstest.MapFS{"a.yaml": {Data: []byte(wardRequirement)}}}); len(faults) > 0 {
		t.Fatal(faults)
	}
	s := &Spine{
		Options: Options{State: db, Bus: b, Events: &events.Store{}, Detect: d, Control: book, Ingest: ingest.New(ingest.Options{Bus: b, Clock: c, Log: log}), Clock: c, Log: log, DataDir: dir, Health: limits},
		notes:   map[string]map[string]string{}, lastSeen: map[string]time.Time{}, changed: newSignal(),
	}
	s.well.model = health.New(limits)
	w := &ward{Spine: s, t: t, clock: c}
	seq, _, err := db.Position(ctx, healthPosition)
	if err != nil {
		t.Fatal(err)
	}
	w.seq = seq
	if err := s.beginHealth(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *ward) send(source, asset, dataset string) {
	w.seq++
	w.well.model.Observe(w.seq, &holdfast.Block{Made: w.clock.Now(), Events: []holdfast.Event{{
		Source: source, Asset: asset, Dataset: dataset, Time: w.clock.Now(), Fields: []holdfast.Field{{Name: "user", Text: "root"}},
	}}})
	w.lastSeen[asset] = w.clock.Now()
}

// judge looks, and returns the open alerts.
func (w *ward) judge() []holdfast.Alert {
	w.t.Helper()
	if err := w.judgeHealth(context.Background(), state.Lease{}); err != nil {
		w.t.Fatal(err)
	}
	open, err := w.State.Alerts().All(context.Background(), map[string]string{"status": holdfast.AlertOpen})
	if err != nil {
		w.t.Fatal(err)
	}
	return open
}

func (w *ward) asset(id, name string) {
	w.t.Helper()
	a := holdfast.Asset{ID: id, Kind: "host", Name: name, Host: name, Agent: "1", Enrolled: w.clock.Now(), Seen: w.clock.Now(), Tags: map[string]string{}}
	if err := w.State.Assets().Put(context.Background(), a); err != nil {
		w.t.Fatal(err)
	}
}

// TestHealthAlert follows one alert: a source goes quiet, what is blind is named,
// a restart changes nothing, it comes back; the next time is another alert.
func TestHealthAlert(t *testing.T) {
	dir, c := t.TempDir(), clock.NewFixed(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	w := newWard(t, dir, c, "quiet:*auth.log=5m", "quiet:syslog:*=5m")
	w.asset("ast-1", "web1")
	w.send("ast-1/file:/var/log/auth.log", "ast-1", "linux.sshd")
	w.send("ast-1/file:/var/log/auth.log", "ast-1", "linux.account")
	w.send("syslog:udp:192.0.2.7", "", "linux.sudo")
	if got := w.judge(); len(got) > 0 {
		t.Fatalf("all is well, and: %+v", got)
	}
	c.Advance(4 * time.Minute)
	w.asset("ast-1", "web1")
	w.send("syslog:udp:192.0.2.7", "", "linux.sudo")
	c.Advance(2 * time.Minute)
	got := w.judge()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	a := got[0]
	wantFirst := []string{"root_login", "account_privileged_group", "account_uid_zero", "account_created", "many"}
	if a.Rule != "health.quiet" || a.Level != holdfast.High || a.Asset != "ast-1" || a.Blind == nil || !slices.Equal(a.Blind.First, wantFirst) || a.Blind.Everywhere != 5 || !slices.Equal(a.Blind.Requirements, []string{"people"}) {
		t.Errorf("%+v, blind %+v", a, a.Blind)
	}
	if !strings.HasPrefix(a.Title, "web1: file:/var/log/auth.log has gone quiet") || !strings.Contains(a.Stages[0].Why, "root_login") || !strings.Contains(a.Stages[0].Why, "people") {
		t.Errorf("%s\n%s", a.Title, a.Stages[0].Why)
	}
	m, troubles, err := w.know(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blind := w.blindness(m.Sources(c.Now()), troubles)
	if blind["ast-1"]["account_created"] == "" || blind["ast-1"]["sudo_command"] != "" {
		t.Errorf("the standings are told of %v", blind)
	}
	assets, err := w.State.Assets().All(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ev := w.evidenceFor(nil, nil, nil)
	monitored := func() holdfast.Facet { return w.Control.Standings(assets, ev, c.Now())[0].Monitored }
	if f := monitored(); f.State != holdfast.Holds {
		t.Errorf("without it the host counts as watched: %+v", f)
	}
	ev.Blind = blind
	if f := monitored(); f.State != holdfast.StateUnknown || !strings.Contains(f.Why, "blind: web1: file:/var/log/auth.log has gone quiet") {
		t.Errorf("monitored is %s: %s", f.State, f.Why)
	}

	w = newWard(t, dir, c, "quiet:*auth.log=5m") // another process
	if again := w.judge(); len(again) != 1 || again[0].ID != a.ID {
		t.Errorf("after a restart: %+v", again)
	}
	h, err := w.HealthNow(t.Context())
	if err != nil || len(h.Troubles) != 1 || h.Troubles[0].Alert != a.ID || h.Sources[0].Host != "web1" || !slices.Equal(h.Sources[0].Troubles, []string{"quiet"}) || h.Sources[0].Rules != 5 {
		t.Errorf("%v: %+v", err, h)
	}
	b, err := w.BlindFor(t.Context(), health.Quiet, "ast-1/file:/var/log/auth.log")
	if err != nil || len(b.Rules) != 5 || !b.Rules[0].Everywhere {
		t.Errorf("%v: %+v", err, b)
	}

	if _, err := w.CloseAlert(t.Context(), "anna", a.ID, "known"); err != nil {
		t.Fatal(err)
	}
	c.Advance(10 * time.Second)
	w.asset("ast-1", "web1")
	if got := w.judge(); len(got) > 0 {
		t.Errorf("a person has closed it, and: %+v", got)
	}
	w.send("ast-1/file:/var/log/auth.log", "ast-1", "linux.sshd")
	if got := w.judge(); len(got) > 0 {
		t.Errorf("it is back, and: %+v", got)
	}
	for range 3 {
		c.Advance(2 * time.Minute)
		w.asset("ast-1", "web1")
	}
	next := w.judge()
	if len(next) != 1 || next[0].ID == a.ID {
		t.Fatalf("the next time: %+v", next)
	}
	w.send("ast-1/file:/var/log/auth.log", "ast-1", "linux.sshd")
	if got := w.judge(); len(got) > 0 {
		t.Errorf("it is back again, and: %+v", got)
	}
	over, err := w.State.Alerts().Get(t.Context(), next[0].ID)
	if err != nil || over.Status != holdfast.AlertClosed {
		t.Errorf("%v, %+v", err, over)
	}
	list, _, err := w.State.Outbox(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, e := range list {
		if e.Who == "holdfast" {
			did = append(did, e.Did)
		}
	}
	if !slices.Equal(did, []string{"alert.raise", "alert.raise", "alert.close"}) {
		t.Errorf("evidence: %v", did)
	}
}

// TestOneAlertForAHost kills an agent with many sources: one alert says it.
func TestOneAlertForAHost(t *testing.T) {
	c := clock.NewFixed(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	w := newWard(t, t.TempDir(), c, "quiet:*=1m", "agent:lap*=never")
	w.asset("ast-1", "web1")
	w.asset("ast-2", "laptop")
	for _, f := range []string{"a", "b", "c"} {
		w.send("ast-1/file:"+f, "ast-1", "linux.sshd")
	}
	c.Advance(2 * time.Minute)
	if got := w.judge(); len(got) != 3 { // the agent may still come back
		t.Fatalf("%+v", got)
	}
	c.Advance(4 * time.Minute)
	got := w.judge()
	if len(got) != 1 || got[0].Rule != "health.agent" || got[0].Asset != "ast-1" || got[0].Blind.Rules != 2 {
		t.Fatalf("%+v", got)
	}
	if m, troubles, err := w.know(t.Context()); err != nil || w.blindness(m.Sources(c.Now()), troubles)["ast-1"][""] == "" {
		t.Error("the standings do not hear of it", err)
	}
	w.asset("ast-1", "web1")
	if got := w.judge(); len(got) != 3 {
		t.Errorf("the agent is back, its sources are not: %+v", got)
	}
}

func TestMute(t *testing.T) {
	c := clock.NewFixed(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	w := newWard(t, t.TempDir(), c, "quiet:*=1m")
	w.send("syslog:udp:192.0.2.7", "", "linux.sshd")
	c.Advance(2 * time.Minute)
	if got := w.judge(); len(got) != 1 {
		t.Fatal(got)
	}
	for _, bad := range []holdfast.Mute{
		{},
		{Subject: "x", Expires: c.Now().Add(time.Hour)},
		{Subject: "x", Reason: "y"},
		{Subject: "x", Reason: "y", Expires: c.Now().Add(9000 * time.Hour)},
		{Subject: "x", Reason: "y", Kind: "z", Expires: c.Now().Add(time.Hour)},
	} {
		if _, err := w.AddMute(t.Context(), "anna", bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	m, err := w.AddMute(t.Context(), "anna", holdfast.Mute{Subject: "syslog:*", Kind: "quiet", Reason: "moved", Expires: c.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.judge(); len(got) > 0 {
		t.Errorf("muted, and: %+v", got)
	}
	h, err := w.HealthNow(t.Context())
	if err != nil || len(h.Troubles) != 1 || h.Troubles[0].Mute == nil || len(h.Mutes) != 1 {
		t.Errorf("%v: %+v", err, h)
	}
	if _, err := w.EndMute(t.Context(), "anna", m.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Mutes(t.Context()); err != nil || len(list) > 0 {
		t.Error(err, list)
	}
	if _, err := w.AddMute(t.Context(), "anna", holdfast.Mute{Subject: "syslog:*", Reason: "moved", Expires: c.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	c.Advance(2 * time.Minute)
	if list, err := w.Mutes(t.Context()); err != nil || len(list) > 0 {
		t.Error("it has ended", err, list)
	}
}

// TestFieldBlindsItsRules has sudo's lines come without commands.
func TestFieldBlindsItsRules(t *testing.T) {
	c := clock.NewFixed(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	w := newWard(t, t.TempDir(), c, "fields=100")
	w.judge() // has the fields of the rules counted
	send := func(field string) {
		w.seq++
		w.well.model.Observe(w.seq, &holdfast.Block{Made: c.Now(), Events: []holdfast.Event{{Source: "s", Dataset: "linux.sudo", Time: c.Now(), Fields: []holdfast.Field{{Name: field, Text: "x"}}}}})
		c.Advance(2 * time.Minute)
	}
	for range 250 {
		send("command")
	}
	if got := w.judge(); len(got) > 0 {
		t.Fatalf("%+v", got)
	}
	for range 101 {
		send("cmd")
	}
	got := w.judge()
	if len(got) != 1 || got[0].Rule != "health.field" || !slices.Equal(got[0].Blind.First, []string{"sudo_command"}) || got[0].Blind.Everywhere != 1 {
		t.Fatalf("%+v", got)
	}
	if w.blindness(w.well.model.Sources(c.Now()), w.well.troubles)[""]["sudo_command"] == "" {
		t.Error("the standings do not hear of it")
	}
}
