package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testkit/chaos"
	"holdfast/internal/testkit/netlab"
	"holdfast/store/events"
)

// TestRetentionAndClockAhead sets the server's clock weeks ahead, as a wrong answer of a
// time server does: what is kept for a day is not dropped for it, and nothing is held
// back once the clock is right again.
func TestRetentionAndClockAhead(t *testing.T) {
	netlab.Require(t)
	s := newSolo(t, t.TempDir(), "--no-agent", "--retention", "*=24h")
	retain := func() events.Retained {
		t.Helper()
		out, errOut, code := s.run("store", "retention", "run", "--json")
		var got events.Retained
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
			t.Fatal(code, out, errOut)
		}
		return got
	}
	server := s.command(context.Background(), s.args...)
	server.Stdout, server.Stderr = s.log, s.log
	clock, err := chaos.Start(server, 0)
	if err != nil {
		t.Skipf("no clock of its own for a program here: %v", err)
	}
	defer clock.Close()
	done := make(chan struct{})
	s.server, s.done = server, done
	go func() {
		_ = server.Wait()
		close(done)
	}()
	s.wait(60*time.Second, "the server answers", func() bool {
		_, _, code := s.run("status", "--json")
		return code == 0
	})
	token := s.inputToken("shipper")
	if status, _, answer := s.post(token, "", []byte("{\"message\":\"kept\"}\n")); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	s.wait(60*time.Second, "the event is stored", func() bool { return s.ledger("http:shipper").Stored == 1 })
	if got := retain(); got.Events != 0 || len(got.Troubles) != 0 {
		t.Fatalf("%+v", got)
	}
	if err := clock.Set(20 * 24 * time.Hour); err != nil {
		t.Skipf("the clock cannot be set here: %v", err)
	}
	if got := retain(); got.Events != 0 || !strings.Contains(strings.Join(got.Troubles, " "), "clock") {
		t.Errorf("with a clock that is ahead: %+v", got)
	}
	if err := clock.Set(0); err != nil {
		t.Fatal(err)
	}
	if got := retain(); got.Events != 0 || len(got.Troubles) != 0 {
		t.Errorf("with the right clock again: %+v", got)
	}
	if got := s.rows("kept"); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}
