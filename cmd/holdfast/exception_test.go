package main

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"holdfast"
)

// TestException hides failed logins from the rule that counts them: they are
// stored and counted, nothing is raised, and a kill neither loses nor doubles
// what was hidden. Once it is removed, the next ones raise the alert.
func TestException(t *testing.T) {
	s := newSolo(t, t.TempDir())
	s.start()
	token := s.inputToken("shipper")
	burst := func(key string) {
		t.Helper()
		if status, _, answer := s.post(token, key, bytes.Repeat(append(good("root"), '\n'), 6)); status != http.StatusOK {
			t.Fatal(status, answer)
		}
	}
	var x holdfast.Exception
	s.ask(&x, "exceptions", "add", "ssh_login_failed", "--where", "src_ip=192.0.2.7", "--owner", "ops", "--reason", "the scanner", "--until", "1h")
	hidden := func(n uint64) bool {
		s.ask(&x, "exceptions", "show", x.ID)
		if x.Hidden.Count > n {
			t.Fatalf("%d events are hidden, %d came", x.Hidden.Count, n)
		}
		return x.Hidden.Count == n
	}
	raised := func() bool {
		var alerts []holdfast.Alert
		s.ask(&alerts, "alerts")
		return len(alerts) > 0
	}
	burst("one")
	s.wait(time.Minute, "six events are hidden", func() bool { return hidden(6) })
	if err := s.server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.done
	s.start()
	burst("two")
	s.wait(time.Minute, "twelve events are hidden", func() bool { return hidden(12) })
	if len(x.Hidden.Samples) != holdfast.MaxHiddenSamples || x.Hidden.Last.IsZero() {
		t.Errorf("%+v", x.Hidden)
	}
	if raised() {
		t.Error("an alert was raised of what is hidden")
	}
	s.wait(time.Minute, "the hidden events are stored", func() bool { return len(s.rows("user:root action:login_failed")) == 12 })
	if _, errOut, code := s.run("exceptions", "remove", x.ID); code != 0 {
		t.Fatal(errOut)
	}
	burst("three")
	s.wait(time.Minute, "the next ones raise an alert", raised)
}
