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
		{noon.AddDate(-3000, 0, 0), noon.AddDate(1, 0, 0)}, {noon, noon.Add(800 * time.Second)}, {noon.Add(130 * time.Second), noon.Add(700 * time.Second)}, {noon.Add(time.Hour), noon.Add(2 * time.Hour)},
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
