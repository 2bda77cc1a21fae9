package hunt

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/hunt/indicator"
	"holdfast/query"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// TestParts holds that parts are the whole range without gap or overlap, and
// that none has far more events than asked for where they are spread.
func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := query.Range{From: noon.Add(-time.Duration(rapid.IntRange(1, 1000).Draw(t, "hours")) * time.Hour), To: noon}
		var segs []holdfast.Segment
		var total uint64
		for range rapid.IntRange(0, 30).Draw(t, "segments") {
			at := whole.From.Add(time.Duration(rapid.IntRange(-100_000, 4_000_000).Draw(t, "at")) * time.Second)
			g := holdfast.Segment{Oldest: at, Newest: at.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "long")) * time.Second), Events: uint64(rapid.IntRange(1, 3_000_000).Draw(t, "events"))}
			segs = append(segs, g)
			total += g.Events
		}
		parts := Parts(segs, whole)
		at := whole.From
		for _, p := range parts {
			if !p.From.Equal(at) || !p.To.After(p.From) {
				t.Fatalf("%v follows %v", p, at)
			}
			at = p.To
		}
		if !at.Equal(whole.To) {
			t.Fatalf("it ends at %v", at)
		}
		if most := int(total/perPart) + 2*len(segs) + 2; len(parts) > most {
			t.Fatalf("%d parts of %d events", len(parts), total)
		}
	})
	even := Parts([]holdfast.Segment{{Oldest: noon.Add(-time.Hour), Newest: noon, Events: 4 * perPart}}, query.Range{From: noon.Add(-2 * time.Hour), To: noon.Add(time.Hour)})
	if len(even) != 4 && len(even) != 5 {
		t.Errorf("an even hour is cut into %d parts", len(even))
	}
}

// TestWalkCutsAndCountsOnce holds that a part that is too long is cut until it
// is not, and that events that were passed on before are not again.
func TestWalkCutsAndCountsOnce(t *testing.T) {
	l, faults := indicator.Read("l", []byte("192.0.2.7\n"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	h := NewIndicators(l.Items, false)
	const events = 64
	asked := 0
	ask := func(_ context.Context, q *query.Query, r query.Range, _ func([]string), row func([]any) error) error {
		asked++
		_, rows := q.Stages[len(q.Stages)-1].(query.Project)
		if !rows {
			return row([]any{"192.0.2.7"})
		}
		for i := range events {
			at := noon.Add(time.Duration(i) * time.Minute)
			if at.Before(r.From) || !at.Before(r.To) {
				continue
			}
			if i%8 == 7 && r.To.Sub(r.From) > 10*time.Minute { // after some were passed on
				return fmt.Errorf("too slow: %w", holdfast.ErrTooLarge)
			}
			id := holdfast.NewEventID("s", fmt.Sprint(i), nil, 0)
			vals := []any{id.String(), at, "", fmt.Sprintf("h%d", i%3), "raw", "192.0.2.7", ""}
			if err := row(vals); err != nil {
				return err
			}
		}
		return nil
	}
	steps := 0
	err := Walk(context.Background(), []query.Range{{From: noon, To: noon.Add(events * time.Minute)}}, func(ctx context.Context, r query.Range) error {
		return h.Part(ctx, ask, r)
	}, func(done, of int) { steps = of })
	hits, more := h.Hits()
	if err != nil || len(hits) != 1 || more != 0 || hits[0].Events != events || hits[0].HostCount != 3 || h.Found != events || steps < 6 {
		t.Errorf("%v %d steps %+v", err, steps, hits)
	}
	if !hits[0].First.Equal(noon) || !hits[0].Last.Equal(noon.Add((events-1)*time.Minute)) {
		t.Errorf("%+v", hits[0])
	}
}
