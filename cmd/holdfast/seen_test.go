package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"holdfast"
)

// seenRule fires for two failed logins of a user that only this benchmark has.
const seenRule = `title: Two failed logins of a marked user
id: 7b0d6a52-9a5e-4c58-8d7c-5f0d5a1c2e11
name: seen_login
logsource: {product: linux, service: sshd}
detection:
  marked:
    user.name|startswith: hfseen-
  condition: marked
level: high
---
title: Marked user seen twice
id: 7b0d6a52-9a5e-4c58-8d7c-5f0d5a1c2e12
correlation:
  type: event_count
  rules: [seen_login]
  group-by: [user.name]
  timespan: 1m
  condition: {gte: 2}
level: high
`

// BenchmarkSeen measures how long two lines take from when they are sent until
// their alert is in the API, and until a search finds them, while records come at
// HOLDFAST_RATE a second, 40,000 if it says nothing, evenly, and are put to the core
// set. One op is one such pair. Run it with
// -benchtime 100x.
func BenchmarkSeen(b *testing.B) {
	s := newLoaded(b, "core")
	if err := os.WriteFile(filepath.Join(s.data, "rules", "seen.yml"), []byte(seenRule), 0o600); err != nil {
		b.Fatal(err)
	}
	cli := &app{data: s.data}
	get := func(path string, into any) {
		if err := cli.call(b.Context(), http.MethodGet, path, nil, into); err != nil {
			b.Fatal(err)
		}
	}
	client := &http.Client{}
	mark := func(i int) (name string, start time.Time) {
		name = fmt.Sprintf("hfseen-%d", i)
		at := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
		var lines []byte
		for port := range 2 {
			lines = fmt.Appendf(lines, "%s web-1 sshd[1234]: Failed password for %s from 192.0.2.77 port %d ssh2\n", at, name, 40_000+port)
		}
		start = time.Now()
		if err := s.post(b.Context(), client, lines); err != nil {
			b.Fatal(err)
		}
		return name, start
	}
	alerted := func(name string) bool {
		var got list[holdfast.Alert]
		get("/alerts?limit=20&rule=7b0d6a52-9a5e-4c58-8d7c-5f0d5a1c2e12", &got)
		return slices.ContainsFunc(got.Items, func(a holdfast.Alert) bool { return hasEntity(a.Group, holdfast.EntityUser, name) })
	}
	found := func(name string) bool {
		var got struct {
			Rows [][]any `json:"rows"`
		}
		if err := cli.call(b.Context(), http.MethodPost, "/query", map[string]any{"q": "user.name:" + name, "limit": 2}, &got); err != nil {
			b.Fatal(err)
		}
		return len(got.Rows) == 2
	}
	until := func(start time.Time, every time.Duration, done func() bool) time.Duration {
		for !done() {
			if time.Since(start) > 30*time.Second {
				b.Fatal("it never came")
			}
			time.Sleep(every)
		}
		return time.Since(start)
	}
	for i := -1; ; i-- { // until the rule has been read
		name, start := mark(i)
		for !alerted(name) && time.Since(start) < time.Second {
			time.Sleep(50 * time.Millisecond)
		}
		if alerted(name) {
			break
		}
		if i < -20 {
			b.Fatal("the rule does not fire")
		}
	}
	ctx, stop := context.WithCancel(b.Context())
	f := flood{to: s, bodies: madeBodies(64, 500), each: 500, rate: rateOr(b, 40_000)}
	flooded := make(chan error, 1)
	go func() { flooded <- f.run(ctx, math.MaxInt) }()
	time.Sleep(3 * time.Second)
	b.ResetTimer()
	before := f.taken()
	var alerts, finds []time.Duration
	for i := range b.N {
		name, start := mark(i)
		alerts = append(alerts, until(start, 5*time.Millisecond, func() bool { return alerted(name) }))
		finds = append(finds, until(start, 50*time.Millisecond, func() bool { return found(name) }))
	}
	b.StopTimer()
	b.ReportMetric(float64(f.taken()-before)/b.Elapsed().Seconds(), "events/s")
	stop()
	if err := <-flooded; err != nil {
		b.Fatal(err)
	}
	quantiles(b, "alert-", alerts)
	quantiles(b, "found-", finds)
	quantiles(b, "ack-", f.acks)
}
