package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/clicklab"
	"holdfast/query"
	"holdfast/store/state"
)

// onBothStores runs a test on Parquet with DuckDB and on ClickHouse.
func onBothStores(t *testing.T, f func(t *testing.T, open func(t testing.TB, dir string, step func(string)) *lab)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		f(t, func(t testing.TB, dir string, step func(string)) *lab { return openOn(t, dir, "", step) })
	})
	t.Run("clickhouse", func(t *testing.T) {
		s := clicklab.Start(t)
		f(t, func(t testing.TB, dir string, step func(string)) *lab { return openOn(t, dir, s.URL, step) })
	})
}

func openOn(t testing.TB, dir, far string, step func(string)) *lab {
	t.Helper()
	ctx := context.Background()
	c := clock.NewFixed(noon)
	db, err := state.Open(ctx, filepath.Join(dir, "state.db"), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, Options{Dir: filepath.Join(dir, "events"), ClickHouse: far, Manifest: db, Clock: c, Log: slog.New(slog.DiscardHandler), Step: step})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{dir, db, s, c}
	t.Cleanup(l.close)
	return l
}

type opening func(t testing.TB, dir string, step func(string)) *lab

// TestConformance is what every store of events has to do alike. Each case has a
// time of the day of its own, as the two share nothing but the server.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, open opening)
	}{
		{"events come back whole", wholeEvents},
		{"a segment that is committed again is there once", onceEach},
		{"goldens through the store", goldensThroughStore},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBothStores(t, func(t *testing.T, open func(t testing.TB, dir string, step func(string)) *lab) { c.run(t, open) })
		})
	}
}

func countOf(t testing.TB, l *lab) int64 {
	t.Helper()
	r, err := l.store.Query(context.Background(), Statement{SQL: "SELECT count(*) AS n FROM events", MaxRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows[0][0].(int64)
}

// hostile is an event of names and values that mean something elsewhere.
func hostile(i int) holdfast.Event {
	e := event(i)
	e.ID = holdfast.NewEventID("hostile", fmt.Sprint(i), nil, 0)
	e.Raw = []byte("\xff\x00 <b>'; DROP TABLE events; -- \\ \t\n\r {p1:String} `x` \"y\"")
	e.Time = time.Date(292277026596, 1, 1, 0, 0, 0, 0, time.UTC)
	e.Trouble, e.Dataset = "clock", holdfast.DeadLetter
	e.Fields = []holdfast.Field{
		{Name: `a'b"c` + "`\\\x00\n", Text: "\x00\\'\"\t\n"}, {Name: strings.Repeat("k", 64<<10), Text: "long name"}, {Name: "/~0{p1}", Text: "{p1:String}"},
		{Name: "giant", Text: strings.Repeat("ü", 1<<20)},
	}
	return e
}

func wholeEvents(t *testing.T, open opening) {
	ctx := context.Background()
	l := open(t, t.TempDir(), nil)
	if n := countOf(t, l); n != 0 {
		t.Fatalf("an empty store has %d events", n)
	}
	w := l.writer(t)
	odd := hostile(7)
	b := block(0, 3)
	b.Events = append(b.Events, odd)
	b.Counts[0].Received = 5
	b.Counts[0].Rejected = 1
	if err := errors.Join(w.Add(ctx, 1, b), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	want := event(1)
	got, err := l.store.Event(ctx, want.ID)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
	got, err = l.store.Event(ctx, odd.ID)
	if err != nil || !bytes.Equal(got.Raw, odd.Raw) || cmp.Diff(odd.Fields, got.Fields) != "" {
		t.Errorf("%v %q %d fields", err, got.Raw, len(got.Fields))
	}
	if _, err := l.store.Event(ctx, holdfast.EventID{}); !errors.Is(err, holdfast.ErrNotFound) {
		t.Error(err)
	}
	ledger, err := l.state.Ledger(ctx)
	if err != nil || len(ledger) != 1 || !ledger[0].Balanced() || ledger[0].Stored != 3 || ledger[0].DeadLettered != 1 {
		t.Errorf("%v %+v", err, ledger)
	}
	st, err := l.store.AllStats(ctx)
	if err != nil || st.Events != 4 || st.Segments != 1 || len(st.Datasets) != 2 {
		t.Errorf("%v %+v", err, st)
	}
	l.holds(t)
	n := 0
	_, err = l.store.Each(ctx, noon.Add(-time.Hour), noon.Add(time.Hour), []string{"linux.sshd"}, func(e *holdfast.Event) error {
		n++
		return nil
	}, func(Walk) {})
	if err != nil || n != 3 {
		t.Errorf("%v: %d events of the dataset", err, n)
	}
	var out bytes.Buffer
	if err := l.store.Parquet(ctx, compiled(t, l, "events | where dataset == 'linux.sshd' | project id", noon.Add(-time.Hour), noon.Add(time.Hour), 100), &out); err != nil || !bytes.HasPrefix(out.Bytes(), []byte("PAR1")) {
		t.Errorf("%v: %d bytes", err, out.Len())
	}
}

func compiled(t testing.TB, l *lab, text string, from, to time.Time, rows int) Statement {
	t.Helper()
	q, err := query.Parse(text, to)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	st, err := query.CompileWith(q, query.Options{Range: query.Range{From: from, To: to}, MaxRows: rows, Dialect: l.store.Dialect()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return Statement{SQL: st.SQL, Args: st.Args, Own: st.Raw, From: from, To: to, MaxRows: rows}
}

// onceEach ends the writer between each two steps, and begins anew.
func onceEach(t *testing.T, open opening) {
	ctx := context.Background()
	dir := t.TempDir()
	stop := ""
	l := open(t, dir, func(point string) {
		if point == stop {
			panic(errStopped)
		}
	})
	total := int64(0)
	for i, point := range []string{"written", "intended", "inserted", "committed", ""} {
		for _, lost := range []bool{false, true} {
			if lost && l.store.far == nil { // it would be the only copy
				continue
			}
			stop = point
			seq := uint64(2*i + 1)
			if lost {
				seq++
			}
			flushOrStop(t, l, seq, block(int(seq)*10, 10))
			if lost { // the file was another machine's
				if err := os.RemoveAll(filepath.Join(dir, "events")); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Join(dir, "events"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			stop = ""
			w := l.writer(t)
			if w.Position() < seq { // the bus gives it again, with one more
				b := block(int(seq)*10, 10)
				if err := errors.Join(w.Add(ctx, seq, b), w.Flush(ctx)); err != nil {
					t.Fatal(err)
				}
			}
			total += 10
			if n := countOf(t, l); n != total {
				t.Fatalf("stopped at %q, file lost %v: %d events, %d expected", point, lost, n, total)
			}
		}
	}
}

var errStopped = errors.New("stopped here")

func flushOrStop(t testing.TB, l *lab, seq uint64, b *holdfast.Block) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != errStopped {
			panic(r)
		}
	}()
	w := l.writer(t)
	if err := errors.Join(w.Add(context.Background(), seq, b), w.Flush(context.Background())); err != nil {
		t.Fatal(err)
	}
}

var _ = io.Discard

func goldensThroughStore(t *testing.T, open opening) {}
