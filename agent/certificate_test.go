package agent

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/agent/port"
	"holdfast/internal/clock"
)

func certificateIn(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	var id identity
	b, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	if err == nil {
		err = json.Unmarshal(b, &id)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *lab) beats() int {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return len(l.m.beats)
}

// TestCertificateIsRenewed moves the clock that server and agent share: a
// running agent renews at half of the life and not before, is heard after its
// first certificate's end, and one that slept through the end comes back.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	c := clock.NewFixed(time.Now())
	l := newLabAt(t, c)
	o := l.options(t.TempDir())
	o.Clock, o.BeatEvery = c, 10*time.Millisecond
	heard := func(when string) {
		t.Helper()
		n := l.beats()
		until(t, "heartbeats "+when, func() bool { return l.beats() > n+1 }) // one may have been on its way
	}
	asset, stop := l.start(o)
	first := certificateIn(t, o.Dir)
	c.Advance(port.Life/2 - time.Second)
	heard("before half of the life")
	if now := certificateIn(t, o.Dir); now.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("it was renewed before half of its life")
	}
	c.Advance(2 * time.Second)
	until(t, "a second certificate", func() bool { return certificateIn(t, o.Dir).SerialNumber.Cmp(first.SerialNumber) != 0 })
	c.Advance(first.NotAfter.Sub(c.Now()) + time.Second)
	heard("after the first one's end")
	stop()
	last := certificateIn(t, o.Dir)
	c.Advance(last.NotAfter.Sub(c.Now()) + time.Second)
	if again, _ := l.start(o); again != asset {
		t.Errorf("%s came back as %s", asset, again)
	}
	heard("after all")
	if now := certificateIn(t, o.Dir); now.SerialNumber.Cmp(last.SerialNumber) == 0 {
		t.Error("a certificate that had run out was let in")
	}
}

// TestRevokedAgentIsShutOut has nothing of a revoked agent come through, and
// all that waited once it is let in again.
func TestRevokedAgentIsShutOut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := l.options(t.TempDir())
	o.BeatEvery = 10 * time.Millisecond
	asset, stop := l.start(o)
	until(t, "a heartbeat", func() bool { return l.beats() > 0 })
	stop()
	l.m.allow(asset, false)
	n := l.beats()
	_, stop = l.start(o)
	time.Sleep(500 * time.Millisecond)
	if l.beats() != n {
		t.Error("a revoked agent was heard")
	}
	if s, err := ReadStatus(o.Dir, o.Clock); err != nil || s.Asset != asset || !s.Running {
		t.Errorf("%+v, %v", s, err)
	}
	l.m.allow(asset, true)
	until(t, "a heartbeat", func() bool { return l.beats() > n })
	stop()
}
