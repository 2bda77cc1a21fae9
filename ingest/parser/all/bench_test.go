package all_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/parser/all"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/made"
	"holdfast/internal/testkit/spent"
	"holdfast/internal/zstd"
)

// packs makes of each block what would go to the bus.
type packs struct {
	packer        *zstd.Packer
	write         bool
	plain, packed []byte
	size          int
}

func (*packs) Room() error { return nil }

func (p *packs) Publish(_ context.Context, b *holdfast.Block) (uint64, bool, error) {
	if !p.write {
		return 1, false, nil
	}
	var err error
	if p.plain, err = b.AppendBinary(p.plain[:0]); err != nil {
		return 0, false, err
	}
	p.packed = p.packer.Append(p.packed[:0], p.plain)
	p.size += len(p.packed)
	return 1, false, nil
}

// BenchmarkIn measures what it costs to make events of records, of all shapes
// that package made makes and of each alone, and "packed" what it costs to make
// packed blocks of them besides. One op is a thousand records.
func BenchmarkIn(b *testing.B) {
	kinds := map[string]func([]byte) bool{
		"all":        func([]byte) bool { return true },
		"sysmon":     func(r []byte) bool { return bytes.HasPrefix(r, []byte(`{"Event"`)) },
		"zeek":       func(r []byte) bool { return bytes.HasPrefix(r, []byte(`{"_path"`)) },
		"cloudtrail": func(r []byte) bool { return bytes.HasPrefix(r, []byte(`{"eventVersion"`)) },
		"packed":     func([]byte) bool { return true },
	}
	for _, kind := range []string{"sysmon", "zeek", "cloudtrail", "all", "packed"} {
		b.Run(kind, func(b *testing.B) {
			var batches [][]holdfast.Record
			m := made.New(1, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Millisecond)
			bytesOf := 0
			for range 16 {
				var batch []holdfast.Record
				for len(batch) < 1000 {
					raw := m.Next()
					if !kinds[kind](raw) {
						continue
					}
					bytesOf += len(raw)
					batch = append(batch, holdfast.Record{Source: "http:bench", Position: "req-0123456789abcdef:1:1", Once: true, Received: received, Raw: bytes.Clone(raw)})
				}
				batches = append(batches, batch)
			}
			bus := &packs{packer: zstd.New(zstd.Fast), write: kind == "packed"}
			in := ingest.New(ingest.Options{Parsers: all.All(), Bus: bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
			b.ReportAllocs()
			n, before := 0, spent.Time(b)
			for b.Loop() {
				if err := in.Put(b.Context(), batches[n%len(batches)]); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64((spent.Time(b)-before).Nanoseconds())/float64(n)/1e6, "cpu-µs/event")
			if bus.write {
				b.ReportMetric(float64(bus.size)/float64(n)/float64(bytesOf)*float64(len(batches)), "packed/raw")
				b.ReportMetric(float64(len(bus.plain))/1000, "plain-B/event")
			}
		})
	}
}
