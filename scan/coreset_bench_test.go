package scan

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/detect/engine"
	"holdfast/ingest/evtx"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/all"
	"holdfast/ingest/parser/winevent"
	"holdfast/internal/testkit/race"
	"holdfast/internal/testkit/spent"
)

// sysmonMix returns the corpus's Sysmon events as JSON, each several times with
// other digits, so that no two have the same values.
func sysmonMix(tb testing.TB, times int) [][]byte {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for _, sub := range []string{"evtx", "sigma/regression_data"} {
		err := filepath.WalkDir(corpus(tb, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.EqualFold(filepath.Ext(path), ".evtx") {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f, err := evtx.Open(bytes.NewReader(raw), int64(len(raw)))
			if err != nil {
				return err
			}
			var dec evtx.Decoder
			for i := range f.Chunks() {
				if _, err := dec.Chunk(f, i, func(r evtx.Record) error {
					if bytes.Contains(r.JSON, []byte("Microsoft-Windows-Sysmon/Operational")) {
						for range times {
							out = append(out, bytes.Clone(r.JSON))
							vary(random, out[len(out)-1])
						}
					}
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// vary changes the digits of longer numbers in EventData; what rules look for
// hardly has any.
func vary(random *rand.Rand, b []byte) {
	start := max(0, bytes.Index(b, []byte(`"EventData"`)))
	for i := start; i < len(b); {
		j := i
		for j < len(b) && b[j] >= '0' && b[j] <= '9' {
			j++
		}
		if j-i >= 3 {
			for k := i + 1; k < j; k++ {
				b[k] = byte('0' + random.IntN(10))
			}
		}
		i = max(j, i+1)
	}
}

// BenchmarkCoreSet matches the Sysmon mix against the core set, parse included. No
// event comes twice: all get other digits, off the clock, before they come again.
func BenchmarkCoreSet(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent)) // as the verb does
	_, eng, _ := coreSet(b)
	events := sysmonMix(b, 10)
	byName := map[string]holdfast.Dataset{}
	for _, d := range winevent.Datasets() {
		byName[d.Name] = d
	}
	p := winevent.Parser()
	for name, ds := range byName { // the index of each view is built when it is first used
		eng.Match(&holdfast.Event{Dataset: name}, ds)
	}
	b.ReportAllocs()
	var memory parser.Memory
	random := rand.New(rand.NewPCG(3, 4))
	n, hits := 0, 0
	before := spent.Time(b)
	var varying time.Duration
	for b.Loop() {
		if n > 0 && n%len(events) == 0 {
			b.StopTimer()
			start := spent.Time(b)
			for _, e := range events {
				vary(random, e)
			}
			varying += spent.Time(b) - start
			b.StartTimer()
		}
		raw := events[n%len(events)]
		n++
		got, err := p.Parse(raw, parser.Hint{Into: &memory})
		if err != nil {
			b.Fatal(err)
		}
		e := holdfast.Event{Dataset: got.Dataset, Fields: got.Fields, Time: got.Time, Raw: raw}
		hits += len(eng.Match(&e, byName[got.Dataset]))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n)/(spent.Time(b)-before-varying).Seconds(), "events/cpu-s")
	b.ReportMetric(float64(hits)/float64(n), "hits/event")
}

// BenchmarkParseJSON is the floor: the same events through the JSON parser
// alone, every value visited. With -cpu 1,2 it says what a second processor adds
// where nothing is shared, as BenchmarkScanEvents says of a scan.
func BenchmarkParseJSON(b *testing.B) {
	events := sysmonMix(b, 10)
	var visit func(v *fastjson.Value)
	visit = func(v *fastjson.Value) {
		if v.Type() == fastjson.TypeObject {
			v.GetObject().Visit(func(_ []byte, c *fastjson.Value) { visit(c) })
		}
	}
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var p fastjson.Parser
		for pb.Next() {
			v, err := p.ParseBytes(events[n.Add(1)%int64(len(events))])
			if err != nil {
				b.Error(err)
				return
			}
			visit(v)
		}
	})
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkParse is what parsing takes of it.
func BenchmarkParse(b *testing.B) {
	events := sysmonMix(b, 10)
	p := winevent.Parser()
	b.ReportAllocs()
	var memory parser.Memory
	n := 0
	for b.Loop() {
		if _, err := p.Parse(events[n%len(events)], parser.Hint{Into: &memory}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// TestNothingIsAllocated: an event without a match costs no memory, from the
// record's bytes to the last rule.
func TestNothingIsAllocated(t *testing.T) {
	if race.On {
		t.Skip("pools forget what they hold")
	}
	_, eng, _ := coreSet(t)
	s := newScan(Options{Engine: eng, Parsers: all.All()})
	w := &worker{s: s}
	var calm [][]byte
	for _, raw := range sysmonMix(t, 1) {
		before := s.matches.Load()
		if w.event("a.evtx", 1, raw, time.Time{}); s.matches.Load() == before {
			calm = append(calm, raw)
		}
	}
	if len(calm) < 500 {
		t.Fatalf("only %d events without a match", len(calm))
	}
	for range 3 { // the caches that grow with what they see have seen it
		for _, raw := range calm {
			w.event("a.evtx", 1, raw, time.Time{})
		}
	}
	if n := testing.AllocsPerRun(5, func() {
		for _, raw := range calm {
			w.event("a.evtx", 1, raw, time.Time{})
		}
	}); n > float64(len(calm))/100 { // a pool may be emptied in between
		t.Errorf("%v allocations for %d events", n, len(calm))
	}
	if len(s.sum.Left) > 0 {
		t.Error(s.sum.Left)
	}
}

// BenchmarkScanEvents is the way of one event in a scan: all parsers asked, all
// rules of the core set, on each processor its own worker.
func BenchmarkScanEvents(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent)) // as the verb does
	_, eng, _ := coreSet(b)
	events := sysmonMix(b, 10)
	s := newScan(Options{Engine: eng, Parsers: all.All()})
	warm := &worker{s: s}
	for _, raw := range events[:2000] {
		warm.event("a.evtx", 1, raw, time.Time{})
	}
	var n atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	before := spent.Time(b)
	b.RunParallel(func(pb *testing.PB) {
		w := &worker{s: s}
		for pb.Next() {
			w.event("a.evtx", 1, events[n.Add(1)%int64(len(events))], time.Time{})
		}
	})
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n.Load())/(spent.Time(b)-before).Seconds(), "events/cpu-s")
}

// BenchmarkCompile is what it takes to make the core set ready, and to keep it:
// the index of every dataset of Windows is built.
func BenchmarkCompile(b *testing.B) {
	set, _, _ := coreSet(b)
	var before, after runtime.MemStats
	var eng *engine.Engine
	for b.Loop() {
		runtime.KeepAlive(eng)
		eng = nil //nolint:ineffassign,wastedassign // for the collector
		runtime.GC()
		runtime.ReadMemStats(&before)
		eng, _ = engine.New(set.Rules, set.Filters)
		for _, d := range winevent.Datasets() {
			eng.Match(&holdfast.Event{Dataset: d.Name}, d)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
	runtime.KeepAlive(eng)
	runtime.KeepAlive(set)
}
