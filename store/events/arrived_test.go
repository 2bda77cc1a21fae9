package events

import (
	"context"
	"errors"
	"testing"
	"time"
)

// spansPart holds that spans of positions part the events, each in one span,
// also when compaction has put their segments together, and that a span reads
// no segment that has none of its positions.
func spansPart(t *testing.T, open opening) {
	ctx := context.Background()
	l := open(t, t.TempDir(), nil)
	w := l.writer(t)
	for i := range perStep {
		b := block(i*10, 10)
		for j := range b.Events {
			b.Events[j].Received = noon.Add(time.Duration(i) * time.Minute)
		}
		if err := errors.Join(w.Add(ctx, uint64(i+1), b), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	count := func(a Arrived) int64 {
		t.Helper()
		r, err := l.store.Query(ctx, Statement{SQL: "SELECT count(*) FROM events", MaxRows: 1, Arrived: &a})
		if err != nil {
			t.Fatal(err)
		}
		return r.Rows[0][0].(int64)
	}
	check := func() {
		t.Helper()
		for _, c := range []struct {
			span Arrived
			want int64
		}{
			{Arrived{After: 0, Upto: 4}, 40},
			{Arrived{After: 4, Upto: 5}, 10},
			{Arrived{After: 5, Upto: perStep}, 70},
			{Arrived{After: perStep, Upto: 1000}, 0},
			{Arrived{After: 0, Upto: perStep, From: noon.Add(time.Minute), To: noon.Add(3 * time.Minute)}, 20},
		} {
			if got := count(c.span); got != c.want {
				t.Errorf("%+v: %d events, not %d", c.span, got, c.want)
			}
		}
	}
	check()
	if n, err := l.store.CompactOnce(ctx); err != nil || n != perStep {
		t.Fatal(n, err)
	}
	check()
}
