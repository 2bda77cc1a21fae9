package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// fate is what a sender knows of one of its events.
type fate int

const (
	unsure fate = iota // sent, and never answered: it may be there, once
	acked              // acknowledged: it must be there, once
)

// book is what the senders have sent.
type book struct {
	mu  sync.Mutex
	ids map[string]fate
	ill []string // answers that are no answer of a server in trouble
}

func (b *book) note(f fate, ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.ids[id] = max(b.ids[id], f)
	}
}

func (b *book) wrong(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ill) < 20 {
		b.ill = append(b.ill, fmt.Sprintf(format, args...))
	}
}

// shipper is one sender in one round: it sends, each request until it knows what
// became of it, until it is stopped.
type shipper struct {
	c     *chaosRun
	name  string
	round int
	n     int
	stop  <-chan struct{}
	fast  *atomic.Bool // ten times as fast
}

// pause waits between requests and reports whether to go on.
func (s *shipper) pause(d time.Duration) bool {
	if s.fast.Load() {
		d /= 10
	}
	select {
	case <-s.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// next makes the ids of so many events.
func (s *shipper) next(n int) (ids []string) {
	for range n {
		s.n++
		ids = append(ids, fmt.Sprintf("chaos%d-%s-%d", s.round, s.name, s.n))
	}
	return ids
}

func chaosLines(ids []string) []byte {
	var b bytes.Buffer
	for _, id := range ids {
		fmt.Fprintf(&b, "{\"chaos\":%q,\"message\":\"what happened is told in some words, so that it has a length\"}\n", id)
	}
	return b.Bytes()
}

// again bounds how often one request is sent: ten minutes.
const again = 6000

// ask sends a request once. Sent says whether the server may have had it.
func (s *shipper) ask(path, kind, auth string, body []byte, header ...string) (status int, answer string, sent bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error(), false
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", auth)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error(), !errors.Is(err, syscall.ECONNREFUSED)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error(), true
	}
	return resp.StatusCode, string(b), true
}

// later reports whether an answer means that the same is to be sent again.
func (s *shipper) later(status int, answer string) bool {
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError:
		return true
	}
	s.c.book.wrong("%s: %d %s", s.name, status, answer)
	return false
}

