package agent

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
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

// TestCertificateIsRenewed lets certificates live for a moment only: a running
// agent is always ahead of the end, and one that slept through it comes back.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	l := newLabWithLife(t, 2*time.Second)
	o := l.options(t.TempDir())
	o.BeatEvery = 10 * time.Millisecond
	asset, stop := l.start(o)
	first := certificateIn(t, o.Dir)
	until(t, "a second certificate", func() bool { return certificateIn(t, o.Dir).SerialNumber.Cmp(first.SerialNumber) != 0 })
	if !time.Now().Before(first.NotAfter) {
		t.Error("it was renewed only after its end")
	}
	until(t, "the first one's end", func() bool { return time.Now().After(first.NotAfter) })
	n := l.beats()
	until(t, "a heartbeat after the first one's end", func() bool { return l.beats() > n })
	stop()
	last := certificateIn(t, o.Dir)
	until(t, "the last one's end", func() bool { return time.Now().After(last.NotAfter) })
	n = l.beats()
	if again, _ := l.start(o); again != asset {
		t.Errorf("%s came back as %s", asset, again)
	}
	until(t, "a heartbeat after all", func() bool { return l.beats() > n })
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
