package file

import (
	"context"
	"time"

	"holdfast/ingest/input"
)

// RunBriefly is Run with less patience.
func RunBriefly(ctx context.Context, cfg input.Config, env input.Env) error {
	return follow(ctx, cfg, env, patience{linger: 4 * time.Second, settled: 200 * time.Millisecond, quiet: time.Second, unpacked: 8 << 20})
}
