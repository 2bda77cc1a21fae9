package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/query"
)

// oddLines are values of the field that has a column of its own.
var oddLines = [][]holdfast.Field{
	nil,
	{{Name: "CommandLine", Text: `"C:\Program Files\x.exe" -Enc SQBFAFgA`}},
	{{Name: "CommandLine", Text: "tab\tquote\"back\\slash/line\nend\u2028é<script>"}},
	{{Name: "CommandLine", Text: "no \xff UTF-8"}},
	{{Name: "CommandLine", Kind: holdfast.Null}},
	{{Name: "CommandLine", Text: "42", Kind: holdfast.Number}},
	{{Name: "CommandLine", Text: "true", Kind: holdfast.Bool}},
	{{Name: "commandline", Text: "another field"}},
	{{Name: "CommandLine", Text: "one -Enc"}, {Name: "other", Text: "x"}, {Name: "CommandLine", Text: "two é \"q\""}},
	{{Name: "CommandLine", Text: ""}, {Name: "CommandLine", Kind: holdfast.Null}},
	{{Name: "CommandLine", Text: strings.Repeat("long -Enc ", 900)}},
}

// TestFoundAsWritten holds what is found by columns of their own, within the
// range and fetched by where it lies, against the plain statement over the fields:
// in segments of all forms, put together and not, whole within the range, partly
// and not at all.
func TestFoundAsWritten(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	l.store.looked = 20
	w := l.writer(t)
	for seq := range 4 {
		b := block(100*seq, 100)
		for i := range b.Events {
			b.Events[i].Fields = append(b.Events[i].Fields, oddLines[i%len(oddLines)]...)
		}
		if err := errors.Join(w.Add(ctx, uint64(seq+1), b), w.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
		if seq < 2 {
			l.age(t, seq)
		}
	}
	compare := func(when string) {
		for _, span := range [][2]int{{0, 400}, {50, 350}, {100, 200}, {150, 151}} {
			r := query.Range{From: noon.Add(time.Duration(span[0]) * time.Second), To: noon.Add(time.Duration(span[1]) * time.Second)}
			for _, text := range []string{
				``, `source.ip:192.0.2.77`, `events | where source.ip == "192.0.2.77" or destination.ip == "192.0.2.1"`, `events | where CommandLine contains "-enc"`, `events | where CommandLine contains ":\\PROGRAM" | count`, `events | where raw contains "192.0.2.7" | count`,
				`events | where CommandLine has "enc" | order by time asc | take 3`, `events | order by received asc, id desc | take 7`, `events | where CommandLine == "" | count`,
				`events | summarize n=count() by CommandLine | order by n desc, CommandLine asc`, `events | project id, CommandLine, n | where CommandLine != "" | order by id asc`,
				`events | where CommandLine contains "x" | join kind=inner (events | where CommandLine != "" | project id, again=CommandLine) on id | project id, again | order by id asc`,
				`events | summarize n=count() by at=bin(time, 7s) | order by at asc`, `union (events | where CommandLine contains "one"), (events | where n == 5) | project time, CommandLine | order by time asc`,
				`events | where raw contains "192.0.2.7"`, `events | where raw contains "192.0.2.7" | order by time desc | take 3`, `events | where n == 77 | order by time desc, id asc | take 5`,
				`events | order by time desc | take 250 | where n == 5`, `events | where time in ((events | where n == 3 | project time))`,
				`events | where time >= datetime(2026-03-01T12:01:40Z) and time < datetime(2026-03-01T12:04:00Z) and n < 7`, `events | where time > datetime(2026-03-01T12:01:40Z) | where time <= datetime(2026-03-01T12:04:00Z) | count`,
				`events | where n < 50 | where time between (datetime(2026-03-01T12:02:00.0000001Z) .. 70s) | summarize n=count() by at=bin(time, 1m) | order by at asc`, `events | where time > datetime(2027-01-01) | count`,
				`events | where n == 5 or time > datetime(2026-03-01T12:05:00Z) | count`, `events | where not(time > datetime(2026-03-01T12:05:00Z)) | count`, `union (events | where time > datetime(2026-03-01T12:05:00Z)), (events | where n == 5) | count`,
				`file.hash.sha256:ABC`, `events | where id in ((events | where CommandLine has "two" | project id))`,
			} {
				want, got := l.both(t, text, r)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s, %v: %s (-written +planned)\n%s", when, span, text, d)
				}
			}
		}
	}
	compare("side by side")
	segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.merge(ctx, segs); err != nil {
		t.Fatal(err)
	}
	compare("put together")
}

// both answers a search as written, over the relation of events alone, and as
// planned for the store.
func (l *lab) both(t *testing.T, text string, r query.Range) (want, got []string) {
	t.Helper()
	q, err := query.Parse(text, noon)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for i, out := range []*[]string{&want, &got} {
		o := query.Options{Range: r, MaxRows: 250, Dialect: query.DuckDB(), Plain: true, Narrow: true}
		if i == 1 {
			o.Dialect, o.Plain = l.store.Dialect(), false
		}
		st, err := query.CompileWith(q, o)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		res, err := l.store.Query(context.Background(), Statement{SQL: st.SQL, Args: st.Args, Find: st.Find, FindArgs: st.FindArgs, Newest: st.Newest, From: st.Range.From, To: st.Range.To, MaxRows: 250})
		if err != nil {
			t.Fatalf("%s: %v\n%s", text, err, st.SQL)
		}
		*out = append(*out, fmt.Sprint(res.Columns, res.Truncated))
		for _, row := range res.Rows {
			*out = append(*out, fmt.Sprint(row))
		}
	}
	return want, got
}

// FuzzKept: a field that has a column of its own is the same there as it is taken
// out of the others of an older segment.
func FuzzKept(f *testing.F) {
	for _, fields := range oddLines {
		one, two := "", ""
		for i := range fields {
			one, two = two, fields[i].Text
		}
		f.Add(one, two, len(fields) > 1)
	}
	f.Fuzz(func(t *testing.T, one, two string, both bool) {
		e := event(1)
		e.Fields = append(e.Fields, holdfast.Field{Name: query.KeptCommandLine, Text: two})
		if both {
			e.Fields = append(e.Fields, holdfast.Field{Name: query.KeptCommandLine, Text: one})
		}
		r := newRow(&e, nil, &memory{})
		again := r
		again.CommandLine = ""
		if again.keep(); again.CommandLine != r.CommandLine {
			t.Errorf("%q of the event, %q of its fields", r.CommandLine, again.CommandLine)
		}
	})
}
