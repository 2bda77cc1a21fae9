package made

import (
	"encoding/json"
	"testing"
	"time"
)

// TestSize: every record has the promised size, and they are not all of one.
func TestSize(t *testing.T) {
	m := New(5, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Millisecond)
	m.n = 8_000_000 // record numbers grow
	var of [13]int  // by hundreds of bytes
	const most = 200_000
	for range most {
		raw := m.Next()
		if len(raw) < 600 || len(raw) > 1200 {
			t.Fatalf("%d bytes: %s", len(raw), raw)
		}
		of[len(raw)/100]++
	}
	for size := 6; size < 12; size++ {
		if of[size] < most/200 {
			t.Errorf("%d of %d records have %d00 bytes", of[size], most, size)
		}
	}
}

// TestNext: the records are JSON, and no two are the same.
func TestNext(t *testing.T) {
	m := New(1, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Millisecond)
	seen := map[string]bool{}
	for range 2000 {
		raw := m.Next()
		if !json.Valid(raw) {
			t.Fatalf("no JSON: %s", raw)
		}
		seen[string(raw)] = true
	}
	if len(seen) != 2000 {
		t.Errorf("%d of 2,000 differ", len(seen))
	}
	if a, b := New(2, time.Time{}, 0), New(2, time.Time{}, 0); string(a.Next()) != string(b.Next()) {
		t.Error("two of one seed differ")
	}
}
