package events

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast"
)

// damages are what may become of a segment's file.
var damages = map[string]func(path string, whole []byte) error{
	"gone":        func(path string, _ []byte) error { return os.Remove(path) },
	"empty":       func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
	"torn":        func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
	"overwritten": func(path string, b []byte) error { return os.WriteFile(path, make([]byte, len(b)), 0o600) },
	"without footer": func(path string, b []byte) error {
		return os.WriteFile(path, append(make([]byte, len(b)-4), "PAR1"...), 0o600)
	},
}

// TestStartsBesideDamage begins writing where the newest segment is damaged: what it
// looks at to know what was sent again must not keep it from starting.
func TestStartsBesideDamage(t *testing.T) {
	ctx := context.Background()
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			l, _ := ledgered(t, 2)
			segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			path := l.store.path(segs[1])
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(path, whole); err != nil {
				t.Fatal(err)
			}
			dir := l.dir
			l.close()
			l = open(t, dir)
			w := l.writer(t)
			if !w.known.has(event(3).ID) || w.known.has(event(13).ID) {
				t.Error("it does not know the events of the other segment, or those of the damaged one")
			}
			if err := errors.Join(w.Add(ctx, 7, block(900, 5)), w.Flush(ctx)); err != nil || w.Position() != 7 {
				t.Error(w.Position(), err)
			}
		})
	}
}

// flip changes bytes within the pages, and leaves the footer.
func flip(path string, b []byte) error {
	b = append([]byte(nil), b...)
	for i := len(b) / 8; i < len(b)/2; i++ {
		b[i] ^= 0x5a
	}
	return os.WriteFile(path, b, 0o600)
}

// TestSearchesBesideDamage searches, walks, exports and puts together where a segment
// is damaged: the others answer, what is missing is said, and the file that was
// restored is searched again.
func TestSearchesBesideDamage(t *testing.T) {
	ctx := context.Background()
	damages := maps.Clone(damages)
	damages["flipped"] = flip
	all := Statement{SQL: "SELECT raw, count(*) FROM events GROUP BY raw", MaxRows: 1000}
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			l, w := ledgered(t, perStep+1)
			segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			bad := segs[3]
			path := l.store.path(bad)
			whole, err := os.ReadFile(path)
			if err == nil {
				err = damage(path, whole)
			}
			if err != nil {
				t.Fatal(err)
			}
			if r, err := l.store.Query(ctx, all); err != nil || len(r.Rows) != 10*perStep {
				t.Fatal(len(r.Rows), err)
			}
			if lost, err := l.store.Broken(ctx, time.Time{}, time.Time{}); err != nil || lost.Segments != 1 || lost.Events != 10 || lost.First == "" {
				t.Errorf("%+v %v", lost, err)
			}
			if lost, err := l.store.Broken(ctx, segs[5].Oldest, segs[5].Newest); err != nil || lost.Segments != 0 {
				t.Errorf("of another time: %+v %v", lost, err)
			}
			exported := all
			exported.Whole = true
			if _, err := l.store.Query(ctx, exported); !errors.Is(err, holdfast.ErrConflict) {
				t.Errorf("an export that is not whole: %v", err)
			}
			n := 0
			walked, err := l.store.Each(ctx, noon.Add(-time.Hour), noon.Add(time.Hour), nil, func(*holdfast.Event) error { n++; return nil }, func(Walk) {})
			if err != nil || walked.Gone != 1 || n != 10*perStep {
				t.Errorf("%d events, %+v, %v", n, walked, err)
			}
			if e, err := l.store.Event(ctx, event(77).ID); err != nil || e.ID != event(77).ID {
				t.Error(err)
			}
			if _, err := l.store.Event(ctx, event(33).ID); !errors.Is(err, holdfast.ErrNotFound) {
				t.Errorf("an event of the damaged segment: %v", err)
			}
			// The others are put together without it.
			if n, err := l.store.CompactOnce(ctx); n != perStep || err != nil {
				t.Fatal(n, err)
			}
			if err := errors.Join(w.Add(ctx, 100, block(900, 5)), w.Flush(ctx)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			l.store.db.Close() // what the engine keeps of the file goes with it
			l.close()
			l = open(t, l.dir)
			if lost, err := l.store.Broken(ctx, time.Time{}, time.Time{}); err != nil || lost.Segments != 0 {
				t.Errorf("restored: %+v %v", lost, err)
			}
			if n := l.count(t); n != 10*(perStep+1)+5 {
				t.Errorf("restored: %d events", n)
			}
			l.holds(t)
		})
	}
}

// TestDamageDoesNotStopMerging has the first segments of a day damaged in a way that
// only their hash shows: the others are put together, and what is wrong does not go
// into a file that looks right.
func TestDamageDoesNotStopMerging(t *testing.T) {
	ctx := context.Background()
	l, _ := ledgered(t, perStep+1)
	segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(l.store.path(segs[0]))
	if err == nil {
		err = flip(l.store.path(segs[0]), whole)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.store.CompactOnce(ctx); n != 0 || err == nil {
		t.Fatal("a damaged file was put together with others", n, err)
	}
	if n, err := l.store.CompactOnce(ctx); n != perStep || err != nil {
		t.Fatal("the others wait for a damaged file", n, err)
	}
	// Restored, it counts again, without a restart.
	if err := os.WriteFile(l.store.path(segs[0]), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if lost, err := l.store.Broken(ctx, time.Time{}, time.Time{}); err != nil || lost.Segments != 0 {
		t.Errorf("restored: %+v %v", lost, err)
	}
}

// TestMergingLeavesRoom has segments that would be put together if there were room for
// both on the disk: what is kept free there is not for that.
func TestMergingLeavesRoom(t *testing.T) {
	ctx := context.Background()
	l, _ := ledgered(t, perStep)
	l.store.reserve = 1 << 62
	if n, err := l.store.CompactOnce(ctx); n != 0 || err != nil || l.store.Compaction().Trouble == "" {
		t.Fatal("they are put together without room", n, err, l.store.Compaction())
	}
	if n, err := filepath.Glob(filepath.Join(l.dir, "events", "2*", "*-c.parquet*")); len(n) > 0 || err != nil {
		t.Error(n, err)
	}
	l.store.reserve = 0
	if n, err := l.store.CompactOnce(ctx); n != perStep || err != nil || l.store.Compaction().Trouble != "" {
		t.Error(n, err, l.store.Compaction())
	}
	// What fits goes on beside what does not.
	day := noon.Format(time.DateOnly)
	var segs []holdfast.Segment
	for i := range 2 * perStep {
		g := holdfast.Segment{Day: day, First: uint64(i), Events: 100, Bytes: 1 << 10}
		if i < perStep {
			g.Events, g.Bytes = fullRows/perStep+1, 1<<30
		}
		segs = append(segs, g)
	}
	if list, waits := l.store.choose(segs, noon, 1<<20); len(list) != perStep || waits || list[0].Events != 100 {
		t.Error(len(list), waits)
	}
}
