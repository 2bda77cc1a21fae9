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

// ofForm is a row as a form had it: before the second, no field had a column of its
// own, and before the first, times said that they are of UTC.
func ofForm(form int) reflect.Type {
	t := reflect.TypeFor[row]()
	var fields []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("parquet"), ","); form < keptForm && isKept(name) {
			continue
		}
		if form == 0 {
			f.Tag = reflect.StructTag(strings.Replace(string(f.Tag), "microsecond:local", "microsecond", 1))
		}
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// older is a row as a value of an older form.
func older(r *row, form int) any {
	v := reflect.New(ofForm(form))
	for i := range v.Elem().NumField() {
		v.Elem().Field(i).Set(reflect.ValueOf(r).Elem().FieldByName(v.Elem().Type().Field(i).Name))
	}
	return v.Interface()
}

// age rewrites the newest segment in an older form.
func (l *lab) age(t *testing.T, form int) {
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
	w := parquet.NewWriter(f, parquet.SchemaOf(reflect.New(ofForm(form)).Interface()))
	for i := range rows {
		if err := w.Write(older(&rows[i], form)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	old := seg
	old.ID, old.Form = seg.ID+"-old", form
	if old.SHA256, old.Bytes, err = hashFile(ctx, path); err != nil {
		t.Fatal(err)
	}
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
	l.age(t, 0)
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
