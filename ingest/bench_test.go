package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/parser"
	"holdfast/internal/clock"
)

// discard takes blocks as a disk with a synced write of one millisecond would.
type discard struct{ wait time.Duration }

func (discard) Room() error { return nil }

func (d discard) Publish(context.Context, *holdfast.Block) (uint64, bool, error) {
	if d.wait > 0 {
		time.Sleep(d.wait)
	}
	return 1, false, nil
}

// BenchmarkPut measures records/s through Put, in calls of 100 from eight
// callers, with the tests' small parser: what ingest itself costs.
func BenchmarkPut(b *testing.B) {
	for _, wait := range []time.Duration{0, time.Millisecond} {
		b.Run(fmt.Sprintf("fsync=%s", wait), func(b *testing.B) {
			in := ingest.New(ingest.Options{Parsers: []parser.Parser{words()}, Bus: discard{wait}, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
			records := make([]holdfast.Record, 100)
			for i := range records {
				records[i] = holdfast.Record{
					Source: "s", Position: fmt.Sprint(i), Received: now,
					Raw: fmt.Appendf(nil, "at 2026-11-23T02:00:00Z anna%d did something that takes a line of usual length", i),
				}
			}
			b.SetParallelism(8)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := in.Put(b.Context(), records); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "events/s")
			if err := in.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
}
