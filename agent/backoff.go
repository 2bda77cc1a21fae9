package agent

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces tries: from 100 ms doubling to 30 s, each by chance between
// half and whole, so that hosts do not come back all at once.
type backoff struct{ d time.Duration }

func (b *backoff) wait(ctx context.Context) {
	b.d = min(max(2*b.d, 100*time.Millisecond), 30*time.Second)
	pause(ctx, b.d/2+rand.N(b.d/2))
}

func (b *backoff) reset() { b.d = 0 }

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
