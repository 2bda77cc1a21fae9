package state

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(context.Background(), path, clock.NewFixed(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func errorSays(err error, text string) bool { return strings.Contains(err.Error(), text) }

func nounsComeBack(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	u := holdfast.User{Name: "alice", Roles: []holdfast.Role{holdfast.Engineer}, Password: "$argon2id$…", Created: at}
	tok := holdfast.Token{ID: "tok-1", Hash: "abc", Kind: holdfast.TokenLogin, User: "alice", Created: at, Expires: at}
	inc := holdfast.Incident{ID: "inc-1", Status: holdfast.IncidentOpen, Rank: 5, Updated: at}
	higher := holdfast.Incident{ID: "inc-2", Status: holdfast.IncidentContained, Rank: 80, Updated: at}
	closed := holdfast.Incident{ID: "inc-3", Status: holdfast.IncidentClosed, Rank: 100, Updated: at}
	err := errors.Join(db.Users().Put(ctx, u), db.Tokens().Put(ctx, tok), db.Incidents().Put(ctx, inc), db.Incidents().Put(ctx, higher), db.Incidents().Put(ctx, closed))
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	db = open(t)
	if got, err := db.Users().Get(ctx, "alice"); err != nil || !cmp.Equal(got, u) {
		t.Errorf("%v %s", err, cmp.Diff(u, got))
	}
	var ids []string
	all, total, err := db.Incidents().List(ctx, Filter{})
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	if diff := cmp.Diff([]string{"inc-2", "inc-1", "inc-3"}, ids); diff != "" || total != 3 || err != nil {
		t.Errorf("order: %s %d %v", diff, total, err)
	}
	if _, total, err := db.Incidents().List(ctx, Filter{Where: map[string]string{"status": "open,contained"}, Limit: 1}); total != 2 || err != nil {
		t.Errorf("%d %v", total, err)
	}
	if _, _, err := db.Incidents().List(ctx, Filter{Where: map[string]string{"body": "x"}}); !errors.Is(err, holdfast.ErrInvalid) {
		t.Errorf("an unknown filter: %v", err)
	}
	if _, err := db.TakeToken(ctx, "abc"); err != nil {
		t.Error(err)
	}
	if _, err := db.TakeToken(ctx, "abc"); !errors.Is(err, holdfast.ErrNotFound) {
		t.Errorf("a token was taken twice: %v", err)
	}
}

func wholeOrNothing(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	var told []string
	db.OnChange(func(noun, id string) { told = append(told, noun+" "+id) })
	stop := errors.New("stop")
	err := db.Tx(ctx, func(tx *Tx) error {
		if err := tx.Alerts().Put(ctx, holdfast.Alert{ID: "alt-1", Status: holdfast.AlertOpen}); err != nil {
			return err
		}
		if _, err := tx.Alerts().Get(ctx, "alt-1"); err != nil {
			t.Errorf("a transaction does not see its own writes: %v", err)
		}
		if err := tx.SetPosition(ctx, "detect", 7, []byte("x")); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if _, err := db.Alerts().Get(ctx, "alt-1"); !errors.Is(err, holdfast.ErrNotFound) {
		t.Errorf("half a transaction stayed: %v", err)
	}
	if seq, _, err := db.Position(ctx, "detect"); seq != 0 || err != nil {
		t.Errorf("%d %v", seq, err)
	}
	if len(told) > 0 {
		t.Errorf("told of what did not happen: %v", told)
	}
	err = db.Tx(ctx, func(tx *Tx) error {
		for _, want := range []uint64{1, 2, 3} {
			if n, err := tx.NextNumber(ctx, "inc"); n != want || err != nil {
				t.Errorf("%d %v", n, err)
			}
		}
		return errors.Join(tx.Alerts().Put(ctx, holdfast.Alert{ID: "alt-2"}), tx.SetPosition(ctx, "detect", 8, []byte("y")))
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"alert alt-2"}, told); diff != "" {
		t.Error(diff)
	}
}

func segmentPositionLedger(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	for i := range 2 {
		seg := holdfast.Segment{ID: string(rune('a' + i)), Events: 5, Oldest: at, Newest: at.Add(time.Minute), First: uint64(i), Last: uint64(i)}
		row := holdfast.LedgerRow{Source: "file", Received: 7, Stored: 5, DeadLettered: 1, Rejected: 1, Last: at}
		if err := db.CommitSegment(ctx, holdfast.Commit{Segment: seg, Position: uint64(i + 1), Ledger: []holdfast.LedgerRow{row}}); err != nil {
			t.Fatal(err)
		}
	}
	ledger, err := db.Ledger(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []holdfast.LedgerRow{{Source: "file", Received: 14, Stored: 10, DeadLettered: 2, Rejected: 2, Last: at}}
	if diff := cmp.Diff(want, ledger); diff != "" {
		t.Error(diff)
	}
	segs, err := db.Segments(ctx, at.Add(30*time.Second), time.Time{})
	if err != nil || len(segs) != 2 {
		t.Errorf("%v %v", segs, err)
	}
	if segs, err := db.Segments(ctx, at.Add(time.Hour), time.Time{}); err != nil || len(segs) != 0 {
		t.Errorf("%v %v", segs, err)
	}
	if seq, _, err := db.Position(ctx, holdfast.WriterPosition); seq != 2 || err != nil {
		t.Errorf("%d %v", seq, err)
	}
	if err := db.ReplaceSegments(ctx, []string{"a", "b"}, holdfast.Segment{ID: "c", Events: 10, Oldest: at, Newest: at}); err != nil {
		t.Fatal(err)
	}
	if segs, err := db.Segments(ctx, time.Time{}, time.Time{}); err != nil || len(segs) != 1 {
		t.Errorf("%v %v", segs, err)
	}
}

func outboxOrder(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	for _, k := range []string{"a", "b", "c"} {
		if err := db.Record(ctx, holdfast.Evidence{Key: k, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	out, last, err := db.Outbox(ctx, 2)
	if err != nil || len(out) != 2 || out[0].Key != "a" || out[1].Key != "b" {
		t.Fatalf("%v %v", out, err)
	}
	if err := db.DropOutbox(ctx, last); err != nil {
		t.Fatal(err)
	}
	if out, _, err = db.Outbox(ctx, 9); err != nil || len(out) != 1 || out[0].Key != "c" {
		t.Fatalf("%v %v", out, err)
	}
}

func factsByTable(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	put := func(name string, n int64) {
		f := holdfast.Facts{Asset: "ast-1", Tables: map[string]holdfast.Table{name: {Name: name, Rows: []holdfast.Row{{"n": n, "list": []any{"x"}}}}}}
		if err := db.PutFacts(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	put("os", 1)
	put("kernel", 2)
	put("os", 3)
	f, err := db.Facts(ctx, "ast-1")
	if err != nil || len(f.Tables) != 2 || f.Tables["os"].Rows[0]["n"] != int64(3) {
		t.Errorf("%v %v", f, err)
	}
}

func BenchmarkPut(b *testing.B) {
	ctx := context.Background()
	db := open(b, filepath.Join(b.TempDir(), "state.db"))
	for i := 0; b.Loop(); i++ {
		if err := db.Alerts().Put(ctx, holdfast.Alert{ID: holdfast.NewID("alt"), Raised: at}); err != nil {
			b.Fatal(err)
		}
	}
}
