package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/input"
	"holdfast/ingest/parser"
	"holdfast/internal/clock"
)

var now = time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)

// The tests' parser reads "at <RFC 3339> <user>"; "bad…" is damaged, "panic"
// is a fault of the parser.
func words() parser.Parser {
	return parser.Parser{
		Name:     "words",
		Datasets: []holdfast.Dataset{{Name: "words", ECS: map[string]string{"user": holdfast.EntityUser}}},
		Parse: func(raw []byte, _ parser.Hint) (parser.Parsed, error) {
			switch s := string(raw); {
			case strings.HasPrefix(s, "many "):
				return several(strings.Split(s[5:], ";")), nil
			case strings.HasPrefix(s, "bad"):
				return parser.Parsed{}, errors.New("it is bad")
			case s == "panic":
				panic("out of order")
			case strings.HasPrefix(s, "at "):
				w := strings.SplitN(s, " ", 3)
				t, err := time.Parse(time.RFC3339, w[1])
				if err != nil {
					return parser.Parsed{}, err
				}
				return parser.Parsed{Time: t, Host: "web1", Dataset: "words", Fields: []holdfast.Field{{Name: "user", Text: w[2]}}}, nil
			}
			return parser.Parsed{}, parser.ErrOther
		},
	}
}

// several are the events of "many a;b;c".
func several(raw []string) (out parser.Parsed) {
	for _, s := range raw {
		p, err := words().Parse([]byte(s), parser.Hint{})
		if errors.Is(err, parser.ErrOther) {
			err = errors.New("other words")
		}
		out.Parts = append(out.Parts, parser.Part{Parsed: p, Raw: []byte(s), Err: err})
	}
	return out
}

// bus keeps blocks in memory and fails when told to.
type bus struct {
	mu     sync.Mutex
	blocks []*holdfast.Block
	ids    map[string]uint64
	fail   func() (err error, kept bool)
	full   bool
	gate   chan struct{} // if set, every Publish waits for one
	inside int
}

func (b *bus) Room() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return fmt.Errorf("the disk: %w", holdfast.ErrFull)
	}
	return nil
}

func (b *bus) Publish(_ context.Context, block *holdfast.Block) (uint64, bool, error) {
	b.mu.Lock()
	b.inside++
	gate := b.gate
	b.mu.Unlock()
	if gate != nil {
		<-gate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if b.fail != nil {
		var kept bool
		if err, kept = b.fail(); err != nil && !kept {
			return 0, false, err
		}
	}
	if seq, ok := b.ids[block.ID]; ok {
		return seq, true, err
	}
	if b.ids == nil {
		b.ids = map[string]uint64{}
	}
	data, merr := block.MarshalBinary()
	if merr != nil {
		return 0, false, merr
	}
	var again holdfast.Block
	if merr := again.UnmarshalBinary(data); merr != nil {
		return 0, false, merr
	}
	b.blocks = append(b.blocks, &again)
	b.ids[block.ID] = uint64(len(b.blocks))
	return uint64(len(b.blocks)), false, err
}

// ledger counts as the events' writer does.
func (b *bus) ledger() (rows map[string]holdfast.LedgerRow, events map[holdfast.EventID]holdfast.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows, events = map[string]holdfast.LedgerRow{}, map[holdfast.EventID]holdfast.Event{}
	for _, block := range b.blocks {
		for _, e := range block.Events {
			r := rows[e.Source]
			if _, ok := events[e.ID]; ok {
				r.Doubled++
			} else {
				events[e.ID] = e
				r.Received++
				if e.Dataset == ingest.DeadLetter {
					r.DeadLettered++
				} else {
					r.Stored++
				}
			}
			rows[e.Source] = r
		}
		for _, c := range block.Counts {
			r := rows[c.Source]
			r.Received += c.Rejected
			r.Rejected += c.Rejected
			rows[c.Source] = r
		}
	}
	return rows, events
}

func open(t testing.TB, b *bus) (*ingest.Ingest, *clock.Fixed) {
	c := clock.NewFixed(now)
	in := ingest.New(ingest.Options{
		Parsers: []parser.Parser{words()}, Bus: b, Clock: c, Log: slog.New(slog.DiscardHandler),
		Drill: func(text string) string {
			if text == "marker" {
				return "drl-1"
			}
			return ""
		},
		Asset: func(host string) string { return "asset-" + host },
	})
	t.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return in, c
}

func record(raw string) holdfast.Record {
	return holdfast.Record{Source: "s", Position: "1", Received: now, Raw: []byte(raw)}
}

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

// TestOnce: what a record holds is part of its event's id, unless its position
// says enough.
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

// TestPlaces adds what is known of addresses behind the source's own fields,
// once for each end, and leaves a name alone that the source uses itself.
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

func TestBatchIsOneBlock(t *testing.T) {
	b := &bus{}
	in, _ := open(t, b)
	var records []holdfast.Record
	for i := range 1000 {
		r := record(fmt.Sprint("bad ", i))
		r.Position = fmt.Sprint(i)
		records = append(records, r)
	}
	for i, want := range []ingest.Accepted{{Seq: 1, Events: 1000, DeadLettered: 1000}, {Seq: 1, Doubled: true, Events: 1000, DeadLettered: 1000}} {
		got, err := in.PutBatch(t.Context(), "agent-a-1", records)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("time %d: %s", i, d)
		}
	}
	if len(b.blocks) != 1 || b.blocks[0].ID != "agent-a-1" {
		t.Errorf("%d blocks, the first is %s", len(b.blocks), b.blocks[0].ID)
	}
	if _, err := in.PutBatch(t.Context(), "", records); !errors.Is(err, holdfast.ErrInvalid) {
		t.Errorf("no id: %v", err)
	}
	if got := in.Health(); len(got) != 1 || got[0].Received != 1000 || got[0].DeadLettered != 1000 {
		t.Errorf("health: %+v", got)
	}
}

