package state

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/postgres"
)

// place is where a state lies, so that it can be opened again.
type place func(t testing.TB) *DB

// onBoth runs a test on SQLite and on a real PostgreSQL. Each test has its own
// database.
func onBoth(t *testing.T, f func(t *testing.T, open place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		f(t, func(t testing.TB) *DB { return open(t, path) })
	})
	t.Run("postgres", func(t *testing.T) {
		s := postgres.Start(t)
		f(t, func(t testing.TB) *DB { return openAt(t, s.URL) })
	})
}

func openAt(t testing.TB, url string) *DB {
	t.Helper()
	db, err := OpenPostgres(context.Background(), url, clock.NewFixed(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestConformance is what every engine has to do alike.
func TestConformance(t *testing.T) {
	onBoth(t, func(t *testing.T, open place) {
		for _, c := range []struct {
			name string
			run  func(t *testing.T, open place)
		}{
			{"nouns come back", nounsComeBack},
			{"a transaction is whole or nothing", wholeOrNothing},
			{"segment, position and ledger are one", segmentPositionLedger},
			{"the outbox keeps its order", outboxOrder},
			{"facts by table", factsByTable},
			{"text that is none", hostileText},
			{"writers take turns", writersTakeTurns},
			{"leases", leases},
			{"only the holder writes", onlyTheHolderWrites},
			{"one setting of many makers", oneSetting},
			{"what the writer intends", whatIsIntended},
			{"searches and hunts", searchesAndHunts},
			{"many at once", manyAtOnce},
			{"what changed since", changedSince},
			{"changes are told", changesAreTold},
			{"long bodies", longBodies},
		} {
			t.Run(c.name, func(t *testing.T) {
				empty(t, open)
				c.run(t, open)
			})
		}
	})
}

// empty clears all tables, which is quicker than a server for each test.
func empty(t testing.TB, open place) {
	t.Helper()
	db := open(t)
	defer db.Close()
	for _, table := range []string{"alerts", "incidents", "users", "tokens", "facts", "positions", "counters", "settings", "outbox", "segments", "ledger", "leases", "searches", "hunts"} {
		if err := db.store.write(context.Background(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}

// manyAtOnce holds that lists of any length are kept whole and in order, in place of
// what was there.
func manyAtOnce(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	for _, n := range []int{0, 1, 7, 8, 127, 300} {
		var alerts []holdfast.Alert
		var evidence []holdfast.Evidence
		var ids []string
		for i := range n {
			a := holdfast.Alert{ID: fmt.Sprint("alt-", i), Rule: fmt.Sprint(n), Incident: fmt.Sprint("inc-", i%3), Stages: make([]holdfast.Stage, i%4)}
			alerts, ids = append(alerts, a), append(ids, a.ID)
			evidence = append(evidence, holdfast.Evidence{Key: fmt.Sprint(n, "/", i)})
		}
		last, err := db.NextNumbers(ctx, "incident", uint64(n))
		if err = errors.Join(err, db.Alerts().PutAll(ctx, alerts), db.Record(ctx, evidence...)); err != nil {
			t.Fatal(err)
		}
		if now, err := db.NextNumbers(ctx, "incident", 0); err != nil || now != last {
			t.Errorf("after %d the last number is %d, %v", last, now, err)
		}
		list, err := db.Alerts().All(ctx, map[string]string{"rule": fmt.Sprint(n)})
		if err != nil || len(list) != n {
			t.Errorf("%d of %d: %v", len(list), n, err)
		}
		in, err := db.IncidentOf(ctx, append(ids, "alt-x"))
		stages, serr := db.StagesOf(ctx, append(ids, "alt-x"))
		if err != nil || serr != nil || len(in) != n || len(stages) != n {
			t.Errorf("%d incidents and %d stages of %d: %v %v", len(in), len(stages), n, err, serr)
		}
		for i, id := range ids {
			if in[id] != alerts[i].Incident || stages[id] != i%4 {
				t.Errorf("%s is in %q and went through %d", id, in[id], stages[id])
			}
		}
		out, upto, err := db.Outbox(ctx, 1000)
		if err = errors.Join(err, db.DropOutbox(ctx, upto)); err != nil || len(out) != n {
			t.Fatalf("%d of %d: %v", len(out), n, err)
		}
		for i := range out {
			if out[i].Key != evidence[i].Key {
				t.Fatalf("place %d has %s", i, out[i].Key)
			}
		}
	}
	if n, err := db.NextNumber(ctx, "incident"); err != nil || n != 444 {
		t.Errorf("%d %v", n, err)
	}
}

// changedSince holds that whoever remembers a revision finds what was changed after
// it, by whomever, and nothing of a transaction that failed.
func changedSince(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	put := func(list ...holdfast.Incident) {
		t.Helper()
		if err := db.Incidents().PutAll(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	put(holdfast.Incident{ID: "inc-1"}, holdfast.Incident{ID: "inc-2", Status: holdfast.IncidentClosed}, holdfast.Incident{ID: "inc-3"})
	rev := uint64(0)
	since := func(want ...string) {
		t.Helper()
		list, now, err := db.IncidentsSince(ctx, rev)
		var got []string
		for _, in := range list {
			got = append(got, in.ID)
		}
		if err != nil || now < rev || !cmp.Equal(got, want) {
			t.Errorf("since %d: %v, want %v; now %d, %v", rev, got, want, now, err)
		}
		rev = now
	}
	since("inc-1", "inc-3")
	since()
	put(holdfast.Incident{ID: "inc-3", Status: holdfast.IncidentClosed}, holdfast.Incident{ID: "inc-4"})
	since("inc-3", "inc-4")
	failed := errors.New("no")
	err := db.Tx(ctx, func(tx *Tx) error {
		return errors.Join(tx.Incidents().Put(ctx, holdfast.Incident{ID: "inc-5"}), failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	since()
	put(holdfast.Incident{ID: "inc-1"})
	put(holdfast.Incident{ID: "inc-6"})
	since("inc-1", "inc-6")
}

// changesAreTold holds that each change is told once, and very many as one.
func changesAreTold(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	told := map[string]int{}
	db.OnChange(func(noun, id string) { told[noun+" "+id]++ })
	err := db.Tx(ctx, func(tx *Tx) error {
		for i := range 2 * manyChanges {
			if err := tx.Alerts().Put(ctx, holdfast.Alert{ID: fmt.Sprint("alt-", i)}); err != nil {
				return err
			}
		}
		return errors.Join(tx.Incidents().Put(ctx, holdfast.Incident{ID: "inc-1"}), tx.Incidents().Put(ctx, holdfast.Incident{ID: "inc-1"}))
	})
	if err != nil || !cmp.Equal(told, map[string]int{"alert ": 1, "incident inc-1": 1}) {
		t.Errorf("%v %v", told, err)
	}
}

func hostileText(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	for _, text := range []string{"a\x00b", "\xff\xfe", "' OR 1=1 --", "\U0001F600", "$1 ?"} {
		a := holdfast.Alert{ID: "alt-" + text, Title: text, Rule: text, Status: holdfast.AlertOpen}
		if err := db.Alerts().Put(ctx, a); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := db.Alerts().Get(ctx, a.ID); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if list, err := db.Alerts().All(ctx, map[string]string{"rule": text}); err != nil || len(list) != 1 {
			t.Errorf("%q: %d %v", text, len(list), err)
		}
		row := holdfast.LedgerRow{Source: text, Received: 1, Stored: 1, Last: at}
		if err := db.CommitSegment(ctx, holdfast.Commit{Position: 1, Ledger: []holdfast.LedgerRow{row}}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// writersTakeTurns has many read, decide and write at once, through two
// connections to the state where the engine takes them.
func writersTakeTurns(t *testing.T, open place) {
	ctx := context.Background()
	one, two := open(t), open(t)
	var all sync.WaitGroup
	for i := range 8 {
		db := one
		if i%2 == 1 {
			db = two
		}
		all.Go(func() {
			for range 10 {
				err := db.Tx(ctx, func(tx *Tx) error {
					seq, _, err := tx.Position(ctx, "p")
					if err != nil {
						return err
					}
					n, err := tx.NextNumber(ctx, "n")
					if err != nil {
						return err
					}
					if n != seq+1 {
						return fmt.Errorf("number %d after position %d", n, seq)
					}
					return errors.Join(tx.SetPosition(ctx, "p", seq+1, nil), tx.Record(ctx, holdfast.Evidence{Key: fmt.Sprint(n)}))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	out, _, err := one.Outbox(ctx, 1000)
	if err != nil || len(out) != 80 {
		t.Fatalf("%d in the outbox: %v", len(out), err)
	}
	for i, e := range out {
		if e.Key != fmt.Sprint(i+1) {
			t.Fatalf("entry %d of the outbox is %s", i, e.Key)
		}
	}
}

func leases(t *testing.T, open place) {
	ctx := context.Background()
	one, two := open(t), open(t)
	a, ok, err := one.TakeLease(ctx, "detect", "a", time.Hour)
	if err != nil || !ok || a.Term != 1 {
		t.Fatal(a, ok, err)
	}
	if l, ok, err := two.TakeLease(ctx, "detect", "b", time.Hour); ok || err != nil {
		t.Fatal(l, ok, err)
	}
	if l, ok, err := two.TakeLease(ctx, "writer", "b", time.Hour); !ok || err != nil {
		t.Fatal("a lease of another name:", l, ok, err)
	}
	if l, ok, err := one.TakeLease(ctx, "detect", "a", time.Hour); !ok || l != a || err != nil {
		t.Fatal("renewed:", l, ok, err)
	}
	if err := one.Holds(ctx, a); err != nil {
		t.Error(err)
	}
	if err := one.DropLease(ctx, a); err != nil {
		t.Fatal(err)
	}
	b, ok, err := two.TakeLease(ctx, "detect", "b", -time.Second) // has run out at once
	if err != nil || !ok || b.Term != 2 {
		t.Fatal(b, ok, err)
	}
	if err := two.Holds(ctx, b); err != nil {
		t.Error("a lease that ran out and that nobody took is still held:", err)
	}
	if err := one.Holds(ctx, a); !errors.Is(err, holdfast.ErrConflict) {
		t.Error(err)
	}
	if l, ok, err := one.TakeLease(ctx, "detect", "c", time.Hour); !ok || l.Term != 3 || err != nil {
		t.Error(l, ok, err)
	}
	gone, ok, err := one.TakeLease(ctx, "node:gone", "d", time.Hour)
	if err := errors.Join(err, one.DropLease(ctx, gone)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, err := one.TakeLease(ctx, "node:here", "e", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	list, now, err := two.Leases(ctx, "node:")
	if err != nil || len(list) != 2 || list[0].Lease != gone || !list[0].Until.Equal(time.Unix(0, 0)) || list[1].Holder != "e" || !list[1].Until.After(now.Add(59*time.Minute)) {
		t.Error(list, now, err)
	}
}

func onlyTheHolderWrites(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	lease, _, err := db.TakeLease(ctx, "writer", "a", -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	held := Held{db, lease}
	seg := func(id string, n uint64) holdfast.Segment {
		return holdfast.Segment{ID: id, Events: 5, Oldest: at, Newest: at, First: n, Last: n}
	}
	row := []holdfast.LedgerRow{{Source: "file", Received: 5, Stored: 5, Last: at}}
	for range 2 { // the second as if the first had not been answered
		if err := held.CommitSegment(ctx, holdfast.Commit{Segment: seg("s1", 1), Position: 1, Ledger: row}); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := db.TakeLease(ctx, "writer", "b", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := held.CommitSegment(ctx, holdfast.Commit{Segment: seg("s2", 2), Position: 2, Ledger: row}); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("a segment of one who lost the lease: %v", err)
	}
	if err := held.ReplaceSegments(ctx, []string{"s1"}, seg("s3", 1)); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("a compaction of one who lost the lease: %v", err)
	}
	if err := held.DropEvents(ctx, holdfast.Drop{ID: "d", Segment: "s1"}, nil, "", holdfast.Evidence{Key: "e", At: at}); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("a drop of one who lost the lease: %v", err)
	}
	if list, err := db.Segments(ctx, time.Time{}, time.Time{}); err != nil || len(list) != 1 || list[0].ID != "s1" {
		t.Errorf("%+v %v", list, err)
	}
	ledger, err := db.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]holdfast.LedgerRow{{Source: "file", Received: 5, Stored: 5, Last: at}}, ledger); diff != "" {
		t.Error(diff)
	}
}

func whatIsIntended(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	if _, err := db.Intent(ctx); !errors.Is(err, holdfast.ErrNotFound) {
		t.Errorf("nothing was intended: %v", err)
	}
	l, ok, err := db.TakeLease(ctx, "store", "a", time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	want := holdfast.Commit{Segment: holdfast.Segment{ID: "s", First: 1, Last: 2, Sum: "00ff"}, Position: 2, Ledger: []holdfast.LedgerRow{{Source: "a'b", Received: 1}}}
	if err := (Held{db, l}).Intend(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := (Held{db, Lease{"store", "b", 9}}).Intend(ctx, holdfast.Commit{}); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("another wrote: %v", err)
	}
	got, err := db.Intent(ctx)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
}

func oneSetting(t *testing.T, open place) {
	ctx := context.Background()
	one, two := open(t), open(t)
	got := make([]string, 8)
	var all sync.WaitGroup
	for i := range got {
		db := one
		if i%2 == 1 {
			db = two
		}
		all.Go(func() {
			v, err := db.SettingOr(ctx, "key", func() (string, error) { return fmt.Sprint("made by ", i), nil })
			if err != nil {
				t.Error(err)
			}
			got[i] = v
		})
	}
	all.Wait()
	for _, v := range got {
		if v != got[0] || v == "" {
			t.Fatalf("%q", got)
		}
	}
}

// TestNodesAreTold looks at the news that one node gets of another, also over a
// restart of the database.
func TestNodesAreTold(t *testing.T) {
	ctx := context.Background()
	s := postgres.Start(t)
	one, two := openAt(t, s.URL), openAt(t, s.URL)
	told := make(chan string, 1000)
	two.OnChange(func(noun, id string) { told <- noun + " " + id })
	wait := func(want string, again func()) {
		t.Helper()
		end := time.After(time.Minute)
		for {
			again() // the listener may not have been there yet
			select {
			case got := <-told:
				if got == want {
					return
				}
			case <-time.After(100 * time.Millisecond):
			case <-end:
				t.Fatalf("never told of %q", want)
			}
		}
	}
	put := func() {
		if err := one.Alerts().Put(ctx, holdfast.Alert{ID: "alt-1"}); err != nil {
			t.Error(err)
		}
	}
	wait("alert alt-1", put)
	s.Kill()
	s.Start()
	wait("alert ", func() {}) // something may have been missed
	if err := one.Users().Put(ctx, holdfast.User{Name: "x"}); err != nil {
		t.Errorf("after a restart of the database: %v", err)
	}
}

func TestAddressOfState(t *testing.T) {
	for _, text := range []string{"mysql://x", "postgres://%zz", "host=x"} {
		if _, err := OpenPostgres(context.Background(), text, clock.NewFixed(at)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	_, err := OpenPostgres(context.Background(), "postgres://u:geheim@127.0.0.1:1/x", clock.NewFixed(at))
	if err == nil || !errorSays(err, "is the server up") || errorSays(err, "geheim") {
		t.Errorf("%v", err)
	}
}

func searchesAndHunts(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	mine := holdfast.Search{Name: "mine", Query: "a | b", Last: holdfast.Duration(time.Hour), Owner: "ann", Created: at, Updated: at}
	rule := holdfast.Search{
		Name: "rule", Query: "x", Owner: "bob", Shared: true, Created: at.Add(time.Second), Updated: at,
		Rule: &holdfast.SearchRule{Every: holdfast.Duration(time.Minute), Threshold: 3, Level: holdfast.High, Attack: []string{"T1110"}, Set: at},
		Runs: &holdfast.SearchRuns{Position: 1 << 40, At: at, Runs: 2, Fault: "no column"},
	}
	found := holdfast.Hunt{
		ID: "hnt-1", Kind: holdfast.HuntIndicators, Status: holdfast.HuntDone, From: at, To: at, Started: at, Updated: at, Ended: at, Found: 3,
		Hits: []holdfast.HuntHit{{Indicator: "192.0.2.7", Type: "address", Events: 3, Hosts: []holdfast.ReplayHost{{Name: "h", Count: 3}}, First: at, Last: at}},
	}
	running := holdfast.Hunt{ID: "hnt-2", Kind: holdfast.HuntRule, Status: holdfast.HuntRunning, From: at, To: at, Started: at.Add(time.Second), Updated: at}
	ask := HuntAsk{ID: "hnt-2", List: strings.Repeat("192.0.2.1\n", 2000), Name: "list.csv", SkipFaults: true}
	err := errors.Join(db.Searches().Put(ctx, mine), db.Searches().Put(ctx, rule), db.Hunts().Put(ctx, found), db.Hunts().Put(ctx, running), db.HuntAsks().Put(ctx, ask))
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t)
	if list, n, err := db.Searches().List(ctx, Filter{}); err != nil || n != 2 || !cmp.Equal(list, []holdfast.Search{rule, mine}) {
		t.Errorf("%d %v %s", n, err, cmp.Diff([]holdfast.Search{rule, mine}, list))
	}
	if list, err := db.Searches().All(ctx, map[string]string{"scheduled": "true", "shared": "true", "owner": "bob"}); err != nil || len(list) != 1 || list[0].Name != "rule" {
		t.Errorf("%v %v", list, err)
	}
	if list, n, err := db.Hunts().List(ctx, Filter{}); err != nil || n != 2 || !cmp.Equal(list, []holdfast.Hunt{running, found}) {
		t.Errorf("%d %v %s", n, err, cmp.Diff([]holdfast.Hunt{running, found}, list))
	}
	if list, err := db.Hunts().All(ctx, map[string]string{"status": holdfast.HuntRunning, "kind": holdfast.HuntRule}); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if got, err := db.HuntAsks().Get(ctx, ask.ID); err != nil || got != ask {
		t.Errorf("%v %s", err, cmp.Diff(ask, got))
	}
	if err := errors.Join(db.Searches().Delete(ctx, "mine"), db.Hunts().Delete(ctx, "hnt-1"), db.HuntAsks().Delete(ctx, "hnt-2")); err != nil {
		t.Error(err)
	}
}
