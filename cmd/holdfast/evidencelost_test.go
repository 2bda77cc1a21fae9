package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEvidenceLost takes the evidence log away from a server that is stopped: the next
// one runs, and its log says for good that entries are missing.
func TestEvidenceLost(t *testing.T) {
	s := newSolo(t, t.TempDir(), "--no-agent")
	s.start()
	s.inputToken("shipper") // is evidence
	s.wait(time.Minute, "evidence is in the log", func() bool { out, _, _ := s.run("evidence"); return strings.Contains(out, "input.token") })
	s.stop()
	holds := func(want int, says string) {
		t.Helper()
		out, errOut, code := s.run("evidence", "verify")
		if code != want || !strings.Contains(out+errOut, says) {
			t.Errorf("verify ends with %d:\n%s%s", code, out, errOut)
		}
	}
	holds(0, "unbroken")
	log := filepath.Join(s.data, "evidence")
	if err := os.Rename(log, log+".taken"); err != nil {
		t.Fatal(err)
	}
	s.start()
	holds(3, "entry 0 says that some are lost")
	s.stop()
	s.start() // once is enough
	if out, _, _ := s.run("evidence"); strings.Count(out, "evidence.lost") != 1 {
		t.Errorf("the log says:\n%s", out)
	}
	s.stop()
}
