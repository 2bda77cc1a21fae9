package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/clicklab"
	"holdfast/query"
	"holdfast/store/state"
)

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

// TestConformance is what every store of events has to do alike: Parquet with
// DuckDB, and ClickHouse.
func TestConformance(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, open opening)
	}{
		{"events come back whole", wholeEvents},
		{"a writer that ends anywhere stores each event once", onceEach},
		{"goldens through the store", goldensThroughStore},
		{"segments are put together", putTogether},
		{"spans of positions part the events", spansPart},
		{"what is old goes, and what is held stays", oldGoes},
		{"a search ends with its reader", readerLeaves},
		{"limits and faults", limitsAndFaults},
	}
	t.Run("embedded", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				c.run(t, func(t testing.TB, dir string, step func(string)) *lab { return openOn(t, dir, "", step) })
			})
		}
	})
	t.Run("clickhouse", func(t *testing.T) {
		s := clicklab.Start(t)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				if testing.Short() && c.name == "goldens through the store" {
					t.Skip("seventy queries take a while")
				}
				far := s.Database()
				c.run(t, func(t testing.TB, dir string, step func(string)) *lab { return openOn(t, dir, far, step) })
			})
		}
	})
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
		{Name: `a'b"c` + "`\\\x00\n", Text: "\x00\\'\"\t\n"},
		{Name: strings.Repeat("k", 64<<10), Text: "long name"},
		{Name: "/~0{p1}", Text: "{p1:String}"},
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
	if err != nil || len(ledger) != 1 || !ledger[0].Balanced() || ledger[0].Stored != 3 || ledger[0].DeadLettered != 1 || ledger[0].Rejected != 1 {
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
	return Statement{SQL: st.SQL, Args: st.Args, Find: st.Find, FindArgs: st.FindArgs, Own: st.Raw, From: from, To: to, MaxRows: rows}
}

// onceEach ends the writer between each two steps, and begins anew.
func onceEach(t *testing.T, open opening) {
	ctx := context.Background()
	dir := t.TempDir()
	stop := ""
	l := open(t, dir, func(point string) {
		if point == stop {
			panic(stopped{})
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

// stopped ends a writer in a test.
type stopped struct{}

func flushOrStop(t testing.TB, l *lab, seq uint64, b *holdfast.Block) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != any(stopped{}) {
			panic(r)
		}
	}()
	w := l.writer(t)
	if err := errors.Join(w.Add(context.Background(), seq, b), w.Flush(context.Background())); err != nil {
		t.Fatal(err)
	}
}

// goldensThroughStore asks the store the golden queries of package query.
func goldensThroughStore(t *testing.T, open opening) {
	ctx := context.Background()
	l := open(t, t.TempDir(), nil)
	w := l.writer(t)
	for _, r := range goldenRows(t) {
		w.cur.rows.Add(&r)
	}
	w.last, w.cur.last, w.cur.blocks = 1, 1, 1
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	to := time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)
	queries, answers := blocksOf(t, "queries.txt"), blocksOf(t, "answers.txt")
	if len(queries) < 60 {
		t.Errorf("%d goldens", len(queries))
	}
	for name, text := range queries {
		res, err := l.store.Query(ctx, compiled(t, l, text, to.AddDate(0, 0, -42), to, 1000))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lines := []string{columnNames(res.Columns)}
		for _, r := range res.Rows {
			cells := make([]string, len(r))
			for i, v := range r {
				cells[i] = goldenCell(v)
			}
			lines = append(lines, strings.Join(cells, " | "))
		}
		if got := strings.Join(lines, "\n"); got != answers[name] {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(answers[name], got))
		}
	}
}

func columnNames(cols []Column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return strings.Join(names, " | ")
}

func blocksOf(t testing.TB, file string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../query/testdata/golden/" + file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, block := range strings.Split("\n"+string(b), "\n# ")[1:] {
		name, text, _ := strings.Cut(block, "\n")
		out[name] = strings.TrimRight(text, "\n")
	}
	return out
}

