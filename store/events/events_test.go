package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/store/state"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type lab struct {
	dir   string
	state *state.DB
	store *Store
	clock *clock.Fixed
}

func open(t testing.TB, dir string) *lab {
	t.Helper()
	ctx := context.Background()
	c := clock.NewFixed(noon)
	db, err := state.Open(ctx, filepath.Join(dir, "state.db"), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, Options{Dir: filepath.Join(dir, "events"), Manifest: db, Clock: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{dir, db, s, c}
	t.Cleanup(l.close)
	return l
}

func (l *lab) close() {
	l.store.Close()
	l.state.Close()
}

func (l *lab) writer(t testing.TB) *Writer {
	t.Helper()
	w, err := l.store.NewWriter(context.Background(), func(e *holdfast.Event) []holdfast.Entity {
		return []holdfast.Entity{{Kind: holdfast.EntitySource, Value: e.Text("src_ip")}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func event(i int) holdfast.Event {
	raw := fmt.Appendf(nil, "Failed password for root from 192.0.2.%d port %d ssh2", i%250, i)
	return holdfast.Event{
		ID: holdfast.NewEventID("file", fmt.Sprint(i), raw, 0), Time: noon.Add(time.Duration(i) * time.Second), Received: noon, Source: "file", Asset: "ast-1",
		Dataset: "linux.sshd", Raw: raw,
		Fields: []holdfast.Field{{Name: "src_ip", Text: fmt.Sprintf("192.0.2.%d", i%250)}, {Name: "n", Text: fmt.Sprint(i), Kind: holdfast.Number}, {Name: "l", Text: "a"}, {Name: "l", Text: "b"}, {Name: "null", Kind: holdfast.Null}},
	}
}

func block(from, n int) *holdfast.Block {
	b := &holdfast.Block{ID: fmt.Sprint(from), Counts: []holdfast.Count{{Source: "file", Hour: noon, Received: uint64(n)}}}
	for i := range n {
		b.Events = append(b.Events, event(from+i))
	}
	return b
}

func (l *lab) count(t testing.TB) int64 {
	t.Helper()
	r, err := l.store.Query(context.Background(), Statement{SQL: "SELECT count(*) FROM events", MaxRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows[0][0].(int64)
}

func TestAgainIsOnce(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	l := open(t, dir)
	w := l.writer(t)
	resent := block(0, 10)
	resent.ID = "other"
	if err := errors.Join(w.Add(ctx, 1, block(0, 10)), w.Add(ctx, 1, block(0, 10)), w.Add(ctx, 2, resent), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	ledger, err := l.state.Ledger(ctx)
	if err != nil || ledger[0].Stored != 10 || ledger[0].Doubled != 10 || !ledger[0].Balanced() {
		t.Errorf("%+v %v", ledger, err)
	}
	// A writer that died after the file and before the manifest starts over.
	if err := w.Add(ctx, 3, block(10, 5)); err != nil {
		t.Fatal(err)
	}
	litter := filepath.Join(dir, "events", "2026-03-01", "2026-03-01-0000000000000003-0000000000000003.parquet")
	if err := os.WriteFile(litter, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.close()
	l = open(t, dir)
	if _, err := os.Stat(litter); !os.IsNotExist(err) {
		t.Errorf("litter stays: %v", err)
	}
	w = l.writer(t)
	if w.Position() != 2 {
		t.Errorf("at %d", w.Position())
	}
	if err := errors.Join(w.Add(ctx, 3, block(10, 5)), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := l.count(t); n != 15 {
		t.Errorf("%d events", n)
	}
	// What was committed is sent again, as another block, to the next writer.
	l.close()
	l = open(t, dir)
	w = l.writer(t)
	more := block(8, 10)
	more.ID = "yet another"
	if err := errors.Join(w.Add(ctx, 4, more), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	if ledger, err = l.state.Ledger(ctx); err != nil || ledger[0].Stored != 18 || ledger[0].Doubled != 17 || !ledger[0].Balanced() || l.count(t) != 18 {
		t.Errorf("%+v %v, %d events", ledger, err, l.count(t))
	}
}

func TestCompaction(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	for i := range perStep {
		if err := errors.Join(w.Add(ctx, uint64(i+1), block(i*10, 10)), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	before := l.count(t)
	n, err := l.store.CompactOnce(ctx)
	if err != nil || n != perStep {
		t.Fatal(n, err)
	}
	st, err := l.store.Stats(ctx)
	if err != nil || st.Segments != 1 || l.count(t) != before {
		t.Errorf("%+v %v %d", st, err, before)
	}
	l.store.removeDoomed(noon.Add(time.Hour))
	if l.count(t) != before {
		t.Error("events are gone with the old files")
	}
	if e := event(33); true {
		if got, err := l.store.Event(ctx, e.ID); err != nil || got.Text("n") != "33" {
			t.Error(got, err)
		}
	}
}

func TestSearchReadsNothingElse(t *testing.T) {
	l := open(t, t.TempDir())
	for _, q := range []string{
		"SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/x.csv'",
		"SELECT * FROM read_parquet('" + l.dir + "/state.db')", "SET enable_external_access = true", "INSTALL httpfs",
	} {
		if _, err := l.store.db.Exec(q); err == nil {
			t.Errorf("%s was carried out", q)
		}
	}
}

func TestSearchIsOneSelect(t *testing.T) {
	l := open(t, t.TempDir())
	for _, q := range []string{
		"SELECT 1; SELECT 2", "SELECT 1; COPY (SELECT 7 AS x) TO '" + l.dir + "/events/x.parquet' (FORMAT parquet); SELECT 2", "", "SELECT 1) ; SET threads = 1",
	} {
		if _, err := l.store.Query(context.Background(), Statement{SQL: q, MaxRows: 1}); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func TestSearchEndsWithItsReader(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := l.store.Query(ctx, Statement{SQL: "SELECT count(*) FROM range(100000000000) a, range(1000) b", MaxRows: 1})
	if !errors.Is(err, holdfast.ErrTooLarge) {
		t.Error(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	ctx := context.Background()
	l := open(b, b.TempDir())
	w := l.writer(b)
	n := 0
	for b.Loop() {
		n++
		if err := w.Add(ctx, uint64(n), block(n*1000, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n*1000)/b.Elapsed().Seconds(), "events/s")
	st, err := l.store.Stats(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Bytes)/float64(st.Events), "B/event")
}

func BenchmarkNeedle(b *testing.B) {
	ctx := context.Background()
	l := open(b, b.TempDir())
	w := l.writer(b)
	for i := range 100 {
		if err := w.Add(ctx, uint64(i+1), block(i*1000, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := l.store.Query(ctx, Statement{SQL: `SELECT count(*) FROM events WHERE "source.ip" = $1`, Args: []any{"192.0.2.77"}, MaxRows: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
