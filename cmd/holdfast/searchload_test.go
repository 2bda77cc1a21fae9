package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkSearchBeside asks a real server the searches of a console, one after
// the other: first while it is idle, then while four clients send as fast as it
// acknowledges. One op is a round of all of them at either time. p95 of both, and
// how many times as long the one takes as the other. Run it with -benchtime 50x.
func BenchmarkSearchBeside(b *testing.B) {
	s := newLoaded(b, "none")
	bodies := linesOf("made", 64)
	const before = 200 // requests of 1,000 records that are there already
	for n := range before {
		if err := s.post(b.Context(), http.DefaultClient, bodies[n%len(bodies)]); err != nil {
			b.Fatal(err)
		}
	}
	s.found(before * 1000)
	cli := &app{data: s.data}
	round := func() (took []time.Duration) {
		for _, q := range []string{
			``, `source.ip:10.1.7.9`, `events | where host.name == "ws-042.corp.example" | take 100`, `events | where CommandLine contains "inventory-7a3" | count`,
			`events | summarize count() by bin(time, 1m)`, `events | summarize n=count() by user.name | top 10 by n`, `events | summarize dcount(source.ip)`,
		} {
			start := time.Now()
			if err := cli.call(b.Context(), http.MethodPost, "/query", map[string]any{"q": q, "limit": 200}, new(any)); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		return took
	}
	round() // the first looks at what there is
	b.ResetTimer()
	var idle, full []time.Duration
	for range b.N {
		idle = append(idle, round()...)
	}
	ctx, stop := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for k := range senders {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for n := k; ctx.Err() == nil; n++ {
				if err := s.post(ctx, client, bodies[n%len(bodies)]); err != nil && ctx.Err() == nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for range b.N {
		full = append(full, round()...)
	}
	stop()
	all.Wait()
	p95 := func(took []time.Duration) float64 {
		slices.Sort(took)
		return float64(took[len(took)*95/100].Microseconds()) / 1000
	}
	b.ReportMetric(p95(idle), "idle-p95-ms")
	b.ReportMetric(p95(full), "full-p95-ms")
	b.ReportMetric(p95(full)/p95(idle), "times")
}
