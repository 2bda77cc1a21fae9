package events

import (
	"context"
	"errors"
	"testing"
	"time"

	"holdfast"
	"holdfast/store/state"
)

// aged is a store with ten events of each of the last ten days, nine of
// linux.sshd and a dead letter.
func aged(t testing.TB) *lab {
	t.Helper()
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	for i := range 10 {
		at := noon.Add(-time.Duration(i) * 24 * time.Hour)
		b := block(i*10, 10)
		b.Counts[0].Hour = at
		for j := range b.Events {
			b.Events[j].Received, b.Events[j].Time = at, at.Add(time.Duration(j)*time.Second)
		}
		b.Events[3].Dataset = holdfast.DeadLetter
		if err := errors.Join(w.Add(ctx, uint64(i+1), b), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *lab) retain(t testing.TB, dry bool, rules ...holdfast.Retention) Retained {
	t.Helper()
	out, err := l.store.Retain(context.Background(), Retain{
		Rules: rules, Holds: l.state.LiveHolds, Dry: dry,
		Search: func(ctx context.Context, _ holdfast.Hold, g holdfast.Segment) (map[holdfast.EventID]bool, error) {
			return l.store.SegmentIDs(ctx, g, Statement{SQL: `SELECT id FROM events WHERE "source.ip" = $1`, Args: []any{"192.0.2.95"}})
		},
	})
	if err != nil || len(out.Troubles) > 0 {
		t.Fatal(err, out.Troubles)
	}
	return out
}

func TestRetentionByAge(t *testing.T) {
	ctx := context.Background()
	l := aged(t)
	rule := holdfast.Retention{Dataset: "linux.*", Age: holdfast.Duration(5 * 24 * time.Hour)}
	if out := l.retain(t, true, rule); out.Events != 36 || out.Segments != 4 || l.count(t) != 100 {
		t.Fatalf("%+v", out)
	}
	if out := l.retain(t, false, rule); out.Events != 36 || out.Datasets[0].Dataset != "linux.sshd" || l.count(t) != 64 {
		t.Fatalf("%+v", out)
	}
	if v := l.holds(t); v.Dropped != 36 || v.Events != 64 {
		t.Errorf("%+v", v)
	}
	if out := l.retain(t, false, rule); out.Events != 0 {
		t.Errorf("again: %+v", out)
	}
	// The dead letters go as well: of those segments nothing is left.
	if out := l.retain(t, false, holdfast.Retention{Dataset: "*", Age: rule.Age}); out.Events != 4 || l.count(t) != 60 {
		t.Errorf("%+v", out)
	}
	if v := l.holds(t); v.Segments != 6 || v.Blocks != 10 {
		t.Errorf("%+v", v)
	}
	out, _, err := l.state.Outbox(ctx, 100)
	if err != nil || len(out) != 8 || out[0].Did != "event.drop" {
		t.Errorf("%v %v", out, err)
	}
	ledger, err := l.state.Ledger(ctx)
	if err != nil || !ledger[0].Balanced() || ledger[0].Dropped != 36 || ledger[0].DroppedDead != 4 || ledger[0].Stored != 90 {
		t.Errorf("%+v %v", ledger, err)
	}
	if l = reopened(t, l); l.writer(t).cur.from != 11 {
		t.Error("the writer begins elsewhere")
	}
}

func reopened(t testing.TB, l *lab) *lab {
	l.close()
	return open(t, l.dir)
}

func TestRetentionBySize(t *testing.T) {
	l := aged(t)
	st, err := l.store.Stats(context.Background())
	if err != nil || len(st.Datasets) != 2 || st.Raw == 0 {
		t.Fatalf("%+v %v", st, err)
	}
	size := st.Datasets[1].Bytes
	l.retain(t, false, holdfast.Retention{Dataset: "linux.sshd", Size: size / 2})
	after, err := l.store.Stats(context.Background())
	if err != nil || after.Datasets[1].Bytes > size/2 || after.Datasets[1].Events < 30 || after.Datasets[0].Events != 10 {
		t.Errorf("%+v %v", after, err)
	}
	l.holds(t)
}

func TestHeldEventsStay(t *testing.T) {
	ctx := context.Background()
	rule := holdfast.Retention{Dataset: "*", Age: holdfast.Duration(5 * 24 * time.Hour)}
	day := noon.Add(-8 * 24 * time.Hour).Truncate(24 * time.Hour)
	for name, c := range map[string]struct {
		hold holdfast.Hold
		stay int64
	}{
		"all":       {holdfast.Hold{}, 100},
		"a dataset": {holdfast.Hold{Dataset: "linux.*"}, 96},
		"a day":     {holdfast.Hold{From: day, To: day.Add(24 * time.Hour)}, 70},
		"a search":  {holdfast.Hold{Query: "src_ip:192.0.2.95"}, 61},
		"none":      {holdfast.Hold{Dataset: "x", Query: "src_ip:192.0.2.95"}, 60},
		"released":  {holdfast.Hold{Released: noon}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			l := aged(t)
			c.hold.Name, c.hold.Created = "case", noon
			if err := l.state.LegalHolds().Put(ctx, c.hold); err != nil {
				t.Fatal(err)
			}
			l.retain(t, false, rule)
			if n := l.count(t); n != c.stay {
				t.Errorf("%d stay, not %d", n, c.stay)
			}
			l.holds(t)
		})
	}
}

// TestHoldMadeMeanwhile holds that a hold that is made while it is decided what
// goes counts already.
func TestHoldMadeMeanwhile(t *testing.T) {
	ctx := context.Background()
	l := aged(t)
	out, err := l.store.Retain(ctx, Retain{
		Rules: []holdfast.Retention{{Dataset: "*", Age: holdfast.Duration(5 * 24 * time.Hour)}},
		Holds: func(ctx context.Context) ([]holdfast.Hold, string, error) {
			list, mark, err := l.state.LiveHolds(ctx)
			return list, mark, errors.Join(err, l.state.LegalHolds().Put(ctx, holdfast.Hold{Name: "late", Created: noon}))
		},
	})
	if err != nil || out.Events != 0 || l.count(t) != 100 {
		t.Errorf("%+v %v", out, err)
	}
	l.holds(t)
}

var _ Manifest = (*state.DB)(nil)
