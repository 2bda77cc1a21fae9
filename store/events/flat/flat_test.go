package flat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"holdfast/internal/zstd"
	"holdfast/store/events/flat"
)

type thing struct {
	ID    string `parquet:"id"`
	At    int64  `parquet:"at,timestamp(microsecond:local),delta"`
	Kind  string `parquet:"kind,dict"`
	User  string `parquet:"user,dict"`
	Text  string `parquet:"text"`
	Bytes []byte `parquet:"bytes"`
}

func writer(tb testing.TB) *flat.Writer[thing] {
	tb.Helper()
	w, err := flat.New[thing]("a test", zstd.New(zstd.Fast).Append, "id", "user")
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// things are n of them, with what is seldom among what is usual: empty, long,
// equal and never equal, beyond ASCII and of no alphabet at all.
func things(seed uint64, n int) []thing {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]thing, n)
	for i := range out {
		x := thing{
			ID: fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()), At: r.Int64() - r.Int64(), Kind: []string{"", "a", "größer", "\x00'\"\xff"}[r.IntN(4)],
			User: strings.Repeat("u", r.IntN(3)) + fmt.Sprint(r.IntN(1+i)), Text: strings.Repeat("x", r.IntN(40)),
		}
		switch r.IntN(500) {
		case 0:
			x.Text = strings.Repeat("long ", r.IntN(200_000))
		case 1:
			x.Bytes = []byte{0, 255, byte(i)}
		case 2:
			x.ID, x.User, x.Text = "", "", ""
		}
		out[i] = x
	}
	return out
}

func file(tb testing.TB, w *flat.Writer[thing], rows []thing) *parquet.File {
	tb.Helper()
	var to bytes.Buffer
	w.Reset(&to)
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			tb.Fatal(err)
		}
	}
	return closed(tb, w, &to)
}

func closed(tb testing.TB, w *flat.Writer[thing], to *bytes.Buffer) *parquet.File {
	tb.Helper()
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(to.Bytes()), int64(to.Len()))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func same(tb testing.TB, f *parquet.File, want []thing) {
	tb.Helper()
	got, err := parquet.Read[thing](f, f.Size())
	if err != nil {
		tb.Fatal(err)
	}
	if len(got) != len(want) || f.NumRows() != int64(len(want)) {
		tb.Fatalf("%d rows of %d, %d of them said", len(got), len(want), f.NumRows())
	}
	for i := range got {
		if len(got[i].Bytes) == 0 {
			got[i].Bytes = nil
		}
		if d := cmp.Diff(want[i], got[i]); d != "" {
			tb.Fatalf("row %d: %s", i, d)
		}
	}
}

// TestReadByTheLibrary has the library read what was written, whole and by the
// index of pages, ask its filters, and hold the bounds against the values.
func TestReadByTheLibrary(t *testing.T) {
	w := writer(t)
	for _, n := range []int{1, 0, 3000, 230_000, 7} { // the writer is used again, also after nothing
		rows := things(uint64(n), n)
		f := file(t, w, rows)
		same(t, f, rows)
		for g, group := range f.RowGroups() {
			these := rows[g*100_000 : g*100_000+int(group.NumRows())]
			for i := 0; i < len(these); i += 1 + len(these)/50 {
				checkRow(t, group, int64(i), &these[i])
			}
			lo, hi := f.Metadata().RowGroups[g].Columns[3].MetaData.Statistics.MinValue, f.Metadata().RowGroups[g].Columns[3].MetaData.Statistics.MaxValue
			for i := range these {
				if u := these[i].User; u < string(lo) || u > string(hi) {
					t.Fatalf("%q is not between %q and %q", u, lo, hi)
				}
			}
		}
	}
}

func checkRow(t *testing.T, group parquet.RowGroup, i int64, want *thing) {
	t.Helper()
	for c, value := range map[int]string{0: want.ID, 3: want.User} {
		if ok, err := group.ColumnChunks()[c].BloomFilter().Check(parquet.ValueOf(value)); err != nil || !ok {
			t.Fatalf("the filter of column %d does not have %q: %v", c, value, err)
		}
	}
	pages := group.ColumnChunks()[4].Pages()
	defer pages.Close()
	if err := pages.SeekToRow(i); err != nil {
		t.Fatal(err)
	}
	p, err := pages.ReadPage()
	if err != nil {
		t.Fatal(err)
	}
	var v [1]parquet.Value
	if n, err := p.Values().ReadValues(v[:]); n != 1 || v[0].String() != want.Text {
		t.Fatalf("row %d has another text: %v", i, err)
	}
	parquet.Release(p)
}

// TestFilterKnowsWhatIsNotThere holds the filter to be of use.
func TestFilterKnowsWhatIsNotThere(t *testing.T) {
	f := file(t, writer(t), things(1, 5000))
	wrong := 0
	for i := range 1000 {
		if ok, _ := f.RowGroups()[0].ColumnChunks()[0].BloomFilter().Check(parquet.ValueOf(fmt.Sprint("none", i))); ok {
			wrong++
		}
	}
	if wrong > 50 {
		t.Errorf("%d of 1000 values that are not there are said to be", wrong)
	}
}

