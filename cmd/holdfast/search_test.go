package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest"
	"holdfast/ingest/parser/all"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/made"
	"holdfast/internal/testkit/spent"
	"holdfast/query"
	"holdfast/store/events"
	"holdfast/store/state"
)

// weekEnd is when the week of BenchmarkSearch ends.
var weekEnd = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// week is a store as a server has it after a week: records of many shapes,
// parsed, written and put together by the code that does so there.
type week struct {
	clock  *clock.Fixed
	state  *state.DB
	store  *events.Store
	ingest *ingest.Ingest
	writer *events.Writer
	seq    uint64
}

func openWeek(b *testing.B, dir string, at time.Time) *week {
	b.Helper()
	w := &week{clock: clock.NewFixed(at)}
	var err error
	if w.state, err = state.Open(b.Context(), filepath.Join(dir, "state.db"), w.clock); err != nil {
		b.Fatal(err)
	}
	w.store, err = events.Open(b.Context(), events.Options{Dir: filepath.Join(dir, "events"), Manifest: w.state, Clock: w.clock, Log: slog.New(slog.DiscardHandler), Rate: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	w.ingest = ingest.New(ingest.Options{Parsers: all.All(), Bus: w, Asset: func(host string) string { return "ast-" + host }, Clock: w.clock, Log: slog.New(slog.DiscardHandler)})
	b.Cleanup(func() { _ = w.close() })
	return w
}

func (w *week) close() error {
	if w.store == nil {
		return nil
	}
	err := w.store.Close()
	w.store = nil
	_ = w.ingest.Close(context.Background())
	return errors.Join(err, w.state.Close())
}

// Publish hands a block to the writer, as the bus does.
func (w *week) Publish(ctx context.Context, b *holdfast.Block) (uint64, bool, error) {
	w.seq++
	return w.seq, false, w.writer.Add(ctx, w.seq, b)
}

// Room always has some.
func (w *week) Room() error { return nil }

// fill makes n events over seven days, and settles each day.
func (w *week) fill(b *testing.B, n int) {
	b.Helper()
	ctx := b.Context()
	var err error
	if w.writer, err = w.store.NewWriter(ctx, w.ingest.Entities); err != nil {
		b.Fatal(err)
	}
	step := 7 * 24 * time.Hour / time.Duration(n)
	m := made.New(1, w.clock.Now(), step)
	day := w.clock.Now().Day()
	for from := 0; from < n; from += holdfast.MaxBlockEvents {
		records := make([]holdfast.Record, min(holdfast.MaxBlockEvents, n-from))
		for i := range records {
			records[i] = holdfast.Record{Source: "http:bench", Position: strconv.Itoa(from + i), Raw: slices.Clone(m.Next()), Received: w.clock.Now().Add(time.Duration(i) * step)}
		}
		w.clock.Advance(time.Duration(len(records)) * step)
		if _, err := w.ingest.PutBatch(ctx, strconv.Itoa(from), records); err != nil {
			b.Fatal(err)
		}
		if now := w.clock.Now().Add(-time.Hour).Day(); now != day {
			day = now
			w.settle(b)
		}
	}
	w.settle(b)
}

// settle puts segments together until nothing is left to do.
func (w *week) settle(b *testing.B) {
	b.Helper()
	if err := w.writer.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for {
		if n, err := w.store.CompactOnce(b.Context()); err != nil {
			b.Fatal(err)
		} else if n == 0 {
			return
		}
	}
}

// count counts the segments that are large enough, as a server does while nobody
// searches.
func (w *week) count(b *testing.B) {
	b.Helper()
	start, segments := time.Now(), 0
	used := spent.Time(b)
	for {
		more, err := w.store.CountOnce(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if !more {
			break
		}
		segments++
	}
	if segments > 0 {
		b.Logf("%d segments counted in %v, %v of the processors", segments, time.Since(start), spent.Time(b)-used)
	}
}

// aWeek is a store with the events of a week: 100,000, or HOLDFAST_BENCH_EVENTS;
// 5000000 for the figures that are published. HOLDFAST_BENCH_DIR keeps it for
// the next time.
func aWeek(b *testing.B) *week {
	b.Helper()
	dir, n := os.Getenv("HOLDFAST_BENCH_DIR"), 100_000
	if said := os.Getenv("HOLDFAST_BENCH_EVENTS"); said != "" {
		var err error
		if n, err = strconv.Atoi(said); err != nil {
			b.Fatal(err)
		}
	}
	if dir == "" {
		dir = b.TempDir()
	}
	w := openWeek(b, dir, weekEnd)
	if st, err := w.store.Stats(b.Context()); err != nil {
		b.Fatal(err)
	} else if st.Events == 0 {
		if err := w.close(); err != nil {
			b.Fatal(err)
		}
		w = openWeek(b, dir, weekEnd.AddDate(0, 0, -7))
		start := time.Now()
		w.fill(b, n)
		b.Logf("%d events made in %v", n, time.Since(start))
		if err := w.close(); err != nil { // opened again, it has no files that were put together
			b.Fatal(err)
		}
		w = openWeek(b, dir, weekEnd)
	}
	w.count(b)
	st, err := w.store.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d events in %d segments, %.3f stored/raw", st.Events, st.Segments, float64(st.Bytes)/float64(st.Raw))
	return w
}

// BenchmarkSearch runs what analysts ask for over a week, as written and as
// planned. ms is the median; cpu-ms is what the processors spent on one, which
// says more where other work goes on.
func BenchmarkSearch(b *testing.B) {
	w := aWeek(b)
	hash, src, dst := w.needles(b)
	for _, c := range []struct{ name, q string }{
		{"needle", fmt.Sprintf(`file.hash.sha256:%s`, hash)},
		{"needle address", fmt.Sprintf(`events | where destination.ip == %q`, dst)},
		{"needle address counted", fmt.Sprintf(`events | where source.ip == %q | count`, src)},
		{"common address", fmt.Sprintf(`events | where source.ip == %q`, src)},
		{"or of two columns", fmt.Sprintf(`events | where source.ip == "%s" or destination.ip == "%s"`, dst, dst)},
		{"or of two columns common", fmt.Sprintf(`events | where source.ip == "%s" or destination.ip == "%s"`, src, dst)},
		{"or counted", fmt.Sprintf(`events | where source.ip == %q or destination.ip == %q | count`, src, dst)},
		{"in", fmt.Sprintf(`events | where destination.ip in (%q, "198.51.100.7", "10.0.0.1")`, dst)},
		{"command line", `events | where CommandLine contains "inventory-7a" | summarize count() by host.name`},
		{"command line has", `events | where CommandLine has "netsvcs" | summarize count() by host.name`},
		{"command line newest", `events | where CommandLine contains "inventory-7a"`},
		{"field", `events | where TargetFilename contains "cache\\7a3" | count`},
		{"raw contains", `inventory-7a | count`},
		{"last 100 of a host", `events | where host.name == "ws-042.corp.example" | order by time desc | take 100`},
		{"newest 200", ``},
		{"newest 200 of a text", `inventory-7a`},
		{"newest 200 of a frequent text", `powershell`},
		{"newest of a dataset", `dataset:zeek.conn`},
		{"histogram", `events | summarize count() by bin(time, 1h)`},
		{"histogram of a dataset", `events | where dataset == "zeek.conn" | summarize count() by bin(time, 1h)`},
		{"histogram of 36 hours", `events | where time > ago(36h) | summarize count() by bin(time, 1h)`},
		{"top 10", `events | summarize n=count() by user.name | top 10 by n`},
		{"distinct over 7 days", `events | summarize dcount(source.ip)`},
	} {
		for _, plain := range []bool{true, false} {
			name := c.name + "/planned"
			if plain {
				name = c.name + "/written"
			}
			b.Run(name, func(b *testing.B) {
				if !plain && len(w.compile(b, c.q, false).Rewrites) == 0 {
					b.Skip("nothing is rewritten")
				}
				rows := 0
				var took []time.Duration
				used := spent.Time(b)
				for b.Loop() {
					start := time.Now()
					rows = len(w.ask(b, c.q, plain).Rows)
					took = append(took, time.Since(start))
				}
				b.ReportMetric(float64((spent.Time(b)-used).Microseconds())/1000/float64(len(took)), "cpu-ms")
				slices.Sort(took)
				b.ReportMetric(float64(rows), "rows")
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms")
			})
		}
	}
}

// goals are the searches that have a goal.
func (w *week) goals(b *testing.B) []string {
	b.Helper()
	hash, src, dst := w.needles(b)
	return []string{
		fmt.Sprintf(`file.hash.sha256:%s`, hash),
		fmt.Sprintf(`events | where source.ip == "%s" or destination.ip == "%s"`, dst, dst),
		fmt.Sprintf(`events | where source.ip == "%s" or destination.ip == "%s"`, src, src),
		`events | where CommandLine contains "inventory-7a" | summarize count() by host.name`,
		`events | where host.name == "ws-042.corp.example" | order by time desc | take 100`,
		`events | summarize count() by bin(time, 1h)`,
		`events | summarize n=count() by user.name | top 10 by n`,
		`events | summarize dcount(source.ip)`,
	}
}

// needles are a hash that one event has, and a host's address and one that it
// has spoken to.
func (w *week) needles(b *testing.B) (hash, src, dst any) {
	b.Helper()
	one := w.ask(b, `events | where file.hash.sha256 != "" | summarize n = count() by file.hash.sha256 | where n == 1 | take 1 | project file.hash.sha256`, false)
	two := w.ask(b, `events | where destination.ip != "" and host.name == "ws-042.corp.example" | take 1 | project source.ip, destination.ip`, false)
	return one.Rows[0][0], two.Rows[0][0], two.Rows[0][1]
}

func (w *week) compile(b *testing.B, text string, plain bool) query.Statement {
	b.Helper()
	q, err := query.Parse(text, weekEnd)
	if err != nil {
		b.Fatal(err)
	}
	st, err := query.CompileWith(q, query.Options{
		Range: query.Range{From: weekEnd.AddDate(0, 0, -8), To: weekEnd}, MaxRows: 200, Plain: plain, Narrow: true, Dialect: w.store.Dialect(),
		Names: func(name string) []string { return holdfast.NativeNames(w.ingest.Datasets(), name) },
	})
	if err != nil {
		b.Fatal(err)
	}
	if os.Getenv("HOLDFAST_BENCH_SQL") != "" {
		b.Log(strings.TrimSpace(st.SQL))
	}
	return st
}

func (w *week) ask(b *testing.B, text string, plain bool) events.Result {
	b.Helper()
	st := w.compile(b, text, plain)
	r, err := w.store.Query(b.Context(), events.Statement{SQL: st.SQL, Args: st.Args, Find: st.Find, FindArgs: st.FindArgs, Newest: st.Newest, From: st.Range.From, To: st.Range.To, MaxRows: 200})
	if err != nil {
		b.Fatal(err)
	}
	return r
}
