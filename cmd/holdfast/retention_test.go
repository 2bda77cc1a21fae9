package main

import (
	"strings"
	"testing"
	"time"

	"holdfast"
)

func TestSizeOf(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "17": 17, "17B": 17, "2k": 2 << 10, "500MB": 500 << 20, "50GB": 50 << 30, " 50 GiB ": 50 << 30, "2TB": 2 << 40,
	} {
		if got, err := sizeOf(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", " ", "B", "iB", "G", "GB", "-1GB", "1.5GB", "5PB", "99999999999TB", "5ä", "90d"} {
		if got, err := sizeOf(in); err == nil || !strings.Contains(err.Error(), "no number of bytes") {
			t.Errorf("%q: %d, %v; want a refusal", in, got, err)
		}
	}
}

func TestRetentionSetting(t *testing.T) {
	day := holdfast.Duration(24 * time.Hour)
	for in, want := range map[string]holdfast.Retention{
		"linux.sshd=90d":   {Dataset: "linux.sshd", Age: 90 * day},
		"*=365d+200GB":     {Dataset: "*", Age: 365 * day, Size: 200 << 30},
		"zeek.*=50GB":      {Dataset: "zeek.*", Size: 50 << 30},
		"linux.sshd=0":     {Dataset: "linux.sshd"},
		"web.*=2GB+36h":    {Dataset: "web.*", Age: 3 * day / 2, Size: 2 << 30},
		"linux.sshd=1h+0B": {Dataset: "linux.sshd", Age: day / 24},
	} {
		got, err := retentionSetting(in)
		got.SetBy = ""
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "x=", "x=+", "x=90d+", "x=+5GB", "x=90d+30d", "x=1GB+2GB", "x=soon", "x=-5d", "x=5m", "x=213504d", "=90d", "[=90d"} {
		if got, err := retentionSetting(in); err == nil {
			t.Errorf("%q: %+v; want a refusal", in, got)
		}
	}
}