// lines sends lines under a key, the same until they are taken.
func (s *shipper) lines() {
	for s.pause(40 * time.Millisecond) {
		ids := s.next(1 + s.n%7)
		body, key := chaosLines(ids), ids[0]
		s.c.book.note(unsure, ids...)
		for range again {
			status, answer, _ := s.ask("/ingest/v1/events", "application/x-ndjson", "Bearer "+s.c.token, body, "Idempotency-Key", key)
			if status == http.StatusOK {
				s.c.book.note(acked, ids...)
				break
			}
			if !s.later(status, answer) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// curl sends an array with curl(1), which tries again by itself, and is started
// again with the same if it gives up.
func (s *shipper) curl() {
	dir, err := os.MkdirTemp(s.c.scratch, "curl")
	if err != nil {
		s.c.book.wrong("%v", err)
		return
	}
	for s.pause(250 * time.Millisecond) {
		ids := s.next(10)
		body := append(append([]byte("["), bytes.ReplaceAll(bytes.TrimSpace(chaosLines(ids)), []byte("\n"), []byte(","))...), ']')
		file := filepath.Join(dir, "body")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			s.c.book.wrong("%v", err)
			return
		}
		s.c.book.note(unsure, ids...)
		for range again {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			out, err := exec.CommandContext(ctx, "curl", "-sS", "--max-time", "20", "--retry", "3", "--retry-delay", "1", "-o", filepath.Join(dir, "answer"), "-w", "%{http_code}",
				"-H", "Authorization: Bearer "+s.c.token, "-H", "Content-Type: application/json", "-H", "Idempotency-Key: "+ids[0], "--data-binary", "@"+file, s.c.url+"/ingest/v1/events").Output()
			cancel()
			if err == nil && string(out) == "200" {
				s.c.book.note(acked, ids...)
				break
			}
			if status, _ := strconv.Atoi(string(out)); !s.later(status, "to curl") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// bulk sends documents with ids as Beats do: what is refused by itself is sent
// again by itself.
func (s *shipper) bulk() {
	for s.pause(60 * time.Millisecond) {
		left := s.next(5)
		s.c.book.note(unsure, left...)
		for range again {
			var body bytes.Buffer
			for _, id := range left {
				fmt.Fprintf(&body, "{\"create\":{\"_index\":\"chaos\",\"_id\":%q}}\n%s", id, chaosLines([]string{id}))
			}
			status, answer, _ := s.ask("/_bulk", "application/x-ndjson", "ApiKey "+s.c.token, body.Bytes())
			if status != http.StatusOK && !s.later(status, answer) {
				break
			}
			if status == http.StatusOK {
				left = s.refused(left, answer)
			}
			if len(left) == 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// refused reads the answer of _bulk item by item, and returns what was not taken.
func (s *shipper) refused(ids []string, answer string) (left []string) {
	var said struct {
		Items []map[string]struct {
			ID     string `json:"_id"`
			Status int
		}
	}
	if err := json.Unmarshal([]byte(answer), &said); err != nil || len(said.Items) != len(ids) {
		s.c.book.wrong("_bulk answers %d items: %s", len(ids), answer)
		return nil
	}
	for i, it := range said.Items {
		switch got := it["create"]; {
		case got.ID != ids[i]:
			s.c.book.wrong("_bulk answers another id: %s", answer)
		case got.Status == http.StatusCreated:
			s.c.book.note(acked, got.ID)
		case s.later(got.Status, answer):
			left = append(left, got.ID)
		}
	}
	return left
}

// hec sends events of which the protocol has no id, so each is sent once more
// only if the server surely has not taken it. It counts an event as acknowledged
// when the server says so of the id that it gave for the request.
func (s *shipper) hec() {
	channel := fmt.Sprintf("%s-%d", s.name, s.round)
	auth := "Splunk " + s.c.token
	for s.pause(60 * time.Millisecond) {
		ids := s.next(3)
		var body bytes.Buffer
		for _, id := range ids {
			fmt.Fprintf(&body, `{"host":"h","event":{"chaos":%q}}`, id)
		}
		s.c.book.note(unsure, ids...)
		for range again {
			status, answer, sent := s.ask("/services/collector/event", "application/json", auth, body.Bytes(), "X-Splunk-Request-Channel", channel)
			var got struct{ AckID *uint64 }
			if status == http.StatusOK && json.Unmarshal([]byte(answer), &got) == nil && got.AckID != nil {
				s.acknowledged(auth, channel, *got.AckID, ids)
				break
			}
			if status == 0 && sent || status == http.StatusInternalServerError || !s.later(status, answer) {
				break // it may be there: sent again it would be another event
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// acknowledged asks what became of a request. After a restart the server knows
// of none, so then nothing is certain.
func (s *shipper) acknowledged(auth, channel string, id uint64, ids []string) {
	status, answer, _ := s.ask("/services/collector/ack", "application/json", auth, fmt.Appendf(nil, `{"acks":[%d]}`, id), "X-Splunk-Request-Channel", channel)
	if status == http.StatusOK && strings.Contains(answer, fmt.Sprintf(`"%d":true`, id)) {
		s.c.book.note(acked, ids...)
	}
}

// file writes a log, which the agent of the server reads into its spool: what
// stands in the file must be found.
func (s *shipper) file() {
	f, err := os.OpenFile(s.c.watched, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		s.c.book.wrong("%v", err)
		return
	}
	defer f.Close()
	for s.pause(30 * time.Millisecond) {
		ids := s.next(4)
		if _, err := f.Write(chaosLines(ids)); err != nil {
			s.c.book.wrong("%v", err)
			return
		}
		s.c.book.note(acked, ids...)
	}
}

// logger sends with logger(1) by TCP. Nothing is acknowledged in syslog: what
// was under way when the server died is lost, and that is counted.
func (s *shipper) logger() {
	host, port, _ := net.SplitHostPort(s.c.syslog)
	for s.pause(200 * time.Millisecond) {
		ids := s.next(3)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		cmd := exec.CommandContext(ctx, "logger", "--tcp", "--server", host, "--port", port, "--octet-count", "--tag", "chaos")
		cmd.Stdin = strings.NewReader(strings.Join(ids, "\n") + "\n")
		if cmd.Run() == nil {
			s.c.book.note(unsure, ids...)
		}
		cancel()
	}
}
