package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/ports"
	"holdfast/spine"
)

// TestHealthStory has a real sender go quiet, come back, and go quiet again
// behind a mute: the alert says which rule is blind, and closes by itself.
func TestHealthStory(t *testing.T) {
	logger, err := exec.LookPath("logger")
	if err != nil {
		t.Skip("this test needs logger, of the package bsdutils")
	}
	syslog := ports.Address(t)
	s := newSolo(t, t.TempDir(), "--no-agent", "--syslog", syslog, "--health", "quiet:syslog:tcp:127.*=2s", "--health", "disk=1s+0%")
	s.start()
	_, port, _ := strings.Cut(syslog, ":")
	send := func() {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), logger, "--server", "127.0.0.1", "--port", port, "--tcp", "--rfc5424", "--tag", "sshd", "Failed password for root from 192.0.2.7 port 4022 ssh2")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	alerts := func(status string) (out []holdfast.Alert) {
		s.ask(&out, "alerts", "--status", status)
		return slices.DeleteFunc(out, func(a holdfast.Alert) bool { return a.Rule != "health.quiet" })
	}
	send()
	var a holdfast.Alert
	s.wait(time.Minute, "an alert says that the sender has gone quiet", func() bool {
		if open := alerts("open"); len(open) == 1 {
			a = open[0]
		}
		return a.ID != ""
	})
	const rule = "ssh_bruteforce"
	if a.Blind == nil || a.Blind.Everywhere == 0 || !strings.Contains(a.Title, "syslog:tcp:127.0.0.1 has gone quiet") {
		t.Errorf("%+v, blind %+v", a, a.Blind)
	}
	out, _, code := s.run("health")
	if code != exitBroken || !strings.Contains(out, "! quiet") || !strings.Contains(out, "something every 2 s, by the settings") {
		t.Errorf("holdfast health ended with %d:\n%s", code, out)
	}
	var b spine.Blindness
	s.ask(&b, "health", "blind", "quiet", "syslog:tcp:127.0.0.1")
	if !slices.ContainsFunc(b.Rules, func(r spine.BlindRule) bool { return r.Rule == rule && r.Everywhere }) {
		t.Errorf("%s is not among the blind: %+v", rule, b.Rules)
	}
	if !slices.Contains(b.Requirements, "ssh-hard") {
		t.Errorf("requirements: %v", b.Requirements)
	}

	s.wait(time.Minute, "it is back, and the alert is closed", func() bool {
		send()
		closed := alerts("closed")
		return slices.ContainsFunc(closed, func(x holdfast.Alert) bool { return x.ID == a.ID })
	})
	var evidence []struct{ Evidence holdfast.Evidence }
	s.ask(&evidence, "evidence")
	for _, did := range []string{"alert.raise", "alert.close"} {
		if !slices.ContainsFunc(evidence, func(e struct{ Evidence holdfast.Evidence }) bool {
			return e.Evidence.Did == did && e.Evidence.On == a.ID
		}) {
			t.Errorf("no evidence of %s", did)
		}
	}

	if _, errOut, code := s.run("health", "mute", "syslog:tcp:127.*", "--for", "1h"); code != exitUsage && code != 1 || !strings.Contains(errOut, "--because") {
		t.Errorf("a mute without a reason: %d %s", code, errOut)
	}
	var m holdfast.Mute
	s.ask(&m, "health", "mute", "syslog:tcp:127.*", "--for", "1h", "--because", "tried out")
	s.wait(time.Minute, "it is quiet and muted", func() bool {
		out, _, code := s.run("health")
		return code == 0 && strings.Contains(out, "muted by admin") && len(alerts("open")) == 0
	})
	s.ask(&m, "health", "unmute", m.ID)
	s.wait(time.Minute, "the mute has ended", func() bool { return len(alerts("open")) == 1 })

	if _, errOut, code := s.run("up", "--data", t.TempDir(), "--health", "quiet:x=soon"); code != exitUsage || !strings.Contains(errOut, "--health") {
		t.Errorf("a wrong setting: %d %s", code, errOut)
	}
}
