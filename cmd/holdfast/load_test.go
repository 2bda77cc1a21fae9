package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/internal/testkit/made"
	"holdfast/internal/testkit/ports"
)

// senders is how many clients send at the same time.
const senders = 4

// BenchmarkServer starts the real program and gives it records over HTTP as
// fast as it acknowledges them, from four clients: one op is a request of 1,000
// records, each durable, parsed, put to the rules and stored. It ends when all
// are found by a search, which is in events/s. The rules are none, the shipped
// ones, or the core set of the corpus. HOLDFAST_PROFILE names a file to which
// perf(1) writes where the server's time went. Run it with -benchtime 500x, or
// -benchtime 10m for what it sustains.
func BenchmarkServer(b *testing.B) {
	for _, kind := range []string{"lines/shipped", "made/none", "made/shipped", "made/core"} {
		b.Run(kind, func(b *testing.B) {
			records, rules, _ := strings.Cut(kind, "/")
			s := newLoaded(b, rules)
			bodies := linesOf(records, 64)
			time.Sleep(2 * time.Second) // the first looks at what there is
			idle := memory(b, s.cmd.Process.Pid, "VmRSS")
			s.profile()
			before := s.wrote()
			b.ResetTimer()
			acks := s.send(b, bodies)
			sent := b.Elapsed()
			s.found(b.N * 1000)
			b.StopTimer()
			slices.Sort(acks)
			b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(acks[len(acks)/2].Microseconds())/1000, "ack-p50-ms")
			b.ReportMetric(float64(acks[len(acks)*99/100].Microseconds())/1000, "ack-p99-ms")
			b.ReportMetric(float64((b.Elapsed() - sent).Milliseconds()), "behind-ms")
			b.ReportMetric(idle, "idle-MB")
			b.ReportMetric(memory(b, s.cmd.Process.Pid, "VmRSS"), "loaded-MB")
			b.ReportMetric(memory(b, s.cmd.Process.Pid, "VmHWM"), "peak-MB")
			b.ReportMetric(float64(size(b, filepath.Join(s.data, "events")))/float64(bytesOf(bodies, b.N)), "stored/raw")
			b.ReportMetric(float64(s.wrote()-before)/float64(bytesOf(bodies, b.N)), "written/raw")
			b.ReportMetric(s.spent().Seconds()*1e6/float64(b.N*1000), "cpu-µs/event")
		})
	}
}

// BenchmarkAck measures how long a request of 100 records takes to be acknowledged
// while 10,000 records a second come, or HOLDFAST_RATE, evenly and whether or not
// earlier ones are answered: from when it was due, not from when there was a
// connection for it. searched is without rules, on the week of BenchmarkSearch, one
// search after the other. Run it with -benchtime 2000x or more.
func BenchmarkAck(b *testing.B) {
	rate := rateOr(b, 10_000)
	for _, rules := range []string{"none", "core", "searched"} {
		b.Run(rules, func(b *testing.B) {
			const each = 100
			var s *loaded
			if rules == "searched" {
				var searches []string
				s, searches = newSearched(b)
				defer s.keepAsking(searches)()
			} else {
				s = newLoaded(b, rules)
			}
			f := flood{to: s, bodies: madeBodies(64, each), each: each, rate: rate}
			b.ResetTimer()
			if err := f.run(b.Context(), b.N); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "events/s")
			quantiles(b, "", f.acks)
		})
	}
}

// rateOr is HOLDFAST_RATE, records a second, or what it is without.
func rateOr(b *testing.B, without int) int {
	b.Helper()
	said := os.Getenv("HOLDFAST_RATE")
	if said == "" {
		return without
	}
	rate, err := strconv.Atoi(said)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

// flood is records that come evenly, whether or not earlier ones are answered.
type flood struct {
	to     *loaded
	bodies [][]byte
	each   int // records of a body
	rate   int // records a second

	mu   sync.Mutex
	acks []time.Duration // from when a body was due to its answer
}

// run sends n bodies, or as many as there are before ctx ends.
func (f *flood) run(ctx context.Context, n int) error {
	every := time.Second * time.Duration(f.each) / time.Duration(f.rate)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(64)
	start := time.Now()
	for i := 0; i < n && ctx.Err() == nil; i++ {
		due := start.Add(time.Duration(i) * every)
		time.Sleep(time.Until(due))
		all.Go(func() error {
			if err := f.to.post(ctx, client, f.bodies[i%len(f.bodies)]); err != nil {
				if ctx.Err() != nil {
					return nil // who asked has enough
				}
				return err
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.acks = append(f.acks, time.Since(due))
			return nil
		})
	}
	return all.Wait()
}

// taken is how many records were acknowledged so far.
func (f *flood) taken() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.acks) * f.each
}

// loaded is the real server, under load.
type loaded struct {
	tb    testing.TB
	bin   string
	data  string
	cmd   *exec.Cmd
	url   string
	token string
}

func newLoaded(b *testing.B, rules string) *loaded {
	b.Helper()
	return startLoaded(b, filepath.Join(b.TempDir(), "data"), rules)
}

