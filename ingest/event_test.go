package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/input"
	"holdfast/ingest/parser"
	"holdfast/internal/clock"
)

func TestEvent(t *testing.T) {
	type want struct {
		Dataset, Trouble, Drill, Asset, Fields string
		Time                                   time.Time
	}
	for name, c := range map[string]struct {
		record holdfast.Record
		want   want
	}{
		"well":        {record("at 2026-11-23T02:00:00Z anna"), want{"words", "", "", "asset-web1", `{"user":"anna"}`, now.Add(-10 * time.Minute)}},
		"drill":       {record("at 2026-11-23T02:00:00Z marker"), want{"words", "", "drl-1", "asset-web1", `{"user":"marker"}`, now.Add(-10 * time.Minute)}},
		"1970":        {record("at 1970-01-01T00:00:01Z anna"), want{"words", "clock 1970-01-01T00:00:01Z repaired", "", "asset-web1", `{"user":"anna","event.original_time":"1970-01-01T00:00:01Z"}`, now}},
		"2099":        {record("at 2099-01-01T00:00:01Z anna"), want{"words", "clock 2099-01-01T00:00:01Z repaired", "", "asset-web1", `{"user":"anna","event.original_time":"2099-01-01T00:00:01Z"}`, now}},
		"tomorrow":    {record("at 2026-11-24T02:00:00Z anna"), want{"words", "", "", "asset-web1", `{"user":"anna"}`, now.Add(24*time.Hour - 10*time.Minute)}},
		"damaged":     {record("bad"), want{"deadletter", "it is bad", "", "", `{"error":"it is bad","parser":"words"}`, now}},
		"unknown":     {record("what"), want{"deadletter", "no parser knows this kind of record", "", "", `{"error":"no parser knows this kind of record"}`, now}},
		"empty":       {record(""), want{"deadletter", "an empty record", "", "", `{"error":"an empty record"}`, now}},
		"panic":       {record("panic"), want{"deadletter", "the parser failed: out of order", "", "", `{"error":"the parser failed: out of order","parser":"words"}`, now}},
		"not UTF-8":   {record("at 2026-11-23T02:00:00Z a\xffb"), want{"words", "bytes that are no UTF-8", "", "asset-web1", "{\"user\":\"a\ufffdb\"}", now.Add(-10 * time.Minute)}},
		"binary":      {record("\x00\x01\xfe"), want{"deadletter", "no parser knows this kind of record; bytes that are no UTF-8", "", "", `{"error":"no parser knows this kind of record"}`, now}},
		"no receipt":  {holdfast.Record{Source: "s", Raw: []byte("bad")}, want{"deadletter", "it is bad", "", "", `{"error":"it is bad","parser":"words"}`, now}},
		"odd receipt": {holdfast.Record{Source: "s", Received: time.Unix(5, 0), Raw: []byte("bad")}, want{"deadletter", "the receiver's clock said 1970-01-01T00:00:05Z and was repaired; it is bad", "", "", `{"error":"it is bad","parser":"words"}`, now}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bus{}
			in, _ := open(t, b)
			if err := in.Put(t.Context(), []holdfast.Record{c.record}); err != nil {
				t.Fatal(err)
			}
			_, events := b.ledger()
			for _, e := range events {
				got := want{e.Dataset, e.Trouble, e.Drill, e.Asset, string(e.AppendFieldsJSON(nil)), e.Time}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
				if !bytes.Equal(e.Raw, c.record.Raw) {
					t.Errorf("raw is %q", e.Raw)
				}
			}
			if len(events) != 1 {
				t.Errorf("%d events", len(events))
			}
		})
	}
}

func TestOnce(t *testing.T) {
	id := func(raw, position string, once bool) holdfast.EventID {
		b := &bus{}
		in, _ := open(t, b)
		r := holdfast.Record{Source: "s", Position: position, Once: once, Received: now, Raw: []byte(raw)}
		if err := in.Put(t.Context(), []holdfast.Record{r}); err != nil {
			t.Fatal(err)
		}
		_, events := b.ledger()
		for id := range events {
			return id
		}
		return holdfast.EventID{}
	}
	const one, other = "at 2026-11-23T02:00:00Z anna", "at 2026-11-23T02:00:00Z paul"
	if again := id(one, "1", false); id(other, "1", false) == again || id(one, "1", false) != again {
		t.Error("the content is not in the id")
	}
	if id(one, "1", true) != id(other, "1", true) || id(one, "1", true) == id(one, "2", true) {
		t.Error("the position alone should be in the id")
	}
}

