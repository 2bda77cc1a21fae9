package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast"
	"holdfast/store/bus"
)

// BenchmarkSearchBeside asks a real server with the week of BenchmarkSearch the
// searches that have a goal, one after the other: first while it is idle, then
// while four clients send as fast as it acknowledges. The range is that week, so at
// either time they look at the same events. One op is a round of all of them at
// either time. times is how many times as long p95 takes, now-times the same over
// the newest quarter of an hour, whose idle searches come last and see all that came.
// sent and sent-beside are the events a second that are acknowledged without and
// with searches. Run it with -benchtime 30x and the environment of BenchmarkSearch.
func BenchmarkSearchBeside(b *testing.B) {
	s, searches := newSearched(b)
	bodies := linesOf("made", 64)
	s.round(searches, weekRange) // the first looks at what there is
	b.ResetTimer()
	idle := s.rounds(b.N, searches, weekRange)

	send := s.sendOn(b, bodies)
	time.Sleep(2 * time.Second)
	from, start := send.acked.Load(), time.Now()
	time.Sleep(10 * time.Second)
	alone := float64(send.acked.Load()-from) / time.Since(start).Seconds()
	from, start = send.acked.Load(), time.Now()
	full := s.rounds(b.N, searches, weekRange)
	beside := float64(send.acked.Load()-from) / time.Since(start).Seconds()
	fullNow := s.rounds(max(b.N/2, 1), searches, newest)
	send.end()

	if got, want := s.found(int(send.acked.Load())), int(send.acked.Load()); got != want {
		b.Errorf("%d events are acknowledged, %d are found", want, got)
	}
	time.Sleep(10 * time.Second) // what is small is put together
	idleNow := s.rounds(max(b.N/2, 1), searches, newest)
	b.StopTimer()
	for i, q := range searches {
		b.Logf("p50 and p95 in ms: idle %s, beside %s; newest: idle %s, beside %s; %s", ofOne(idle, i), ofOne(full, i), ofOne(idleNow, i), ofOne(fullNow, i), q)
	}
	b.ReportMetric(p95(idle), "idle-p95-ms")
	b.ReportMetric(p95(full), "full-p95-ms")
	b.ReportMetric(p95(full)/p95(idle), "times")
	b.ReportMetric(p95(fullNow)/p95(idleNow), "now-times")
	b.ReportMetric(alone, "sent/s")
	b.ReportMetric(beside, "sent-beside/s")
}

// newSearched is a server that has the week of BenchmarkSearch, all of it put
// together and counted, and what is asked of it.
func newSearched(b *testing.B) (*loaded, []string) {
	b.Helper()
	data := filepath.Join(b.TempDir(), "data")
	if dir := os.Getenv("HOLDFAST_BENCH_DIR"); dir != "" {
		if err := os.CopyFS(data, os.DirFS(dir)); err != nil {
			b.Fatal(err)
		}
	}
	b.Setenv("HOLDFAST_BENCH_DIR", data)
	w := aWeek(b)
	w.clock.Advance(24 * time.Hour)
	if w.writer == nil {
		var err error
		if w.writer, err = w.store.NewWriter(b.Context(), w.ingest.Entities); err != nil {
			b.Fatal(err)
		}
	}
	w.settle(b)
	w.count(b)
	searches := w.goals(b)
	last := w.writer.Position()
	if err := w.close(); err != nil {
		b.Fatal(err)
	}
	// The server's bus goes on behind the blocks of the week.
	q, err := bus.Open(b.Context(), bus.Options{Dir: filepath.Join(data, "bus"), Reserve: 1})
	if err != nil {
		b.Fatal(err)
	}
	for seq := uint64(0); seq < last; {
		if seq, _, err = q.Publish(b.Context(), &holdfast.Block{ID: "before " + strconv.FormatUint(seq, 10), Made: weekEnd}); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
	return startLoaded(b, data, "none"), searches
}

func weekRange() (from, to time.Time) { return weekEnd.AddDate(0, 0, -8), weekEnd.AddDate(0, 0, 1) }

func newest() (from, to time.Time) { return time.Now().Add(-15 * time.Minute), time.Time{} }

// round asks each of the searches once, and returns how long each took.
func (s *loaded) round(searches []string, over func() (from, to time.Time)) []time.Duration {
	s.tb.Helper()
	cli := &app{data: s.data}
	var took []time.Duration
	for _, q := range searches {
		from, to := over()
		body := map[string]any{"q": q, "limit": 200, "from": from}
		if !to.IsZero() {
			body["to"] = to
		}
		start := time.Now()
		if err := cli.call(s.tb.Context(), http.MethodPost, "/query", body, new(any)); err != nil {
			s.tb.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	return took
}

func (s *loaded) rounds(n int, searches []string, over func() (from, to time.Time)) [][]time.Duration {
	s.tb.Helper()
	out := make([][]time.Duration, n)
	for i := range out {
		out[i] = s.round(searches, over)
	}
	return out
}

// keepAsking asks the searches again and again until it is told to stop.
func (s *loaded) keepAsking(searches []string) (stop func()) {
	var over atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for !over.Load() {
			s.round(searches, weekRange)
		}
	})
	return func() { over.Store(true); all.Wait() }
}

// sending is clients that send until end.
type sending struct {
	acked atomic.Int64 // events
	over  atomic.Bool
	all   sync.WaitGroup
}

// sendOn has clients send as fast as the server acknowledges.
func (s *loaded) sendOn(b *testing.B, bodies [][]byte) *sending {
	x := &sending{}
	for k := range senders {
		x.all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for n := k; !x.over.Load(); n++ {
				if err := s.post(b.Context(), client, bodies[n%len(bodies)]); err != nil {
					b.Error(err)
					return
				}
				x.acked.Add(1000)
			}
		})
	}
	b.Cleanup(x.end)
	return x
}

// end returns when what was being sent is acknowledged.
func (x *sending) end() {
	x.over.Store(true)
	x.all.Wait()
}

func p95(rounds [][]time.Duration) float64 { return quantile(slices.Concat(rounds...), 0.95) }

func quantile(took []time.Duration, q float64) float64 {
	slices.Sort(took)
	return float64(took[int(float64(len(took)-1)*q)].Microseconds()) / 1000
}

// ofOne is how long the i-th search of each round took.
func ofOne(rounds [][]time.Duration, i int) string {
	var took []time.Duration
	for _, r := range rounds {
		took = append(took, r[i])
	}
	return strings.TrimSpace(fmt.Sprintf("%.0f %.0f", quantile(took, 0.5), quantile(took, 0.95)))
}
