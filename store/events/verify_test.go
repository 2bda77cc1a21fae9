package events

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast"
)

func (l *lab) verify(t testing.TB, deep bool) Verification {
	t.Helper()
	v, err := l.store.Verify(context.Background(), deep)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (l *lab) holds(t testing.TB) Verification {
	t.Helper()
	v := l.verify(t, true)
	for _, p := range v.Problems {
		t.Errorf("%s %s %s", p.Kind, p.Segment, p.What)
	}
	return v
}

// ledgered is a store of n segments of ten events, with a dead letter, a refusal
// and a resent event each.
func ledgered(t testing.TB, n int) (*lab, *Writer) {
	t.Helper()
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	for i := range n {
		b := block(i*10, 10)
		b.Events[3].Dataset = holdfast.DeadLetter
		b.Events = append(b.Events, b.Events[4])
		b.Counts[0].Received += 2
		b.Counts[0].Rejected++
		empty := &holdfast.Block{Counts: []holdfast.Count{{Source: "file", Hour: noon, Received: 1, Rejected: 1}}}
		err := errors.Join(w.Add(ctx, uint64(3*i+1), b), w.Flush(ctx), w.Add(ctx, uint64(3*i+2), empty), w.Flush(ctx), w.Add(ctx, uint64(3*i+3), empty))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	return l, w
}

func TestLedgerIsProven(t *testing.T) {
	l, _ := ledgered(t, perStep)
	v := l.holds(t)
	if v.Segments != perStep || v.Events != 10*perStep || v.Blocks != 3*perStep-2 || v.Hours != 1 {
		t.Errorf("%+v", v)
	}
	if n, err := l.store.CompactOnce(context.Background()); n != perStep || err != nil {
		t.Fatal(n, err)
	}
	if v := l.holds(t); v.Segments != 1 || v.Events != 10*perStep || v.Litter != perStep {
		t.Errorf("%+v", v)
	}
}

func TestDamageIsFoundAndNamed(t *testing.T) {
	ctx := context.Background()
	for what, damage := range map[string]func(t *testing.T, l *lab, seg holdfast.Segment, path string){
		"missing": func(_ *testing.T, _ *lab, _ holdfast.Segment, path string) { os.Remove(path) },
		"damaged": func(_ *testing.T, _ *lab, _ holdfast.Segment, path string) {
			b, _ := os.ReadFile(path)
			b[len(b)/2] ^= 1
			os.WriteFile(path, b, 0o600)
		},
		"damaged, torn": func(_ *testing.T, _ *lab, seg holdfast.Segment, path string) { os.Truncate(path, int64(seg.Bytes)-7) },
		"differs": func(t *testing.T, l *lab, seg holdfast.Segment, _ string) {
			// The file is as it should be, and what the manifest says of it is not.
			seg.Parts[1].Raw++
			if err := l.state.ReplaceSegments(ctx, []string{seg.ID}, seg); err != nil {
				t.Fatal(err)
			}
		},
		"gap": func(t *testing.T, l *lab, seg holdfast.Segment, _ string) {
			seg.First++
			if err := l.state.ReplaceSegments(ctx, []string{seg.ID}, seg); err != nil {
				t.Fatal(err)
			}
		},
		"overlap": func(t *testing.T, l *lab, seg holdfast.Segment, _ string) {
			seg.First--
			if err := l.state.ReplaceSegments(ctx, []string{seg.ID}, seg); err != nil {
				t.Fatal(err)
			}
		},
		"ledger": func(t *testing.T, l *lab, _ holdfast.Segment, _ string) {
			if err := l.state.CommitSegment(ctx, holdfast.Commit{Position: 100, Ledger: []holdfast.LedgerRow{{Source: "file", Hour: noon, Received: 1, Stored: 1}}}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			l, _ := ledgered(t, 3)
			segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			seg := segs[1]
			damage(t, l, seg, filepath.Join(l.dir, "events", seg.Path))
			v := l.verify(t, true)
			if v.Holds() {
				t.Fatal("nothing was found")
			}
			p := v.Problems[0]
			kind, _, _ := strings.Cut(what, ",")
			if p.Kind != kind {
				t.Fatalf("%+v", p)
			}
			if kind != "missing" && kind != "damaged" {
				return
			}
			if p.Segment != seg.ID || p.Events != 10 || len(p.Parts) != 2 || p.Parts[1].Source != "file" || p.Parts[1].Dataset != "linux.sshd" || p.Parts[1].Events != 9 || !p.Parts[1].Hour.Equal(noon) || p.FirstID == (holdfast.EventID{}) {
				t.Errorf("%+v", p)
			}
			if len(v.Problems) != 1 {
				t.Errorf("%+v", v.Problems)
			}
		})
	}
}

func TestDoubledIsFound(t *testing.T) {
	ctx := context.Background()
	l, w := ledgered(t, 2)
	w.known = newRecent(remember)
	if err := errors.Join(w.Add(ctx, 100, block(0, 1)), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	v := l.verify(t, true)
	if len(v.Problems) != 1 || v.Problems[0].Kind != "doubled" || v.Problems[0].FirstID != event(0).ID {
		t.Errorf("%+v", v.Problems)
	}
	if v := l.verify(t, false); !v.Holds() {
		t.Errorf("%+v", v.Problems)
	}
}

// TestUnreadableBlockIsNamed holds that a block of the bus which is damaged is named by
// verify, as nothing else knows what was in it, and that what comes around it is kept,
// also where the writer begins anew at it.
func TestUnreadableBlockIsNamed(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	if err := errors.Join(w.Add(ctx, 1, block(0, 10)), w.Add(ctx, 2, &holdfast.Block{Unreadable: true})); err != nil {
		t.Fatal(err)
	}
	w = l.writer(t) // the bus hands on again what is not committed
	err := errors.Join(w.Add(ctx, 2, &holdfast.Block{Unreadable: true}), w.Add(ctx, 3, block(10, 10)), w.Add(ctx, 4, block(20, 10)), w.Flush(ctx))
	if err != nil {
		t.Fatal(err)
	}
	v := l.verify(t, true)
	if len(v.Problems) != 1 || v.Problems[0].Kind != "gap" || !strings.Contains(v.Problems[0].What, "blocks 2 to 2 of the bus") {
		t.Errorf("%+v", v.Problems)
	}
	if v.Events != 30 {
		t.Errorf("%d events", v.Events)
	}
}
