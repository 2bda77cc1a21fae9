package spine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest"
	parsers "holdfast/ingest/parser/all"
	"holdfast/internal/clock"
	"holdfast/respond"
	"holdfast/store/bus"
	"holdfast/store/events"
	"holdfast/store/state"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// lab is a spine over real stores whose time stands still and whose duties are
// carried by hand.
type lab struct {
	*Spine
	t      testing.TB
	clock  *clock.Fixed
	writer *events.Writer
	duty   *searching
	n      int
}

func newLab(t testing.TB) *lab {
	t.Helper()
	ctx := context.Background()
	dir, log, c := t.TempDir(), slog.New(slog.DiscardHandler), clock.NewFixed(noon)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := state.Open(ctx, filepath.Join(dir, "state.db"), c)
	check(err)
	t.Cleanup(func() { db.Close() })
	b, err := bus.Open(ctx, bus.Options{Dir: filepath.Join(dir, "bus"), Log: log})
	check(err)
	t.Cleanup(func() { b.Close() })
	ev, err := events.Open(ctx, events.Options{Dir: filepath.Join(dir, "events"), Manifest: db, Clock: c, Log: log})
	check(err)
	t.Cleanup(func() { ev.Close() })
	in := ingest.New(ingest.Options{Parsers: parsers.All(), Bus: b, Clock: c, Log: log})
	s := &Spine{Options: Options{State: db, Bus: b, Events: ev, Ingest: in, Respond: &respond.Runner{Clock: c, Log: log}, Clock: c, Log: log}, running: ctx}
	s.hunts.cancel = map[string]context.CancelFunc{}
	w, err := ev.NewWriter(ctx, in.Entities)
	check(err)
	s.writer.Store(w)
	return &lab{Spine: s, t: t, clock: c, writer: w, duty: &searching{s: s, again: map[string]time.Time{}}}
}