func goldenRows(t testing.TB) []row {
	t.Helper()
	b, err := os.ReadFile("../../query/testdata/golden/events.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for line := range strings.Lines(string(b)) {
		var e map[string]string
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		var r row
		v := reflect.ValueOf(&r).Elem()
		for _, c := range relation {
			for _, s := range storedColumns() {
				switch {
				case s.name != c.stored:
				case s.time:
					at, err := time.Parse("2006-01-02 15:04:05.000000", e[c.name])
					if err != nil {
						t.Fatal(err)
					}
					v.Field(s.index).SetInt(at.UnixMicro())
				case v.Field(s.index).Kind() == reflect.String:
					v.Field(s.index).SetString(e[c.name])
				}
			}
		}
		r.keep()
		out = append(out, r)
	}
	return out
}

// goldenCell is a value as the goldens show it.
func goldenCell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'g', 9, 64)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = goldenCell(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strings.NewReplacer("\n", `\n`, "|", `\p`).Replace(fmt.Sprint(v))
}

// putTogether makes one segment of many and loses none of their events.
func putTogether(t *testing.T, open opening) {
	ctx := context.Background()
	l := open(t, t.TempDir(), nil)
	fill(t, l, perStep)
	if n, err := l.store.CompactOnce(ctx); n != perStep || err != nil {
		t.Fatal(n, err)
	}
	if v := l.holds(t); v.Segments != 1 || v.Events != 10*perStep {
		t.Errorf("%+v", v)
	}
	if n := countOf(t, l); n != 10*perStep {
		t.Errorf("%d events", n)
	}
}

