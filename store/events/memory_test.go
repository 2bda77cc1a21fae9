package events

import (
	"context"
	"testing"
)

// TestNothingIsKeptOfFiles holds that what searches read of segments
// does not stay in the engine's memory.
func TestNothingIsKeptOfFiles(t *testing.T) {
	ctx := context.Background()
	l := filled(t, 20_000)
	for range 3 {
		if _, err := l.store.Query(ctx, Statement{SQL: `SELECT count(*), max(raw), max(id) FROM events`, MaxRows: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var kept int64
	if err := l.store.db.QueryRowContext(ctx, "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory() WHERE tag = 'EXTERNAL_FILE_CACHE'").Scan(&kept); err != nil {
		t.Fatal(err)
	}
	if kept != 0 {
		t.Errorf("%d bytes of files are kept", kept)
	}
}

// TestLargeSearchLeavesNothing holds that the memory of a large search is not kept
// beside what the next one takes.
func TestLargeSearchLeavesNothing(t *testing.T) {
	l := filled(t, 20_000)
	for range 2 {
		if _, err := l.store.Query(context.Background(), Statement{SQL: `SELECT count(DISTINCT repeat(raw, 50)) FROM events`, MaxRows: 1}); err != nil {
			t.Fatal(err)
		}
		if n := spare(); n > mostSpare {
			t.Errorf("%d bytes are kept", n)
		}
	}
}
