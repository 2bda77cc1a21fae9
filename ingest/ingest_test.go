package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest"
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

// TestOnce: what a record holds is part of its event's id, unless its position

// says enough.

// TestPlaces adds what is known of addresses behind the source's own fields,

// once for each end, and leaves a name alone that the source uses itself.

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

// TestLedger offers any mix of records to a bus that fails in any way, as

// inputs do: again until taken, or given up.

// held are the records of the events that a record holds.

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}
