package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest"
	parsers "holdfast/ingest/parser/all"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/made"
	"holdfast/internal/testkit/spent"
	"holdfast/internal/zstd"
)

// keeps keeps what is published.
type keeps struct{ events []holdfast.Event }

func (*keeps) Room() error { return nil }

func (k *keeps) Publish(_ context.Context, b *holdfast.Block) (uint64, bool, error) {
	k.events = append(k.events, b.Events...)
	return 1, false, nil
}

// TestTogether: records of all kinds that come together, and share memory, are the
// events that each of them is alone.
func TestTogether(t *testing.T) {
	at := time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)
	var records []holdfast.Record
	add := func(line []byte) {
		records = append(records, holdfast.Record{Source: "file:x", Received: at, Raw: append([]byte{}, line...)})
	}
	m := made.New(4, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Millisecond)
	for _, p := range parsers.All() {
		known, err := os.ReadFile(filepath.Join("..", "..", "ingest", "parser", p.Name, "testdata", "lines.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(known) {
			add(bytes.TrimRight(line, "\r\n"))
			add(m.Next())
		}
	}
	put := func(each int) []holdfast.Event {
		k := &keeps{}
		in := ingest.New(ingest.Options{Parsers: parsers.All(), Bus: k, Clock: clock.NewFixed(at), Log: slog.New(slog.DiscardHandler)})
		for from := 0; from < len(records); from += each {
			if err := in.Put(t.Context(), records[from:min(len(records), from+each)]); err != nil {
				t.Fatal(err)
			}
		}
		return k.events
	}
	if d := cmp.Diff(put(1), put(500)); d != "" {
		t.Error(d)
	}
}

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
			at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
			m := made.New(1, at, time.Millisecond)
			bytesOf := 0
			for range 16 {
				var batch []holdfast.Record
				for len(batch) < 1000 {
					raw := m.Next()
					if !kinds[kind](raw) {
						continue
					}
					bytesOf += len(raw)
					batch = append(batch, holdfast.Record{Source: "http:bench", Position: fmt.Sprintf("req-%d:%d", len(batches), len(batch)), Once: true, Received: at, Raw: bytes.Clone(raw)})
				}
				batches = append(batches, batch)
			}
			bus := &packs{packer: zstd.New(zstd.Fast), write: kind == "packed"}
			in := ingest.New(ingest.Options{Parsers: parsers.All(), Bus: bus, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
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
