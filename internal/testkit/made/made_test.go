package made

import (
	"encoding/json"
	"testing"
	"time"
)

// TestNext: the records are JSON of the promised size, and no two are the same.
func TestNext(t *testing.T) {
	m := New(1, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Millisecond)
	seen, size := map[string]bool{}, 0
	for range 2000 {
		raw := m.Next()
		if !json.Valid(raw) {
			t.Fatalf("no JSON: %s", raw)
		}
		if len(raw) < 600 || len(raw) > 1800 {
			t.Errorf("%d bytes: %s", len(raw), raw)
		}
		size += len(raw)
		seen[string(raw)] = true
	}
	if mean := size / 2000; mean < 600 || mean > 1200 || len(seen) != 2000 {
		t.Errorf("%d bytes each, %d of 2,000 differ", mean, len(seen))
	}
	if a, b := New(2, time.Time{}, 0), New(2, time.Time{}, 0); string(a.Next()) != string(b.Next()) {
		t.Error("two of one seed differ")
	}
}
