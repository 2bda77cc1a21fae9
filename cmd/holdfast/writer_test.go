package main

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/parser/all"
	"holdfast/internal/testkit/made"
	"holdfast/internal/testkit/spent"
)

// parsed keeps the blocks that ingest makes.
type parsed struct{ blocks []*holdfast.Block }

func (p *parsed) Publish(_ context.Context, b *holdfast.Block) (uint64, bool, error) {
	p.blocks = append(p.blocks, b)
	return uint64(len(p.blocks)), false, nil
}

func (p *parsed) Room() error { return nil }

// BenchmarkWriter measures what storing alone costs: one op is a block of 1,000
// parsed events, written to segments. Putting them together is not in it.
func BenchmarkWriter(b *testing.B) {
	w := openWeek(b, b.TempDir(), weekEnd)
	ctx := b.Context()
	var err error
	if w.writer, err = w.store.NewWriter(ctx, w.ingest.Entities); err != nil {
		b.Fatal(err)
	}
	var p parsed
	in := ingest.New(ingest.Options{Parsers: all.All(), Bus: &p, Asset: func(host string) string { return "ast-" + host }, Clock: w.clock, Log: slog.New(slog.DiscardHandler)})
	m := made.New(1, w.clock.Now(), time.Millisecond)
	raw := 0
	for n := range 64 {
		records := make([]holdfast.Record, holdfast.MaxBlockEvents)
		for i := range records {
			records[i] = holdfast.Record{Source: "http:bench", Position: strconv.Itoa(n*len(records) + i), Raw: slices.Clone(m.Next()), Received: w.clock.Now()}
			raw += len(records[i].Raw)
		}
		if _, err := in.PutBatch(ctx, strconv.Itoa(n), records); err != nil {
			b.Fatal(err)
		}
	}
	if err := in.Close(ctx); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	used := spent.Time(b)
	for n := range b.N {
		block := p.blocks[n%len(p.blocks)]
		for i := range block.Events { // an event is stored once
			binary.LittleEndian.PutUint64(block.Events[i].ID[:], uint64(n)*0x9e3779b97f4a7c15+uint64(i)*0xbf58476d1ce4e5b9)
		}
		if _, _, err := w.Publish(ctx, block); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.writer.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	n := float64(b.N) * holdfast.MaxBlockEvents
	b.ReportMetric((spent.Time(b)-used).Seconds()*1e6/n, "cpu-µs/event")
	st, err := w.store.Stats(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Bytes)/float64(st.Raw), "stored/raw")
}