// TestGroupCommit holds the first block at the disk: all that comes meanwhile
// must share the second.
func TestGroupCommit(t *testing.T) {
	b := &bus{gate: make(chan struct{})}
	in, _ := open(t, b)
	var all sync.WaitGroup
	put := func(i int) {
		all.Go(func() {
			r := record("bad")
			r.Position = fmt.Sprint(i)
			if err := in.Put(t.Context(), []holdfast.Record{r}); err != nil {
				t.Error(err)
			}
		})
	}
	put(0)
	waitFor(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.inside == 1 })
	for i := range 50 {
		put(i + 1)
	}
	waitFor(t, func() bool { return ingest.Waiting(in) == 50 })
	close(b.gate)
	all.Wait()
	if len(b.blocks) != 2 || len(b.blocks[0].Events) != 1 || len(b.blocks[1].Events) != 50 {
		t.Errorf("%d blocks", len(b.blocks))
	}
}

// TestFloodOfBatches holds that nobody waits for the flood of another agent,
// whichever way he comes: the disk takes one block at a time, and what comes
// behind two hundred batches of one agent is there after a handful of blocks.
func TestFloodOfBatches(t *testing.T) {
	const batches, soon = 200, 4 + 3*4 // under way already, and three turns of four
	b := &bus{gate: make(chan struct{})}
	in, _ := open(t, b)
	var all sync.WaitGroup
	defer all.Wait()
	defer close(b.gate)
	put := func(asset, id string, many int) {
		records := make([]holdfast.Record, many)
		for i := range records {
			records[i] = holdfast.Record{Source: "s", Asset: asset, Position: fmt.Sprint(id, i), Received: now, Raw: []byte("bad")}
		}
		if _, err := in.PutBatch(t.Context(), id, records); err != nil {
			t.Error(err)
		}
	}
	for i := range batches {
		all.Go(func() { put("flood", fmt.Sprint("flood-", i), 10) })
	}
	waitFor(t, func() bool { return ingest.Waiting(in) == batches-5 }) // four are under way, one is next
	for _, send := range []func(){
		func() { put("quiet", "quiet-1", 1) },
		func() { put("many", "many-1", 2500) },
		func() {
			if err := in.Put(t.Context(), []holdfast.Record{{Source: "syslog", Raw: []byte("bad")}}); err != nil {
				t.Error(err)
			}
		},
	} {
		before := ingest.Waiting(in)
		all.Go(send)
		waitFor(t, func() bool { return ingest.Waiting(in) > before })
	}
	missing := map[string]int{"quiet": 1, "many": 2500, "": 1} // by asset
	for n := 0; len(missing) > 0; n++ {
		if n > soon {
			t.Fatalf("these are not on the disk after %d blocks: %v", n, missing)
		}
		b.gate <- struct{}{}
		waitFor(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.blocks) == n+1 })
		for _, e := range b.blocks[n].Events {
			if missing[e.Asset]--; missing[e.Asset] <= 0 {
				delete(missing, e.Asset)
			}
		}
	}
}

