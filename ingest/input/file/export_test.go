package file

import (
	"context"
	"time"

	"holdfast/ingest/input"
)

// RunBriefly is Run with less patience.
func RunBriefly(ctx context.Context, cfg input.Config, env input.Env) error {
	return follow(ctx, cfg, env, patience{linger: 2 * time.Second, settled: 200 * time.Millisecond, quiet: time.Second})
}
