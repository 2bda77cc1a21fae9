package spine

import (
	"context"
	"time"

	"holdfast"
	"holdfast/store/events"
)

// StoreStats is what the store keeps, and what it has cost.
type StoreStats struct {
	events.Stats
	Compaction events.Compaction `json:"compaction"`
}

// StoreStats counts what is kept.
func (s *Spine) StoreStats(ctx context.Context) (StoreStats, error) {
	st, err := s.Events.AllStats(ctx)
	kept := s.kept.Load()
	if kept == nil {
		kept = s.Events
	}
	return StoreStats{st, kept.Compaction()}, err
}

// VerifyStore holds the files and the ledger against the manifest.
func (s *Spine) VerifyStore(ctx context.Context, deep bool) (events.Verification, error) {
	return s.Events.Verify(ctx, deep)
}

// LedgerHours is the ledger by the hour, the newest first. Records that wait
// for a segment stand in the ledger of the status.
func (s *Spine) LedgerHours(ctx context.Context, source string, from, to time.Time, limit int) ([]holdfast.LedgerRow, error) {
	return s.State.LedgerHours(ctx, source, from, to, limit)
}
