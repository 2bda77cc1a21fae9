package spine

import (
	"strings"
	"testing"
	"time"
)

// TestProbeNames holds that whoever has the key knows a name, for an hour, and
// that no other text passes for one.
func TestProbeNames(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	k := provenNames{[]byte("key"), probePrefix, time.Hour}
	other := provenNames{[]byte("other"), probePrefix, time.Hour}
	drills := provenNames{[]byte("key"), drillPrefix, time.Hour}
	name := k.name(now)
	if len(name) > 32 || k.name(now) == name {
		t.Errorf("%q is too long, or comes twice", name)
	}
	for at, want := range map[time.Duration]bool{0: true, time.Hour - time.Second: true, time.Hour: false, -time.Hour: false, 48 * time.Hour: false} {
		if k.made(name, now.Add(at)) != want {
			t.Errorf("after %s: want %t", at, want)
		}
	}
	near := []byte(name)
	near[len(near)-2] ^= 2 // a, b, c … d, c, b
	for _, text := range []string{
		"", "hfprobe-", "root", name[1:], name + "a", name[:len(name)-1], strings.ToUpper(name), string(near), other.name(now),
		drills.name(now), probePrefix + drills.name(now)[len(drillPrefix):],
	} {
		if k.made(text, now) {
			t.Errorf("%q passes for a name", text)
		}
	}
}