// TestAppended joins files of this writer, of the library and of other columns.
func TestAppended(t *testing.T) {
	w := writer(t)
	a, b, c := things(1, 120_000), things(2, 400), things(3, 70)
	files := []*parquet.File{file(t, w, a), file(t, w, b)}
	var to bytes.Buffer
	w.Reset(&to)
	for _, f := range files {
		if err := w.Append(f); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c { // rows may follow
		if err := w.Write(&c[i]); err != nil {
			t.Fatal(err)
		}
	}
	f := closed(t, w, &to)
	all := append(append(append([]thing{}, a...), b...), c...)
	same(t, f, all)
	checkRow(t, f.RowGroups()[2], 399, &b[399])
	checkRow(t, f.RowGroups()[3], 69, &c[69])

	var lib bytes.Buffer
	l := parquet.NewGenericWriter[thing](&lib, parquet.Compression(&parquet.Zstd), parquet.BloomFilters(parquet.SplitBlockFilter(10, "id"), parquet.SplitBlockFilter(10, "user")))
	_, err := l.Write(b)
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	of, err := parquet.OpenFile(bytes.NewReader(lib.Bytes()), int64(lib.Len()))
	if err != nil {
		t.Fatal(err)
	}
	to.Reset()
	w.Reset(&to)
	if err := errors.Join(w.Append(of), w.Append(files[1])); err != nil {
		t.Fatal(err)
	}
	same(t, closed(t, w, &to), append(append([]thing{}, b...), b...))

	lib.Reset()
	o := parquet.NewGenericWriter[struct {
		ID string `parquet:"id"`
	}](&lib)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if of, err = parquet.OpenFile(bytes.NewReader(lib.Bytes()), int64(lib.Len())); err != nil {
		t.Fatal(err)
	}
	w.Reset(io.Discard)
	if err := w.Append(of); err == nil {
		t.Error("a file of other columns was taken")
	}
}

// TestTable has the library read what was gathered by column and written in another
// order, between rows that were not; a table is used again, by several writers and
// after a write that failed.
func TestTable(t *testing.T) {
	table, w := flat.NewTable[thing](), writer(t)
	for seed, n := range []int{1, 0, 3000, 110_000, 7} {
		rows := things(uint64(seed), n)
		table.Clear()
		for i := range rows {
			table.Add(&rows[i])
		}
		order := make([]int32, n)
		for i, at := range rand.New(rand.NewPCG(uint64(n), 2)).Perm(n) {
			order[i] = int32(at)
		}
		if len(order) > 10 {
			order = order[:len(order)-len(order)/10]
		}
		before, after := things(1, 5), things(2, 9)
		want := slices.Clone(before)
		for _, at := range order {
			want = append(want, rows[at])
			r := table.Row(int(at))
			if x := rows[at]; r.ID != x.ID || r.At != x.At || r.Kind != x.Kind || r.User != x.User || r.Text != x.Text || !bytes.Equal(r.Bytes, x.Bytes) {
				t.Fatalf("row %d is %+v, not %+v", at, r, x)
			}
		}
		want = append(want, after...)

		if n > 0 {
			w.Reset(&broken{})
			if err := errors.Join(w.WriteTable(table, order), w.Close()); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		}
		for _, w := range []*flat.Writer[thing]{w, writer(t)} {
			var to bytes.Buffer
			w.Reset(&to)
			for i := range before {
				if err := w.Write(&before[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.WriteTable(table, order); err != nil {
				t.Fatal(err)
			}
			for i := range after {
				if err := w.Write(&after[i]); err != nil {
					t.Fatal(err)
				}
			}
			f := closed(t, w, &to)
			same(t, f, want)
			if n > 0 {
				checkRow(t, f.RowGroups()[1], 0, &rows[order[0]])
			}
		}
		if table.Len() != n || len(table.Numbers("at")) != n || len(table.Texts("text")) != n {
			t.Fatalf("%d rows of %d, %d, %d", table.Len(), n, len(table.Numbers("at")), len(table.Texts("text")))
		}
		words, index := table.Words("user")
		for i := range rows {
			if words[index[i]] != rows[i].User {
				t.Fatalf("row %d has the user %q, not %q", i, words[index[i]], rows[i].User)
			}
		}
	}
}

func TestOtherRows(t *testing.T) {
	pack := zstd.New(zstd.Fast).Append
	_, a := flat.New[struct {
		ID *string `parquet:"id"`
	}]("", pack)
	_, b := flat.New[struct {
		IDs []string `parquet:"ids"`
	}]("", pack)
	_, c := flat.New[struct {
		N int32 `parquet:"n"`
	}]("", pack)
	if a == nil || b == nil || c == nil {
		t.Error(a, b, c)
	}
}

type broken struct{ left int }

var errBroken = errors.New("broken")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// TestFailedWrite says what the file said, and writes the next one whole.
func TestFailedWrite(t *testing.T) {
	w := writer(t)
	rows := things(1, 3000)
	for left := range 200 {
		w.Reset(&broken{left * 700})
		var err error
		for i := range rows {
			err = errors.Join(err, w.Write(&rows[i]))
		}
		if err = errors.Join(err, w.Close()); !errors.Is(err, errBroken) && left < 20 {
			t.Fatalf("%d bytes: %v", left*700, err)
		}
	}
	same(t, file(t, w, rows), rows)
}

func BenchmarkWrite(b *testing.B) {
	w, rows := writer(b), things(1, 10_000)
	bytes := 0
	for i := range rows {
		bytes += len(rows[i].ID) + len(rows[i].Text) + len(rows[i].User) + len(rows[i].Kind) + 8
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		w.Reset(io.Discard)
		for i := range rows {
			if err := w.Write(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