// come has n failed logins come in from an address now, that happened a while
// ago, in a block and a segment of their own.
func (l *lab) come(n int, from string, ago time.Duration) {
	l.t.Helper()
	ctx := context.Background()
	l.n++
	block := &holdfast.Block{ID: fmt.Sprint("b", l.n)}
	for i := range n {
		raw := fmt.Appendf(nil, "Failed password for root from %s port %d ssh2", from, i)
		block.Events = append(block.Events, holdfast.Event{
			ID: holdfast.NewEventID("s", fmt.Sprint(l.n), raw, i), Time: l.clock.Now().Add(-ago), Received: l.clock.Now(), Source: "s", Asset: "ast-1", Dataset: "linux.sshd", Raw: raw,
			Fields: []holdfast.Field{{Name: "action", Text: "login_failed"}, {Name: "src_ip", Text: from}},
		})
	}
	seq, _, err := l.Bus.(*bus.Bus).Publish(ctx, block)
	if err == nil {
		err = errors.Join(l.writer.Add(ctx, seq, block), l.writer.Flush(ctx))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) rule(name, query string, r holdfast.SearchRule) {
	l.t.Helper()
	ctx := context.Background()
	if _, err := l.SaveSearch(ctx, "ann", true, holdfast.Search{Name: name, Query: query}); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.ScheduleSearch(ctx, "ann", name, r); err != nil {
		l.t.Fatal(err)
	}
}

// look moves the time and has the duty look.
func (l *lab) look(d time.Duration) {
	l.t.Helper()
	l.clock.Advance(d)
	if err := l.duty.look(context.Background()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) alerts() []holdfast.Alert {
	l.t.Helper()
	list, err := l.State.Alerts().All(context.Background(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return list
}

// counts are the alerts as their group and count, the oldest first.
func (l *lab) counts() string {
	var out []string
	for _, a := range l.alerts() {
		out = append(out, fmt.Sprintf("%s=%d", groupKey(a), a.Count))
	}
	return strings.Join(out, " ")
}

func (l *lab) search(name string) holdfast.Search {
	l.t.Helper()
	x, err := l.State.Searches().Get(context.Background(), name)
	if err != nil {
		l.t.Fatal(err)
	}
	return x
}

const failed = "action:login_failed"

var byAddress = holdfast.SearchRule{Every: holdfast.Duration(5 * time.Minute), Threshold: 3, GroupBy: "source.ip", Level: holdfast.High, Attack: []string{"T1110"}}

func TestScheduledSearch(t *testing.T) {
	l := newLab(t)
	l.come(9, "192.0.2.1", 0) // before the rule
	l.rule("fails", failed, byAddress)
	l.come(4, "192.0.2.7", 0)
	l.come(2, "192.0.2.8", 0)
	l.look(time.Minute)
	if got := l.counts(); got != "" {
		t.Fatalf("before its time: %s", got)
	}
	l.come(3, "192.0.2.9", 1000*24*time.Hour) // late by its own time
	l.look(5 * time.Minute)
	if got := l.counts(); got != "192.0.2.7=4 192.0.2.9=3" && got != "192.0.2.9=3 192.0.2.7=4" {
		t.Fatalf("%s", got)
	}
	l.come(1, "192.0.2.8", 0)
	l.look(5 * time.Minute)
	l.look(5 * time.Minute)
	if got := len(l.alerts()); got != 2 {
		t.Errorf("%d alerts after spans of one event and of none", got)
	}
	a := l.alerts()[0]
	if groupKey(a) != "192.0.2.7" {
		a = l.alerts()[1]
	}
	if a.Rule != "search:fails" || a.Level != holdfast.High || a.Attack[0] != "T1110" || len(a.Matches) != 4 || a.Asset != "ast-1" || a.Incident == "" ||
		a.Group[0].Kind != holdfast.EntitySource || !strings.Contains(a.Stages[0].Why, "4 rows by source.ip=192.0.2.7 within 5m") {
		t.Errorf("%+v", a)
	}
	x := l.search("fails")
	if x.Runs.Runs != 3 || x.Runs.Alerts != 2 || x.Runs.Fault != "" || !x.Runs.At.Equal(noon.Add(15*time.Minute)) {
		t.Errorf("%+v", x.Runs)
	}
	out, _, err := l.State.Outbox(context.Background(), 100)
	raised := 0
	for _, e := range out {
		if e.Did == "alert.raise" {
			raised++
		}
	}
	if err != nil || raised != 2 {
		t.Errorf("%d of 2 alerts are evidence: %v", raised, err)
	}
}

// TestScheduledSearchAfterAPause holds that what comes in while nobody looks is
// looked at later in the spans in which it came, once, also where compaction
// has put old and new together.
func TestScheduledSearchAfterAPause(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.rule("fails", failed, byAddress)
	l.come(2, "192.0.2.7", 0)
	l.look(5 * time.Minute)
	for i := range 40 { // 200 minutes: two events each five, four once
		n := 2
		if i == 17 {
			n = 4
		}
		l.come(n, "192.0.2.7", 0)
		l.clock.Advance(5 * time.Minute)
	}
	if n, err := l.Events.CompactOnce(ctx); err != nil || n < 12 {
		t.Fatal(n, err)
	}
	for range 10 {
		l.look(0)
	}
	if got := l.counts(); got != "192.0.2.7=4" {
		t.Errorf("%s", got)
	}
	if p, err := l.placeOf(ctx, "fails"); err != nil || p.Pending != nil || len(p.Marks) > 3 {
		t.Errorf("%+v %v", p, err)
	}
	last, _, err := l.Bus.Last(ctx)
	if x := l.search("fails"); err != nil || x.Runs.Position != last {
		t.Errorf("%+v, not up to %d: %v", x.Runs, last, err)
	}
	// Nothing comes in for a year: that is one look.
	before := l.search("fails").Runs.Runs
	l.look(365 * 24 * time.Hour)
	if x := l.search("fails"); x.Runs.Runs != before+1 {
		t.Errorf("%d looks at nothing", x.Runs.Runs-before)
	}
}

// TestScheduledSearchAgain holds that a run that was not kept is done again as
// the same run, and that a node whose duty another has keeps nothing.
func TestScheduledSearchAgain(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.rule("fails", failed, byAddress)
	l.come(4, "192.0.2.7", 0)
	lease, _, err := l.State.TakeLease(ctx, "search", "a", -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	l.clock.Advance(5 * time.Minute)
	other := &searching{s: l.Spine, lease: lease, again: map[string]time.Time{}}
	x := l.search("fails")
	if err := other.turn(ctx, x, l.clock.Now()); err != nil {
		t.Fatal(err)
	}
	first := l.alerts()
	if len(first) != 1 {
		t.Fatal(first)
	}
	// The same again from where it stood before.
	p := place{Marks: []mark{{At: noon}}, Pending: &mark{Position: 1, At: noon.Add(5 * time.Minute)}}
	if err := l.State.Tx(ctx, func(tx *state.Tx) error { return p.keep(ctx, tx, "fails") }); err != nil {
		t.Fatal(err)
	}
	if err := other.turn(ctx, x, l.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if again := l.alerts(); len(again) != 1 || again[0].ID != first[0].ID {
		t.Errorf("%+v", again)
	}
	if _, ok, err := l.State.TakeLease(ctx, "search", "b", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	l.come(5, "192.0.2.8", 0)
	l.clock.Advance(5 * time.Minute)
	if err := other.turn(ctx, x, l.clock.Now()); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("a node that lost the duty: %v", err)
	}
	l.look(0)
	if got := l.counts(); got != "192.0.2.7=4 192.0.2.8=5" {
		t.Errorf("%s", got)
	}
}

// TestScheduledSearchFails holds that a rule that cannot be run says so in
// status, and that nothing of what came in meanwhile is missed.
func TestScheduledSearchFails(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.rule("fails", failed, byAddress)
	x := l.search("fails")
	x.Query = "events | project time | where nothing_of_it == 1"
	if err := l.State.Searches().Put(ctx, x); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.come(4, "192.0.2.7", 0)
		l.look(6 * time.Minute)
	}
	troubles := l.searchTroubles(ctx)
	if len(troubles) != 1 || troubles[0].Source != "search:fails" || !strings.Contains(troubles[0].Trouble, "nothing_of_it") || !troubles[0].At.Equal(noon.Add(6*time.Minute)) {
		t.Errorf("%+v", troubles)
	}
	if _, err := l.SaveSearch(ctx, "ann", true, holdfast.Search{Name: "fails", Query: failed, Shared: true}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.look(5 * time.Minute)
	}
	if got := l.counts(); got != "192.0.2.7=4 192.0.2.7=4 192.0.2.7=4" {
		t.Errorf("%s", got)
	}
	if troubles := l.searchTroubles(ctx); len(troubles) != 0 {
		t.Errorf("%+v", troubles)
	}
}

func TestScheduledWindowsAndThrottle(t *testing.T) {
	l := newLab(t)
	wide := byAddress
	wide.Window, wide.Threshold = holdfast.Duration(20*time.Minute), 5
	l.rule("wide", failed, wide)
	held := byAddress
	held.Throttle = holdfast.Duration(time.Hour)
	l.rule("held", failed, held)
	rows := holdfast.SearchRule{Every: byAddress.Every, GroupBy: "source.ip", Threshold: 1}
	l.rule("rows", failed+" | summarize n=count() by source.ip | where n > 2", rows)
	of := func(rule string) (out []string) {
		for _, a := range l.alerts() {
			if a.Rule == "search:"+rule {
				out = append(out, fmt.Sprintf("%s=%d", groupKey(a), a.Count))
			}
		}
		return out
	}
	for range 4 { // two every five minutes are eight in twenty
		l.come(2, "192.0.2.7", 0)
		l.look(5 * time.Minute)
	}
	if got := of("wide"); len(got) != 1 || got[0] != "192.0.2.7=6" {
		t.Errorf("wide: %v", got)
	}
	for range 3 {
		l.come(3, "192.0.2.8", 0)
		l.look(5 * time.Minute)
	}
	if got := of("held"); len(got) != 1 || l.search("held").Runs.Throttled != 2 {
		t.Errorf("held: %v %+v", got, l.search("held").Runs)
	}
	if got := of("rows"); len(got) != 3 || got[0] != "192.0.2.8=1" {
		t.Errorf("rows: %v", got)
	}
	l.look(time.Hour)
	l.come(3, "192.0.2.8", 0)
	l.look(5 * time.Minute)
	if got := of("held"); len(got) != 2 {
		t.Errorf("held, an hour later: %v", got)
	}
}

func TestSearchesAreOnesOwn(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	save := func(who string, chief bool, x holdfast.Search) error {
		_, err := l.SaveSearch(ctx, who, chief, x)
		return err
	}
	mine := holdfast.Search{Name: "mine", Query: "x"}
	if err := save("ann", false, mine); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Search(ctx, "bob", "mine"); !errors.Is(err, holdfast.ErrNotFound) {
		t.Errorf("another's search is shown: %v", err)
	}
	if err := save("bob", true, mine); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("another's search is overwritten: %v", err)
	}
	if _, err := l.DeleteSearch(ctx, "bob", true, "mine"); !errors.Is(err, holdfast.ErrNotFound) {
		t.Errorf("another's search is deleted: %v", err)
	}
	mine.Shared = true
	if err := save("ann", false, mine); err != nil {
		t.Fatal(err)
	}
	if list, n, err := l.Searches(ctx, "bob", 10, 0); err != nil || n != 1 || len(list) != 1 {
		t.Errorf("%v %d %v", list, n, err)
	}
	if err := save("bob", false, mine); !errors.Is(err, holdfast.ErrForbidden) {
		t.Errorf("a shared search is changed by another: %v", err)
	}
	if _, err := l.ScheduleSearch(ctx, "eve", "mine", byAddress); err != nil {
		t.Fatal(err)
	}
	if err := save("ann", false, mine); !errors.Is(err, holdfast.ErrForbidden) {
		t.Errorf("a rule is changed by one who may not: %v", err)
	}
	if _, err := l.DeleteSearch(ctx, "ann", false, "mine"); !errors.Is(err, holdfast.ErrForbidden) {
		t.Errorf("a rule is deleted by one who may not: %v", err)
	}
}
