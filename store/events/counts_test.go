package events

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/query"
)

// countable is a store of four segments of 200 events, half of them of another
// dataset, the first two of older forms.
func countable(t *testing.T) *lab {
	t.Helper()
	ctx := context.Background()
	l := open(t, t.TempDir())
	l.store.counts = 1
	w := l.writer(t)
	for seq := range 4 {
		b := block(200*seq, 200)
		for i := range b.Events {
			e := &b.Events[i]
			e.Asset = []string{"", "ast-1", "ast-2\n'\""}[i%3]
			if i%2 == 0 {
				e.Dataset = "zeek.conn"
			}
			if i == 7 {
				e.Time = time.Time{} // the first minute there is
			}
		}
		if err := errors.Join(w.Add(ctx, uint64(seq+1), b), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
		if seq < 2 {
			l.age(t, seq)
		}
	}
	return l
}

// countAll counts what is to be counted, and returns the files of it.
func (l *lab) countAll(t *testing.T) []string {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = l.store.CountOnce(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return l.countFiles(t)
}

func (l *lab) countFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, "events", "*", "*"+countsEnd))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sameCounts holds answers from counts against those of the plain statement.
func (l *lab) sameCounts(t *testing.T, when string) {
	t.Helper()
	for _, span := range [][2]time.Time{
		{noon.AddDate(-3000, 0, 0), noon.AddDate(1, 0, 0)},
		{noon, noon.Add(800 * time.Second)},
		{noon.Add(130 * time.Second), noon.Add(700 * time.Second)},
		{noon.Add(time.Hour), noon.Add(2 * time.Hour)},
		{noon.Add(61*time.Second + 1000), noon.Add(659999999 * time.Microsecond)},
		{noon.Add(70 * time.Second), noon.Add(100 * time.Second)},
		{noon.Add(120 * time.Second), noon.Add(420 * time.Second)},
		{noon.Add(59 * time.Second), noon.Add(181 * time.Second)},
	} {
		for _, text := range []string{
			`events | count`, `events | summarize n=count() by asset | order by n desc, asset asc`, `events | summarize n=count() by at=bin(time, 1m) | order by at asc`,
			`events | summarize n=count() by at=bin(time, 5m), dataset | order by at asc, dataset asc`, `dataset:zeek.conn | summarize n=count() by at=bin(time, 1h) | order by at asc`,
			`events | summarize dcount(source.ip), countif(source.ip startswith "192.0.2.1"), min(source.ip), max(source.ip), count()`,
			`events | where asset contains "AST" | distinct asset | order by asset asc`, `events | summarize make_set(dataset)`,
			`events | summarize n=count() by dataset | join kind=inner (events | summarize m=dcount(dataset) by dataset) on dataset | project dataset, n, m | order by n asc, dataset asc`,
			`events | summarize n=count() by at=bin(time, 7s) | order by at asc`, `events | where asset == "nobody" | summarize count(), dcount(asset)`,
		} {
			want, got := l.both(t, text, query.Range{From: span[0], To: span[1]})
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, %v: %s (-written +planned)\n%s", when, span, text, d)
			}
		}
	}
}

// TestCountsAreThoseOfTheEvents holds what is found from counts against the
// events themselves: not counted yet, counted, put together, counted again, after
// some were dropped, and over a restart.
func TestCountsAreThoseOfTheEvents(t *testing.T) {
	ctx := context.Background()
	l := countable(t)
	l.sameCounts(t, "not counted")
	l.clock.Advance(48 * time.Hour)
	if files := l.countAll(t); len(files) != 4 {
		t.Fatal(files)
	}
	l.sameCounts(t, "counted")
	if v := l.verify(t, false); v.Litter != 0 {
		t.Errorf("%+v", v)
	}
	segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.merge(ctx, segs); err != nil {
		t.Fatal(err)
	}
	l.sameCounts(t, "put together")
	if files := l.countAll(t); len(files) != 5 {
		t.Fatal(files)
	}
	l.sameCounts(t, "put together and counted")
	l.clock.Advance(time.Hour)
	l.store.removeDoomed(l.clock.Now())
	if files := l.countFiles(t); len(files) != 1 {
		t.Errorf("the counts of segments that are no more stay: %v", files)
	}
	l.retain(t, false, holdfast.Retention{Dataset: "zeek.*", Age: holdfast.Duration(time.Hour)})
	l.sameCounts(t, "half of it dropped")
	l.countAll(t)
	l.sameCounts(t, "half of it dropped, and counted")
	l.close()
	l = open(t, l.dir)
	l.store.counts = 1
	if files := l.countFiles(t); len(files) != 1 {
		t.Errorf("after a start: %v", files)
	}
	l.sameCounts(t, "after a start")
}

