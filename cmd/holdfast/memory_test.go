package main

import "testing"

func TestSharesOfMemory(t *testing.T) {
	for _, c := range []struct {
		total uint64
		want  shares
		limit string
	}{
		{0, shares{768 << 20, 512_000_000}, "512MB"},
		{64 << 30, shares{768 << 20, 512_000_000}, "512MB"},
		{2 << 30, shares{768 << 20, 512_000_000}, "512MB"},
		{1_000_000_000, shares{400_000_000, 250_000_000}, "250MB"},
		{100_000_000, shares{192 << 20, 64_000_000}, "64MB"},
	} {
		got := sharesOf(c.total)
		if got != c.want || got.limit() != c.limit {
			t.Errorf("of %d bytes: %v and %s, want %v and %s", c.total, got, got.limit(), c.want, c.limit)
		}
	}
}