// fill makes n segments of ten events, one of them a dead letter.
func fill(t testing.TB, l *lab, n int) {
	t.Helper()
	ctx := context.Background()
	w := l.writer(t)
	for i := range n {
		b := block(i*10, 10)
		b.Events[3].Dataset = holdfast.DeadLetter
		if err := errors.Join(w.Add(ctx, uint64(i+1), b), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
}

// oldGoes drops dead letters by age, but not those that a hold names by its
// search, then all of the day.
func oldGoes(t *testing.T, open opening) {
	ctx := context.Background()
	dir := t.TempDir()
	stop := ""
	l := open(t, dir, func(point string) {
		if point == stop {
			panic(stopped{})
		}
	})
	fill(t, l, 2)
	l.clock.Advance(10 * 24 * time.Hour)
	hold := holdfast.Hold{Name: "case-1", Dataset: "dead*", Query: "n == 3", Reason: "an inquiry", Created: noon}
	if err := l.state.LegalHolds().Put(ctx, hold); err != nil {
		t.Fatal(err)
	}
	retain := func(dataset string, dry bool) (out Retained, err error) {
		defer func() {
			if r := recover(); r != nil && r != any(stopped{}) {
				panic(r)
			}
		}()
		return l.store.Retain(ctx, Retain{
			Rules: []holdfast.Retention{{Dataset: dataset, Age: holdfast.Duration(24 * time.Hour)}}, Holds: l.state.LiveHolds, Dry: dry,
			Search: func(ctx context.Context, h holdfast.Hold, g holdfast.Segment) (map[holdfast.EventID]bool, error) {
				return l.store.SegmentIDs(ctx, g, compiled(t, l, "events | where "+h.Query, g.Oldest, g.Newest.Add(time.Microsecond), 100))
			},
		})
	}
	for _, dry := range []bool{true, false} {
		out, err := retain(holdfast.DeadLetter, dry)
		if err != nil || out.Events != 1 || out.Held != 1 || len(out.Troubles) > 0 {
			t.Fatalf("dry %v: %v %+v", dry, err, out)
		}
	}
	if n := countOf(t, l); n != 19 {
		t.Errorf("%d events, 19 expected", n)
	}
	l.holds(t)
	if _, err := l.store.Event(ctx, event(13).ID); !errors.Is(err, holdfast.ErrNotFound) {
		t.Errorf("what went is still there: %v", err)
	}
	hold.Released = noon
	if err := l.state.LegalHolds().Put(ctx, hold); err != nil {
		t.Fatal(err)
	}
	stop = "dropped"
	if _, err := retain("*", false); err != nil {
		t.Fatal(err)
	}
	stop = ""
	l.store.house = sync.Mutex{} // it was held by what was stopped
	l.writer(t)                  // begins anew, and ends what was begun
	if out, err := retain("*", false); err != nil || len(out.Troubles) > 0 {
		t.Fatalf("%v %+v", err, out)
	}
	if n := countOf(t, l); n != 0 {
		t.Errorf("%d events are left", n)
	}
	if v := l.holds(t); v.Dropped != 20 {
		t.Errorf("%+v", v)
	}
}

// TestDamageInClickHouse finds and names what somebody did to the table.
func TestDamageInClickHouse(t *testing.T) {
	ctx := context.Background()
	l := openOn(t, t.TempDir(), clicklab.Start(t).Database(), nil)
	fill(t, l, 3)
	name := l.store.far.db.Name()
	for _, c := range []struct {
		kind string
		deep bool
		what string
	}{
		{"differs", true, "ALTER TABLE " + name + " UPDATE raw = 'nothing happened' WHERE block = 1 AND dataset = 'deadletter' SETTINGS mutations_sync = 2"},
		{"differs", false, "DELETE FROM " + name + " WHERE block = 2 AND dataset = 'deadletter'"},
		{"missing", false, "DELETE FROM " + name + " WHERE block = 3"},
	} {
		if v := l.verify(t, false); len(v.Problems) > 0 && c.deep {
			t.Errorf("before: %+v", v.Problems)
		}
		if err := l.store.far.db.Change(ctx, c.what); err != nil {
			t.Fatal(err)
		}
		v := l.verify(t, c.deep)
		if !slices.ContainsFunc(v.Problems, func(p Problem) bool { return p.Kind == c.kind && p.Events == 10 && len(p.Parts) == 2 }) {
			t.Errorf("%s: %+v", c.kind, v.Problems)
		}
	}
	if _, err := Open(ctx, Options{Dir: t.TempDir(), Manifest: l.state, Clock: l.clock, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("a state whose events are in ClickHouse was opened without it: %v", err)
	}
}

// readerLeaves ends a search in its middle, and asks another at once.
func readerLeaves(t *testing.T, open opening) {
	l := open(t, t.TempDir(), nil)
	fill(t, l, 1)
	cross := "SELECT a.id AS x, b.id AS y FROM events AS a, events AS b, events AS c, events AS d, events AS e, events AS f"
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	_, err := l.store.Stream(ctx, Statement{SQL: cross, MaxRows: 100_000_000}, func([]Column) error { return nil }, func([]any) error {
		if n++; n == 100 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n >= 1_000_000 {
		t.Errorf("%v after %d rows", err, n)
	}
	if n := countOf(t, l); n != 10 {
		t.Errorf("%d events", n)
	}
}

func limitsAndFaults(t *testing.T, open opening) {
	ctx := context.Background()
	l := open(t, t.TempDir(), nil)
	fill(t, l, 2)
	all := compiled(t, l, "events", noon.Add(-time.Hour), noon.Add(time.Hour), 5)
	res, err := l.store.Query(ctx, all)
	if err != nil || !res.Truncated || len(res.Rows) != 5 {
		t.Errorf("%v truncated %v, %d rows", err, res.Truncated, len(res.Rows))
	}
	hostile := strings.Repeat(`'\"`+"`{p1:String}\t\n--", 1000)
	res, err = l.store.Query(ctx, compiled(t, l, "events | where asset == 'ast-1' | extend x = "+strconv.Quote(hostile)+" | take 1 | project x", noon.Add(-time.Hour), noon.Add(time.Hour), 5))
	if err != nil || len(res.Rows) != 1 || res.Rows[0][0] != hostile {
		t.Errorf("%v: what was written does not come back", err)
	}
	if _, err := l.store.Query(ctx, Statement{SQL: "SELECT nothing FROM events", MaxRows: 1}); err == nil {
		t.Error("a column that is none was taken")
	}
	if _, err := l.store.Query(ctx, Statement{SQL: "DROP TABLE events", MaxRows: 1}); err == nil {
		t.Error("a DROP was taken for a search")
	}
	if n := countOf(t, l); n != 20 {
		t.Errorf("%d events", n)
	}
}
