package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/parser"
	"holdfast/internal/clock"
)

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
