package bus

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
)

func openAfter(t testing.TB, dir string, after uint64) *Bus {
	t.Helper()
	b, err := Open(context.Background(), Options{Dir: dir, Reserve: 1, After: after, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// publish publishes a block, and wants it behind what was read.
func publish(t testing.TB, b *Bus, id string, after uint64) {
	t.Helper()
	seq, doubled, err := b.Publish(context.Background(), block(id, 2))
	if err != nil || doubled || seq != after+1 {
		t.Fatal(seq, doubled, err)
	}
	if got := collect(t, b, after, 1)[seq]; got == nil || got.ID != id {
		t.Fatalf("a reader that stands at %d is given %v", after, got)
	}
}

// TestLostBusGoesOn loses the bus's folder, which readers have read up to a number.
// What comes from then on has higher ones.
func TestLostBusGoesOn(t *testing.T) {
	dir := t.TempDir()
	b := openAfter(t, dir, 0)
	publish(t, b, "a", 0)
	b.Close()
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	b = openAfter(t, dir, 70_000)
	publish(t, b, "b", 70_000)
	b.Close()
	b = openAfter(t, dir, 70_001) // and keeps them
	publish(t, b, "c", 70_001)
	if first, last, err := b.Span(context.Background()); first != 70_001 || last != 70_002 || err != nil {
		t.Error(first, last, err)
	}
}

// TestShorterBusGoesOn opens a bus whose end is gone, and of which one reader has read
// more than another: what is there stays for that one.
func TestShorterBusGoesOn(t *testing.T) {
	dir := t.TempDir()
	b := openAfter(t, dir, 0)
	publish(t, b, "a", 0)
	publish(t, b, "b", 1)
	b.Close()
	b = openAfter(t, dir, 5)
	publish(t, b, "c", 5)
	got := collect(t, b, 0, 6)
	if got[1] == nil || got[1].ID != "a" || got[2] == nil || got[2].ID != "b" || got[4] == nil || len(got[4].Events) != 0 || got[6] == nil {
		t.Errorf("%v", got)
	}
}

// TestDamagedBlockIsHandedOn puts bytes on the bus that are no block: readers are told
// that one stands there, and go on behind it.
func TestDamagedBlockIsHandedOn(t *testing.T) {
	b := openAfter(t, t.TempDir(), 0)
	publish(t, b, "a", 0)
	if _, err := b.current().js.PublishMsg(context.Background(), &nats.Msg{Subject: subject, Data: []byte("rotten")}); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "c", 2)
	got := collect(t, b, 0, 3)
	if got[1].Unreadable || got[3].Unreadable || !got[2].Unreadable || len(got[2].Events) > 0 {
		t.Errorf("%+v", got)
	}
}