// startLoaded starts the server on a folder of data.
func startLoaded(b *testing.B, data, rules string) *loaded {
	b.Helper()
	bin, err := programs()
	if err != nil {
		b.Fatal(err)
	}
	s := &loaded{tb: b, bin: filepath.Join(bin, "holdfast"), data: data}
	args := []string{"up", "--data", s.data, "--no-agent", "--listen", ports.Address(b), "--agents", ports.Address(b)}
	if rules != "shipped" {
		args = append(args, "--own-rules")
	}
	if rules == "core" {
		corpus := os.Getenv("HOLDFAST_CORPUS")
		if corpus == "" {
			b.Skip("HOLDFAST_CORPUS names no corpus")
		}
		if err := os.MkdirAll(filepath.Join(s.data, "rules"), 0o700); err != nil {
			b.Fatal(err)
		}
		for _, part := range []string{"rules", "rules-emerging-threats", "rules-threat-hunting"} {
			if err := os.CopyFS(filepath.Join(s.data, "rules", part), os.DirFS(filepath.Join(corpus, "sigma", part))); err != nil {
				b.Fatal(err)
			}
		}
	}
	s.cmd = exec.CommandContext(b.Context(), s.bin, args...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	link := regexp.MustCompile(`(http://\S+)/login#`)
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		if m := link.FindStringSubmatch(lines.Text()); m != nil {
			s.url = m[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	said, err := exec.CommandContext(b.Context(), s.bin, "--data", s.data, "inputs", "token", "bench").Output()
	if err != nil {
		b.Fatal(err)
	}
	if s.token = regexp.MustCompile(`hf\w*_\S+|\S{30,}`).FindString(string(said)); s.token == "" {
		b.Fatalf("no token in %q", said)
	}
	return s
}

// profile has perf(1) look at the server until it ends, if that is wanted.
func (s *loaded) profile() {
	file := os.Getenv("HOLDFAST_PROFILE")
	if file == "" {
		return
	}
	perf := exec.Command("perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-g", "-o", file, "-p", strconv.Itoa(s.cmd.Process.Pid))
	if err := perf.Start(); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = perf.Process.Signal(os.Interrupt); _ = perf.Wait() })
}

// send sends b.N bodies, and returns how long each took to be acknowledged.
func (s *loaded) send(b *testing.B, bodies [][]byte) []time.Duration {
	var mu sync.Mutex
	var acks []time.Duration
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= b.N
	}
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for n, ok := take(); ok; n, ok = take() {
				start := time.Now()
				if err := s.post(b.Context(), client, bodies[n%len(bodies)]); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				acks = append(acks, time.Since(start))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(acks) < b.N {
		b.FailNow()
	}
	return acks
}

// post sends one body until it is taken.
func (s *loaded) post(ctx context.Context, client *http.Client, body []byte) error {
	for range 1000 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/ingest/v1/events", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+s.token)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusTooManyRequests, http.StatusServiceUnavailable: // later
			time.Sleep(20 * time.Millisecond)
		default:
			return fmt.Errorf("%d %s", resp.StatusCode, answer)
		}
	}
	return fmt.Errorf("not taken after 1,000 tries")
}

// found waits until a search finds all events, and returns how many it found.
func (s *loaded) found(want int) int {
	s.tb.Helper()
	for range 1000 {
		out, err := exec.CommandContext(s.tb.Context(), s.bin, "--data", s.data, "query", "--json", "--last", "24h", `source:"http:bench" | summarize n=count()`).Output()
		if err != nil {
			s.tb.Fatal(err)
		}
		var got struct{ N int }
		if err := json.Unmarshal(out, &got); err != nil {
			s.tb.Fatalf("%v: %s", err, out)
		}
		if got.N >= want {
			return got.N
		}
		time.Sleep(300 * time.Millisecond) // a search takes from what it waits for
	}
	s.tb.Fatal("not all events are found")
	return 0
}

// spent is the processors' time of the server.
func (s *loaded) spent() time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.tb.Fatal(err)
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// wrote is how many bytes the server has had written to disk.
func (s *loaded) wrote() int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid))
	if err != nil {
		s.tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\nwrite_bytes: ")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		s.tb.Fatal(err)
	}
	return n
}

// madeBodies makes bodies of some records each.
func madeBodies(n, each int) [][]byte {
	m := made.New(1, time.Now().Add(-time.Duration(n)*time.Second), time.Millisecond)
	out := make([][]byte, n)
	for i := range out {
		var body bytes.Buffer
		for range each {
			body.Write(m.Next())
			body.WriteByte('\n')
		}
		out[i] = body.Bytes()
	}
	return out
}

// linesOf makes bodies of 1,000 records.
func linesOf(kind string, n int) [][]byte {
	if kind == "made" {
		return madeBodies(n, 1000)
	}
	out := make([][]byte, n)
	k := 0
	for i := range out {
		var body bytes.Buffer
		for range 1000 {
			k++
			at := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
			fmt.Fprintf(&body, "%s web-%02d sshd[%d]: Accepted publickey for deploy from 198.51.100.%d port %d ssh2: ED25519 SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDEFG\n", at, k%40, k%32768, k%250, 1024+k%60000)
		}
		out[i] = body.Bytes()
	}
	return out
}

func bytesOf(bodies [][]byte, n int) (sum int) {
	for i := range n {
		sum += len(bodies[i%len(bodies)])
	}
	return sum
}

// size is the bytes of all files below a folder.
func size(tb testing.TB, dir string) (sum int64) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		sum += info.Size()
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sum
}

// memory reads a line of proc_pid_status(5), in MB.
func memory(b *testing.B, pid int, name string) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1000
		}
	}
	b.Fatalf("no %s", name)
	return 0
}