func TestFullRefusesAndGoesOn(t *testing.T) {
	b := &bus{full: true}
	in, c := open(t, b)
	lost, late := record("bad lost"), record("bad late")
	for range 3 {
		if err := in.Put(t.Context(), []holdfast.Record{late}); !errors.Is(err, holdfast.ErrFull) {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := in.PutBatch(t.Context(), "x", []holdfast.Record{lost}); !errors.Is(err, holdfast.ErrFull) {
		t.Fatalf("got %v", err)
	}
	b.mu.Lock()
	b.full = false
	b.mu.Unlock()
	if err := in.Put(t.Context(), []holdfast.Record{late}); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Hour)
	if err := in.Put(t.Context(), []holdfast.Record{record("bad last")}); err != nil {
		t.Fatal(err)
	}
	rows, _ := b.ledger()
	if d := cmp.Diff(holdfast.LedgerRow{Received: 3, DeadLettered: 2, Rejected: 1}, rows["s"]); d != "" {
		t.Error(d)
	}
}

// TestSeveralInOne holds that each event of a record is kept with its own part,
// under an id that is the same when the record comes again; that each counts; and
// that what cannot be read of it is a dead letter beside the others.
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

// TestLedger offers any mix of records to a bus that fails in any way, as
// inputs do: again until taken, or given up.
func TestLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &bus{}
		b.fail = func() (error, bool) {
			switch rapid.IntRange(0, 5).Draw(t, "bus") {
			case 0:
				return errors.New("broken"), false
			case 1:
				return errors.New("the answer was lost"), true
			}
			return nil, false
		}
		c := clock.NewFixed(now)
		in := ingest.New(ingest.Options{Parsers: []parser.Parser{words()}, Bus: b, Clock: c, Log: slog.New(slog.DiscardHandler)})
		defer in.Close(context.Background())
		offered, acked := map[string]uint64{}, map[holdfast.EventID]bool{}
		for i := range rapid.IntRange(1, 12).Draw(t, "calls") {
			records := drawRecords(t, i)
			batch := rapid.Bool().Draw(t, "as a batch")
			b.full = rapid.IntRange(0, 4).Draw(t, "full") == 0
			for try := 0; ; try++ {
				var err error
				if batch {
					_, err = in.PutBatch(t.Context(), fmt.Sprint("batch-", i), records)
				} else {
					err = in.Put(t.Context(), records)
				}
				if err == nil {
					for _, r := range records {
						for i, raw := range held(r.Raw) {
							acked[holdfast.NewEventID(r.Asset+"\x00"+r.Source, r.Position, raw, i)] = true
							offered[r.Source]++
						}
					}
					break
				}
				if errors.Is(err, holdfast.ErrFull) && rapid.Bool().Draw(t, "given up") {
					for _, r := range records {
						offered[r.Source]++ // nobody knows what it holds
					}
					break // a record refused for want of room was not looked at: it is nowhere
				}
				b.full = false
			}
		}
		b.full, b.fail = false, nil
		c.Advance(time.Hour)
		if err := in.Put(t.Context(), []holdfast.Record{{Source: "end", Raw: []byte("bad")}}); err != nil {
			t.Fatal(err)
		}
		rows, events := b.ledger()
		for source, n := range offered {
			r := rows[source]
			if !r.Balanced() || r.Received != n {
				t.Errorf("%s: offered %d, the ledger says %+v", source, n, r)
			}
		}
		for id := range acked {
			if _, ok := events[id]; !ok {
				t.Errorf("%s was acknowledged and is in no block", id)
			}
		}
	})
}

// held are the records of the events that a record holds.
func held(raw []byte) [][]byte {
	if rest, ok := bytes.CutPrefix(raw, []byte("many ")); ok {
		return bytes.Split(rest, []byte(";"))
	}
	return [][]byte{raw}
}

func drawRecords(t *rapid.T, call int) []holdfast.Record {
	var out []holdfast.Record
	for i := range rapid.IntRange(1, 40).Draw(t, "records") {
		out = append(out, holdfast.Record{
			Source:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "source"),
			Position: fmt.Sprint(call, ".", i), Received: now,
			Raw: []byte(rapid.SampledFrom([]string{"at 2026-11-23T02:00:00Z anna", "bad", "panic", "", "\xff\xfe", "at 1970-01-01T00:00:00Z x", "many at 2026-11-23T02:00:00Z anna;bad;at 2026-11-23T02:00:00Z anna"}).Draw(t, "raw")),
		})
	}
	return out
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}