// TestDamagedCountsAreNotBelieved: counts that were changed, of another segment or
// are gone change no answer.
func TestDamagedCountsAreNotBelieved(t *testing.T) {
	l := countable(t)
	l.clock.Advance(48 * time.Hour)
	files := l.countAll(t)
	if len(files) != 4 {
		t.Fatal(files)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(b)
	flipped[len(b)/2] ^= 1
	other := files[2]
	segment := segmentOf(files[1])
	for _, err := range []error{
		os.WriteFile(files[0], flipped, 0o600), os.Remove(files[1]), os.WriteFile(countsPath(segment, b), b, 0o600), os.WriteFile(other, b[:len(b)/2], 0o600), os.Remove(files[3]),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	l = open(t, l.dir)
	l.store.counts = 1
	l.sameCounts(t, "damaged")
	for _, f := range l.countAll(t) {
		if !strings.HasPrefix(filepath.Base(f), "2026") {
			t.Error(f)
		}
	}
	l.sameCounts(t, "damaged and counted again")
	for _, f := range l.countFiles(t) { // gone while the store is open
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	l.sameCounts(t, "gone")
}

// TestHeldWhereCounted: what a hold keeps stays where a segment has counts, nothing
// else does, and what is found from counts afterwards is what is left.
func TestHeldWhereCounted(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		hold  holdfast.Hold
		stays func(n, i int) bool // the n-th event of all, the i-th of its segment
	}{
		"nothing":          {holdfast.Hold{Dataset: "x"}, func(int, int) bool { return false }},
		"a search":         {holdfast.Hold{Query: "source.ip:192.0.2.4"}, func(n, _ int) bool { return n%250 == 4 }},
		"a part":           {holdfast.Hold{From: noon.Add(150 * time.Second), To: noon.Add(450 * time.Second)}, func(n, i int) bool { return n >= 150 && n < 450 }},
		"a counted search": {holdfast.Hold{Query: `events | where asset in ((events | where asset != "" | summarize n=count() by asset | where n > 60 | project asset))`}, func(_, i int) bool { return i%3 != 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			l := countable(t)
			l.clock.Advance(48 * time.Hour)
			if files := l.countAll(t); len(files) != 4 {
				t.Fatal(files)
			}
			c.hold.Name, c.hold.Created = "case", noon
			if err := l.state.LegalHolds().Put(ctx, c.hold); err != nil {
				t.Fatal(err)
			}
			var want []string
			for n := range 800 {
				if i := n % 200; i%2 == 1 || c.stays(n, i) {
					want = append(want, event(n).ID.String())
				}
			}
			out, err := l.store.Retain(ctx, Retain{
				Rules: []holdfast.Retention{{Dataset: "zeek.*", Age: holdfast.Duration(time.Hour)}}, Holds: l.state.LiveHolds,
				Search: func(ctx context.Context, h holdfast.Hold, g holdfast.Segment) (map[holdfast.EventID]bool, error) {
					q, err := query.Parse(h.Query, noon)
					if err != nil {
						return nil, err
					}
					st, err := query.CompileWith(q, query.Options{Range: query.Range{From: noon.AddDate(-3000, 0, 0), To: noon.AddDate(1, 0, 0)}, MaxRows: 1 << 30, Dialect: l.store.Dialect()})
					if err != nil {
						return nil, err
					}
					return l.store.SegmentIDs(ctx, g, Statement{SQL: st.SQL, Args: st.Args})
				},
			})
			if err != nil || len(out.Troubles) > 0 || out.Events != uint64(800-len(want)) {
				t.Fatalf("%+v %v", out, err)
			}
			left := func(when string) {
				t.Helper()
				res, err := l.store.Query(ctx, Statement{SQL: "SELECT id FROM events ORDER BY id", MaxRows: 1000})
				if err != nil {
					t.Fatal(err)
				}
				got := make([]string, len(res.Rows))
				for i, r := range res.Rows {
					got[i] = r[0].(string)
				}
				slices.Sort(want)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s (-want +got)\n%s", when, d)
				}
				l.sameCounts(t, when)
			}
			left("dropped")
			l.countAll(t)
			left("dropped and counted")
			segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.store.merge(ctx, segs); err != nil {
				t.Fatal(err)
			}
			l.countAll(t)
			left("put together and counted")
			l = reopened(t, l)
			l.store.counts = 1
			left("after a start")
			l.holds(t)
		})
	}
}
