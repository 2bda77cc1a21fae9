package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSendersOverRestart holds that a restart forgets nothing of what senders
// were told: an acknowledgement of Splunk's protocol stays one, what a token has
// sent today counts on, and what is sent again under its key is there once and
// raises no second alert.
func TestSendersOverRestart(t *testing.T) {
	s := newSolo(t, t.TempDir(), "--no-agent")
	s.start()
	token := s.inputToken("shipper")
	var limited struct{ Secret string }
	s.ask(&limited, "inputs", "token", "limited", "--quota", "1000B/day")
	hec := func(path, body string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/services/collector"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Splunk "+token)
		req.Header.Set("X-Splunk-Request-Channel", "c")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, b)
		}
		return string(b)
	}
	var ack struct{ AckID uint64 }
	if err := json.Unmarshal([]byte(hec("/event", `{"event":"of splunk"}`)), &ack); err != nil {
		t.Fatal(err)
	}
	isTrue := func() {
		t.Helper()
		var said struct{ Acks map[uint64]bool }
		if err := json.Unmarshal([]byte(hec("/ack", fmt.Sprintf(`{"acks":[%d,7]}`, ack.AckID))), &said); err != nil {
			t.Fatal(err)
		}
		if want := map[uint64]bool{ack.AckID: true, 7: false}; !maps.Equal(said.Acks, want) {
			t.Errorf("got %v, want %v", said.Acks, want)
		}
	}
	isTrue()
	if status, _, answer := s.post(limited.Secret, "", bytes.Repeat([]byte("{\"message\":\"ninety bytes of text\"}\n"), 25)); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	var lines []byte
	for range 6 {
		lines = append(append(lines, good("root")...), '\n')
	}
	alerts := func() (n int, count string) {
		var list []struct {
			ID    string
			Count int
		}
		s.ask(&list, "alerts")
		for _, a := range list {
			count += fmt.Sprint(a.ID, a.Count, " ")
		}
		return len(list), count
	}
	if status, _, answer := s.post(token, "key", lines); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	s.wait(time.Minute, "there is an alert, and all is stored", func() bool {
		n, _ := alerts()
		return n > 0 && s.ledger("http:shipper").Stored == 6
	})
	_, before := alerts()

	s.stop()
	s.start()
	isTrue()
	if status, retry, answer := s.post(limited.Secret, "", bytes.Repeat([]byte("{\"message\":\"ninety bytes of text\"}\n"), 25)); status != http.StatusTooManyRequests || retry == "" {
		t.Errorf("what was sent before the restart does not count: %d %s", status, answer)
	}
	// With one more, so that they come in another block, which the bus does not know.
	if status, _, answer := s.post(token, "key", append(lines, "{\"message\":\"one more\"}\n"...)); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	s.wait(time.Minute, "what was sent again is known", func() bool { return s.ledger("http:shipper").Doubled == 6 })
	if st := s.status(); st.Bus.Detected < st.Bus.Last {
		s.wait(time.Minute, "the rules have looked at it", func() bool { st := s.status(); return st.Bus.Detected >= st.Bus.Last })
	}
	if _, after := alerts(); after != before {
		t.Errorf("alerts were %s and are %s", before, after)
	}
	for _, r := range s.status().Ledger {
		if !r.Balanced() {
			t.Errorf("%+v does not add up", r)
		}
	}
	if got := s.rows(`"splunk"`); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}
