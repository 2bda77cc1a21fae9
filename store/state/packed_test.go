package state

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/zstd"
)

// long is an alert that shows as many events as one may.
func long(id string, grown int) holdfast.Alert {
	a := holdfast.Alert{
		ID: id, Rule: "r2", Title: "Password guessing", Level: holdfast.High, Status: holdfast.AlertOpen, Raised: at, Updated: at.Add(time.Duration(grown) * time.Second),
		Stages: []holdfast.Stage{{Rule: "r1", Time: at, At: at}, {Rule: "r2", Time: at, At: at}}, Group: []holdfast.Entity{}, Entities: []holdfast.Entity{}, Count: holdfast.MaxMatches + grown,
	}
	for i := range holdfast.MaxMatches {
		n := grown + i
		text := fmt.Sprintf("Jan  2 03:04:05 web-%02d sshd[%d]: Failed password for u%d from 2001:db8::%x port %d ssh2", n%40, n*7919%32768, n*31%9973, n*104729%65536, 1024+n%60000)
		a.Matches = append(a.Matches, holdfast.Match{
			Event: holdfast.NewEventID("s", fmt.Sprint(n), []byte(text), 0), Time: at, Dataset: "linux.sshd", Rule: "r1", Message: text,
			Because: []holdfast.Predicate{{Selection: "selection", Field: "action", Op: "equals", Want: "login_failed", Got: "login_failed"}},
		})
	}
	return a
}

func longBodies(t *testing.T, open place) {
	ctx := context.Background()
	db := open(t)
	want := []holdfast.Alert{{ID: "alt-0", Status: holdfast.AlertOpen, Raised: at.Add(-time.Hour)}}
	for n := range 10 {
		want = append(want, long(fmt.Sprint("alt-", n+1), n))
	}
	if err := db.Alerts().PutAll(ctx, append([]holdfast.Alert{long("alt-0", 7)}, want[1:]...)); err != nil {
		t.Fatal(err)
	}
	if err := db.Alerts().Put(ctx, want[0]); err != nil { // a short one in place of a long one
		t.Fatal(err)
	}
	for _, a := range want {
		if got, err := db.Alerts().Get(ctx, a.ID); err != nil || !cmp.Equal(got, a) {
			t.Errorf("%s: %v %s", a.ID, err, cmp.Diff(a, got))
		}
	}
	in := holdfast.Incident{ID: "inc-1", Status: holdfast.IncidentOpen, Updated: at, Tasks: []holdfast.IncidentTask{}}
	for n := range 100 {
		in.Timeline = append(in.Timeline, holdfast.Moment{At: at, Kind: "alert", Ref: fmt.Sprint("alt-", n), Say: "Password guessing (high): 5 events"})
	}
	if err := db.Incidents().Put(ctx, in); err != nil {
		t.Fatal(err)
	}
	if got, _, err := db.IncidentsSince(ctx, 0); err != nil || !cmp.Equal(got, []holdfast.Incident{in}) {
		t.Errorf("%v %s", err, cmp.Diff([]holdfast.Incident{in}, got))
	}
	stages, err := db.StagesOf(ctx, []string{"alt-0", "alt-1", "alt-2", "alt-none"})
	if diff := cmp.Diff(map[string]int{"alt-0": 0, "alt-1": 2, "alt-2": 2}, stages); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestPackedBodies holds that long bodies are kept packed in SQLite, that those of
// before are read, and that a damaged one is an error and no other alert.
func TestPackedBodies(t *testing.T) {
	ctx := t.Context()
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	want := long("alt-1", 0)
	if err := db.Alerts().PutAll(ctx, []holdfast.Alert{want, {ID: "alt-2"}}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var kind string
	var body []byte
	if err := db.read.QueryRowContext(ctx, "SELECT typeof(body), body FROM alerts WHERE id = 'alt-1'").Scan(&kind, &body); err != nil || kind != "blob" || 3*len(body) > len(text) {
		t.Errorf("%d bytes are kept as %d of %s: %v", len(text), len(body), kind, err)
	}
	if err := db.read.QueryRowContext(ctx, "SELECT typeof(body) FROM alerts WHERE id = 'alt-2'").Scan(&kind); err != nil || kind != "text" {
		t.Errorf("a short one is kept as %s: %v", kind, err)
	}
	replace := func(body any) {
		t.Helper()
		if _, err := db.write.ExecContext(ctx, "UPDATE alerts SET body = $1 WHERE id = 'alt-1'", body); err != nil {
			t.Fatal(err)
		}
	}
	replace(string(text))
	if got, err := db.Alerts().Get(ctx, "alt-1"); err != nil || !cmp.Equal(got, want) {
		t.Errorf("one of before: %v %s", err, cmp.Diff(want, got))
	}
	tooLong := zstd.New(zstd.Fast).Append(nil, make([]byte, longestPacked+1))
	for name, damaged := range map[string][]byte{"cut off": body[:len(body)/2], "no frame": append(body[:4:4], "{}"...), "too long": tooLong} {
		replace(damaged)
		if _, err := db.Alerts().Get(ctx, "alt-1"); err == nil || !errorSays(err, "alerts: a row is damaged: ") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := db.StagesOf(ctx, []string{"alt-1"}); err == nil || !errorSays(err, "alerts: a row is damaged: ") {
			t.Errorf("%s, its stages: %v", name, err)
		}
	}
}

// BenchmarkPutLong measures what it costs to keep an alert again that has grown.
func BenchmarkPutLong(b *testing.B) {
	ctx := context.Background()
	db := open(b, filepath.Join(b.TempDir(), "state.db"))
	var grown []holdfast.Alert
	for n := range 100 {
		grown = append(grown, long(fmt.Sprint("alt-", n%10), n))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := db.Alerts().Put(ctx, grown[i%len(grown)]); err != nil {
			b.Fatal(err)
		}
	}
}
