package events

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

// TestJoinedIsTheSame puts segments together as they lie, and finds what was found
// before, in the same number of rows, parts and bytes of records.
func TestJoinedIsTheSame(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	for i := range 3 {
		if err := errors.Join(w.Add(ctx, uint64(2*i+1), block(i*1000, 700+i)), w.Add(ctx, uint64(2*i+2), block(i*1000+900, 50)), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, c := range relation {
		names = append(names, `"`+c.name+`"`)
	}
	all := Statement{SQL: "SELECT " + strings.Join(names, ", ") + " FROM events ORDER BY id", MaxRows: 10_000}
	before, err := l.store.Query(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := l.store.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	list, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil || len(list) != 3 {
		t.Fatal(len(list), err)
	}
	joined := l.join(t, list)
	after, err := l.store.Query(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before.Rows, after.Rows); d != "" {
		t.Error(d)
	}
	now, err := l.store.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	now.Segments, now.Bytes, now.Written, now.Datasets[0].Bytes = stats.Segments, stats.Bytes, stats.Written, stats.Datasets[0].Bytes
	if d := cmp.Diff(stats, now); d != "" {
		t.Error(d)
	}
	merged, err := l.store.mergeFiles(ctx, []holdfast.Segment{joined}, holdfast.Segment{ID: "again", Path: "again.parquet", Day: joined.Day})
	if err != nil || merged.FirstID != joined.FirstID || merged.LastID != joined.LastID || !cmp.Equal(merged.Parts, joined.Parts) || !merged.Oldest.Equal(joined.Oldest) || !merged.Newest.Equal(joined.Newest) {
		t.Errorf("joined %+v, counted by its rows %+v: %v", joined, merged, err)
	}
}

// join has segments joined in the manifest.
func (l *lab) join(t *testing.T, list []holdfast.Segment) holdfast.Segment {
	t.Helper()
	seg, err := l.store.place(list)
	if err != nil {
		t.Fatal(err)
	}
	if seg, err = l.store.join(context.Background(), list, seg); err != nil {
		t.Fatal(err)
	}
	var old []string
	for _, g := range list {
		old = append(old, g.ID)
	}
	if err := l.state.ReplaceSegments(context.Background(), old, seg); err != nil {
		t.Fatal(err)
	}
	return seg
}

// TestJoinRefusesDamage leaves alone a file in which a byte was changed.
func TestJoinRefusesDamage(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	for i := range 2 {
		if err := errors.Join(w.Add(ctx, uint64(i+1), block(i*100, 100)), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(l.store.path(list[1]))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 1
	if err := os.WriteFile(l.store.path(list[1]), b, 0o600); err != nil {
		t.Fatal(err)
	}
	seg, err := l.store.place(list)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.join(ctx, list, seg); err == nil || !strings.Contains(err.Error(), list[1].ID) {
		t.Error(err)
	}
	if _, err := os.Stat(l.store.path(seg)); !errors.Is(err, os.ErrNotExist) {
		t.Error("half a segment was left behind")
	}
}

func TestOnlyLargeOnesAreJoined(t *testing.T) {
	large := holdfast.Segment{Events: fullRows / 20, Form: holdfast.SegmentForm, Parts: []holdfast.SegmentPart{{}}}
	small, old := large, large
	small.Events, old.Form = fullRows/fullOf-1, holdfast.SegmentForm-1
	for _, c := range []struct {
		list []holdfast.Segment
		want bool
	}{
		{[]holdfast.Segment{large, large}, true},
		{[]holdfast.Segment{large, small}, false},
		{[]holdfast.Segment{old, large}, false},
	} {
		if joinable(c.list) != c.want {
			t.Errorf("%+v: not %v", c.list, c.want)
		}
	}
}
