package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/spine/health"
	"holdfast/store/events"
)

// TestPartedFolders starts the server on a data folder of which a part is gone, as
// after a restore that was not whole: what is acknowledged from then on is found, no
// segment is destroyed, and what is missing is said.
func TestPartedFolders(t *testing.T) {
	s := newSolo(t, t.TempDir(), "--no-agent")
	s.start()
	token := s.inputToken("shipper")
	send := func(text string) {
		t.Helper()
		if status, _, answer := s.post(token, "", []byte("{\"message\":\""+text+"\"}\n")); status != http.StatusOK {
			t.Fatal(status, answer)
		}
		s.wait(30*time.Second, text+" is found", func() bool { return len(s.rows(text)) == 1 })
	}
	remove := func(pattern string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(s.data, pattern))
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range found {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, text := range []string{"first", "second", "third"} {
		send(text)
	}

	// The bus is gone, and the readers stand at numbers of its blocks.
	s.stop()
	remove("bus")
	s.start()
	send("fourth")

	// The state is gone: its segments are the only copy of what came.
	s.stop()
	copied, err := os.ReadFile(filepath.Join(s.data, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	remove("state.db*")
	remove("bus")
	s.start()
	token = s.inputToken("shipper")
	send("fifth")
	out, _, code := s.run("store", "verify", "--json")
	var v events.Verification
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitBroken || len(v.Problems) != 1 || v.Problems[0].Kind != "unknown" {
		t.Errorf("%d %s", code, out)
	}
	if !strings.Contains(s.logged(), "restore the state.db") {
		t.Error("the log does not say what to do")
	}

	// And it is back.
	s.stop()
	remove("state.db*")
	if err := os.WriteFile(filepath.Join(s.data, "state.db"), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	for _, text := range []string{"first", "second", "third", "fourth"} {
		if got := s.rows(text); len(got) != 1 {
			t.Errorf("%s: %d events", text, len(got))
		}
	}
}

// TestDamagedSegment damages a segment under a running server: the others are searched,
// what is missing is said, and it is over when the file is back.
func TestDamagedSegment(t *testing.T) {
	s := newSolo(t, t.TempDir(), "--no-agent", "--health", "lag=2s")
	s.start()
	token := s.inputToken("shipper")
	for _, text := range []string{"first", "second"} {
		if status, _, answer := s.post(token, "", []byte("{\"message\":\""+text+"\"}\n")); status != http.StatusOK {
			t.Fatal(status, answer)
		}
		s.wait(30*time.Second, text+" is found", func() bool { return len(s.rows(text)) == 1 })
	}
	found, err := filepath.Glob(filepath.Join(s.data, "events", "2*", "*.parquet"))
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	whole, err := os.ReadFile(found[0])
	if err == nil {
		err = os.WriteFile(found[0], whole[:len(whole)/2], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, code := s.run("query", "first OR second")
	if code != 0 || !strings.Contains(out, "second") || strings.Contains(out, "first") || !strings.Contains(errOut, "1 segments with 1 events cannot be read") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	if out, errOut, code := s.run("query", "first OR second", "--output", filepath.Join(t.TempDir(), "all.ndjson")); code == 0 || !strings.Contains(errOut, "would not be whole") {
		t.Errorf("an export: %d %s %s", code, out, errOut)
	}
	said := func() bool {
		for _, x := range s.health().Troubles {
			if x.Kind == health.Store && x.Subject == "segments" && x.Alert != "" {
				return true
			}
		}
		return false
	}
	s.wait(60*time.Second, "an alert says it", said)
	if err := os.WriteFile(found[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	s.wait(60*time.Second, "it is over", func() bool { return !said() })
	if got := s.rows("first"); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}
