package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkServer starts the real program and gives it sshd's lines over HTTP
// as fast as it acknowledges them: one op is a request of 1,000 lines, each
// durable, parsed, put to the rules and stored. It reports events/s and the
// memory before and after. Run it with -benchtime 500x.
func BenchmarkServer(b *testing.B) {
	bin, err := programs()
	if err != nil {
		b.Fatal(err)
	}
	data := filepath.Join(b.TempDir(), "data")
	server := filepath.Join(bin, "holdfast")
	port := func() string { return freePort(b) }
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, server, "up", "--data", data, "--listen", port(), "--agents", port())
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	link := regexp.MustCompile(`(http://\S+)/login#`)
	var url string
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if m := link.FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
	}
	ready := time.Since(start)
	go func() { _, _ = io.Copy(io.Discard, out) }()
	said, err := exec.CommandContext(ctx, server, "--data", data, "inputs", "token", "bench").Output()
	if err != nil {
		b.Fatal(err)
	}
	token := regexp.MustCompile(`hf\w*_\S+|\S{30,}`).FindString(string(said))
	if token == "" {
		b.Fatalf("no token in %q", said)
	}
	time.Sleep(5 * time.Second) // the first assessment and this host's logs
	idle := memory(b, cmd.Process.Pid, "VmRSS")
	client := &http.Client{}
	n := 0
	b.ResetTimer()
	for b.Loop() {
		var body bytes.Buffer
		for range 1000 {
			n++
			at := time.Now().Format("2006-01-02T15:04:05.000000-07:00")
			fmt.Fprintf(&body, "%s web-%02d sshd[%d]: Accepted publickey for deploy from 198.51.100.%d port %d ssh2: ED25519 SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDEFG\n", at, n%40, n%32768, n%250, 1024+n%60000)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/ingest/v1/events?dataset=syslog", &body)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(idle, "idle-MB")
	b.ReportMetric(memory(b, cmd.Process.Pid, "VmRSS"), "loaded-MB")
	b.ReportMetric(memory(b, cmd.Process.Pid, "VmHWM"), "peak-MB")
	b.ReportMetric(float64(ready.Milliseconds()), "link-ms")
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