func TestPlaces(t *testing.T) {
	own := parser.Parser{
		Name:     "ends",
		Datasets: []holdfast.Dataset{{Name: "ends", ECS: map[string]string{"from": holdfast.EntitySource, "to": holdfast.EntityDestination}}},
		Parse: func(raw []byte, _ parser.Hint) (parser.Parsed, error) {
			var out []holdfast.Field
			for _, w := range strings.Fields(string(raw)) {
				name, text, _ := strings.Cut(w, "=")
				out = append(out, holdfast.Field{Name: name, Text: text})
			}
			return parser.Parsed{Dataset: "ends", Fields: out}, nil
		},
	}
	b := &bus{}
	in := ingest.New(ingest.Options{
		Parsers: []parser.Parser{own}, Bus: b, Clock: clock.NewFixed(now), Log: slog.New(slog.DiscardHandler),
		Places: func(fields []holdfast.Field, of, address string) []holdfast.Field {
			return append(fields, holdfast.Field{Name: of + ".geo.city_name", Text: "city of " + address}, holdfast.Field{Name: of + ".as.number", Text: "1", Kind: holdfast.Number})
		},
	})
	for raw, want := range map[string]string{
		"from=a to=b":                      "from=a to=b source.geo.city_name=city of a source.as.number=1 destination.geo.city_name=city of b destination.as.number=1",
		"from= from=c from=d":              "from= from=c from=d source.geo.city_name=city of c source.as.number=1",
		"from=e source.geo.city_name=mine": "from=e source.geo.city_name=mine source.as.number=1",
		"destination.ip=f x=y":             "destination.ip=f x=y destination.geo.city_name=city of f destination.as.number=1",
		"x=y":                              "x=y",
	} {
		if err := in.Put(t.Context(), []holdfast.Record{{Source: "s", Position: raw, Raw: []byte(raw), Received: now}}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range b.blocks[len(b.blocks)-1].Events[0].Fields {
			got = append(got, f.Name+"="+f.Text)
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
	}
}

func TestTooLargeIsCut(t *testing.T) {
	b := &bus{}
	in, _ := open(t, b)
	r := record("at 2026-11-23T02:00:00Z " + strings.Repeat("x", input.MaxRecord))
	if err := in.Put(t.Context(), []holdfast.Record{r}); err != nil {
		t.Fatal(err)
	}
	e := b.blocks[0].Events[0]
	if len(e.Raw) != input.MaxRecord || e.Trouble != "cut at 1048576 bytes" || e.Dataset != "words" {
		t.Errorf("%d bytes, %q, %s", len(e.Raw), e.Trouble, e.Dataset)
	}
}

func TestTwoHostsWithTheSameLine(t *testing.T) {
	b := &bus{}
	in, _ := open(t, b)
	one, two := record("bad"), record("bad")
	one.Asset, two.Asset = "a", "b"
	if err := in.Put(t.Context(), []holdfast.Record{one, two}); err != nil {
		t.Fatal(err)
	}
	if _, events := b.ledger(); len(events) != 2 {
		t.Errorf("%d events of two hosts", len(events))
	}
}

func TestSeveralInOne(t *testing.T) {
	b := &bus{full: true}
	in, c := open(t, b)
	r := record("many at 2026-11-23T02:00:00Z anna;bad;at 2026-11-23T02:00:00Z anna;at 2026-11-23T02:01:00Z marker")
	if err := in.Put(t.Context(), []holdfast.Record{r}); !errors.Is(err, holdfast.ErrFull) {
		t.Fatal(err) // refused unread, as one record
	}
	b.full = false
	for range 2 {
		if err := in.Put(t.Context(), []holdfast.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	c.Advance(time.Hour)
	if err := in.Put(t.Context(), []holdfast.Record{{Source: "end", Raw: []byte("bad")}}); err != nil {
		t.Fatal(err)
	}
	rows, events := b.ledger()
	if d := cmp.Diff(holdfast.LedgerRow{Received: 4, Stored: 3, DeadLettered: 1}, rows["s"]); d != "" {
		t.Error(d)
	}
	got := map[string]int{}
	for _, e := range events {
		got[fmt.Sprintf("%s %s %s %s", e.Raw, e.Dataset, e.Drill, e.Text("parser"))]++
	}
	want := map[string]int{
		"at 2026-11-23T02:00:00Z anna words  ": 2, "bad deadletter  words": 2, "at 2026-11-23T02:01:00Z marker words drl-1 ": 1,
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%q: %d, want %d of %v", k, got[k], n, got)
		}
	}
	// More events than a block holds take several, and their ids hold.
	many := holdfast.Record{Source: "s", Position: "2", Received: now, Raw: []byte("many " + strings.Repeat("bad;", 2499) + "bad")}
	for range 2 {
		if got, err := in.PutBatch(t.Context(), "large", []holdfast.Record{many}); err != nil || got.Events != 2500 || got.DeadLettered != 2500 {
			t.Errorf("%+v %v", got, err)
		}
	}
	if _, events := b.ledger(); len(events) != 2505 {
		t.Errorf("%d events", len(events))
	}
}

func TestNote(t *testing.T) {
	in, _ := open(t, &bus{})
	in.Note("file:/var/log/auth.log", "permission denied")
	if got := in.Health(); len(got) != 1 || got[0].Trouble != "permission denied" || !got[0].At.Equal(now) {
		t.Errorf("%+v", got)
	}
	in.Note("file:/var/log/auth.log", "")
	if got := in.Health(); got[0].Trouble != "" || !got[0].At.IsZero() {
		t.Errorf("%+v", got)
	}
}
