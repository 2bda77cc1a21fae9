package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/natslab"
)

// TestNATSNode is a server of a cluster when this binary is run as one.
func TestNATSNode(t *testing.T) { natslab.Serve(t) }

func openCluster(t testing.TB, url string) *Bus {
	t.Helper()
	b, err := Open(context.Background(), Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestConformance is what the bus does alike, embedded and on a cluster.
func TestConformance(t *testing.T) {
	suite := func(t *testing.T, open func(t testing.TB) *Bus) {
		for _, c := range []struct {
			name string
			run  func(t *testing.T, b *Bus)
		}{
			{"blocks come in order and once", blocksInOrderAndOnce},
			{"a consumer tries again", consumerTriesAgain},
			{"many publish at once", manyPublish},
		} {
			t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
		}
	}
	t.Run("embedded", func(t *testing.T) {
		suite(t, func(t testing.TB) *Bus { return open(t, t.TempDir(), 1) })
	})
	t.Run("cluster", func(t *testing.T) {
		c := natslab.Start(t, "TestNATSNode")
		suite(t, func(t testing.TB) *Bus {
			b := openCluster(t, c.URL)
			if err := b.current().js.DeleteStream(context.Background(), stream); err != nil {
				t.Fatal(err)
			}
			b.Close()
			return openCluster(t, c.URL)
		})
	})
}

func manyPublish(t *testing.T, b *Bus) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				if _, _, err := b.Publish(context.Background(), block(fmt.Sprint(i, "/", j), 2)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, blk := range collect(t, b, 0, 80) {
		seen[blk.ID] = true
	}
	if len(seen) != 80 {
		t.Errorf("%d of 80 blocks came", len(seen))
	}
}

// TestNodesKilled kills one server after the other, the leader first, while
// blocks are published, and looks for each that was acknowledged, once, with a
// reader that goes on all the time.
func TestNodesKilled(t *testing.T) {
	c := natslab.Start(t, "TestNATSNode")
	b := openCluster(t, c.URL)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	var mu sync.Mutex
	acked, seen := map[string]bool{}, map[string]int{}
	var all sync.WaitGroup
	sending, enough := context.WithCancel(ctx)
	for i := range 4 {
		all.Go(func() {
			for j := 0; sending.Err() == nil; j++ {
				id := fmt.Sprint(i, "/", j)
				for { // a sender that gets no answer sends again, under the same id
					if _, _, err := b.Publish(ctx, block(id, 5)); err == nil {
						break
					}
					if ctx.Err() != nil {
						return
					}
				}
				mu.Lock()
				acked[id] = true
				mu.Unlock()
			}
		})
	}
	all.Go(func() {
		var last uint64
		b.Consume(ctx, 0, func(seq uint64, blk *holdfast.Block) error {
			mu.Lock()
			defer mu.Unlock()
			if seq != last+1 {
				t.Errorf("block %d came after %d", seq, last)
			}
			last = seq
			seen[blk.ID]++
			return nil
		})
	})
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	await := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: never; %d blocks were acknowledged", what, count())
			}
		}
	}
	await("a first block", func() bool { return count() > 20 })
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		victim := c.Node(leader(t, b))
		if victim < 0 {
			victim = round
		}
		c.Kill(victim)
		before := count()
		await("blocks without one server", func() bool { return count() > before+20 })
		c.Restart(victim, "TestNATSNode")
		await("blocks with all servers, none behind", func() bool { return count() > before+40 && current(b) })
	}
	enough()
	await("all blocks at the reader", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id := range acked {
			if seen[id] == 0 {
				return false
			}
		}
		return true
	})
	stop()
	all.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("block %s is there %d times", id, n)
		}
	}
	t.Logf("%d blocks were acknowledged over %d kills of the leader", len(acked), rounds)
}

func leader(t *testing.T, b *Bus) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info, err := b.current().stream.Info(ctx)
	if err != nil || info.Cluster == nil {
		t.Fatal(err)
	}
	return info.Cluster.Leader
}

// current reports whether all followers have what the leader has; a majority
// would be lost if a second server were killed before.
func current(b *Bus) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	info, err := b.current().stream.Info(ctx)
	if err != nil || info.Cluster == nil || len(info.Cluster.Replicas) != 2 {
		return false
	}
	for _, r := range info.Cluster.Replicas {
		if !r.Current || r.Offline {
			return false
		}
	}
	return true
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]int{"nats://a": 1, "nats://a,b": 1, "nats://a:1,b:2,c:3": 3, "tls://a,b,c?replicas=5": 5} {
		if _, n, err := parse(text); n != want || err != nil {
			t.Errorf("%s: %d %v", text, n, err)
		}
	}
	for _, text := range []string{"", "a,b", "http://a", "nats://", "nats://a?replicas=2"} {
		if err := CheckAddress(text); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
