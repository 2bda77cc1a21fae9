package main

import "testing"

func TestLimits(t *testing.T) {
	for s, want := range map[string]float64{"1000/s": 1000, "60/min": 1, "0.5": 0.5, "3600/h": 1, "": 0, "x/s": 0, "1/day": 0, "-1/s": 0, "NaN": 0, "Inf/s": 0, "0/s": 0} {
		if got, err := readRate(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %g, %v", s, got, err)
		}
	}
	for s, want := range map[string]int64{"5GB/day": 5e9, "500 MiB": 500 << 20, "1.5kb/d": 1500, "7": 7, "": 0, "5GB/s": 0, "GB": 0, "-5GB": 0, "1e30": 0, "5XB": 0, "0": 0} {
		if got, err := readQuota(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}
