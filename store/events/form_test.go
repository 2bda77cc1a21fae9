package events

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"holdfast"
)

// zoned is a row as the first form had it: its times say that they are of UTC.
func zoned() reflect.Type {
	t := reflect.TypeFor[row]()
	fields := make([]reflect.StructField, t.NumField())
	for i := range fields {
		fields[i] = t.Field(i)
		fields[i].Tag = reflect.StructTag(strings.Replace(string(fields[i].Tag), "microsecond:local", "microsecond", 1))
	}
	return reflect.StructOf(fields)
}

// age rewrites the newest segment in the first form.
func (l *lab) age(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	seg := segs[len(segs)-1]
	rows, err := readSegment(l.store.dir, seg)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(l.store.dir, filepath.FromSlash(seg.Path))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := parquet.NewWriter(f, parquet.SchemaOf(reflect.New(zoned()).Interface()))
	for i := range rows {
		if err := w.Write(reflect.ValueOf(&rows[i]).Elem().Convert(zoned()).Interface()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	old := seg
	old.ID, old.Form = seg.ID+"-old", 0
	if err := l.state.ReplaceSegments(ctx, []string{seg.ID}, old); err != nil {
		t.Fatal(err)
	}
}

// TestFormsGoTogether searches segments of the first form beside those of today,
// reads single events of both, and puts them together.
func TestFormsGoTogether(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	if err := errors.Join(w.Add(ctx, 1, block(0, 10)), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	l.age(t)
	same := func(when string, n int64) {
		t.Helper()
		if got := l.count(t); got != n {
			t.Fatalf("%s: %d events", when, got)
		}
		r, err := l.store.Query(ctx, Statement{SQL: `SELECT "time", received FROM events WHERE "time" >= TIMESTAMP '2000-01-01' ORDER BY "time"`, MaxRows: 100})
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range r.Rows {
			if got[0] != noon.Add(time.Duration(i)*time.Second) || got[1] != noon {
				t.Errorf("%s: event %d is of %v, received %v", when, i, got[0], got[1])
			}
			want := event(i)
			if e, err := l.store.Event(ctx, want.ID); err != nil || cmp.Diff(want, e) != "" {
				t.Errorf("%s: event %d: %v %s", when, i, err, cmp.Diff(want, e))
			}
		}
	}
	same("the first form alone", 10)
	if err := errors.Join(w.Add(ctx, 2, block(10, 10)), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	same("both forms", 20)
	segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.store.merge(ctx, segs); err != nil || n != len(segs) {
		t.Fatal(n, err)
	}
	if segs, err = l.state.Segments(ctx, time.Time{}, time.Time{}); err != nil || len(segs) != 1 || segs[0].Form != holdfast.SegmentForm {
		t.Fatal(segs, err)
	}
	same("put together", 20)
}
