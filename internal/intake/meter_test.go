package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

type taker struct{ n int }

func (t *taker) Put(_ context.Context, r []holdfast.Record) error { t.n += len(r); return nil }

// TestQuotaOverRestart holds that a restart gives nobody more: neither bytes of
// the day nor the way out of a debt; and that the next day is a new one.
func TestQuotaOverRestart(t *testing.T) {
	c := clock.NewFixed(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	kept := ""
	start := func() (*Gate, func()) {
		g := New(Options{
			Sink: &taker{}, Clock: c, Log: slog.New(slog.DiscardHandler),
			Authorise: func(_ context.Context, secret string) (Sender, error) {
				switch secret {
				case "daily":
					return Sender{Name: secret, ID: secret, Quota: 100}, nil
				case "slow":
					return Sender{Name: secret, ID: secret, Rate: 1}, nil
				}
				return Sender{Name: secret, ID: secret}, nil
			},
		})
		if kept != "" {
			if err := g.Recall(kept); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			g.Keep(ctx, func(_ context.Context, text string) error { kept = text; return nil })
			close(done)
		}()
		return g, func() { cancel(); <-done }
	}
	put := func(g *Gate, secret string, n, size int) error {
		t.Helper()
		v, err := g.EnterWith(context.Background(), "Bearer "+secret)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Leave()
		records := make([]holdfast.Record, n)
		for i := range records {
			records[i].Raw = make([]byte, size)
		}
		return v.Put(context.Background(), records)
	}
	g, stop := start()
	if err := errors.Join(put(g, "daily", 2, 40), put(g, "slow", 100, 1), put(g, "free", 100, 100)); err != nil {
		t.Fatal(err)
	}
	stop()
	for range 2 { // the second restart finds what the first one kept, though nobody sent
		g, stop = start()
		for _, secret := range []string{"daily", "slow"} {
			var later *Later
			if err := put(g, secret, 1, 30); !errors.As(err, &later) || !errors.Is(err, holdfast.ErrFull) {
				t.Errorf("%s may send after a restart: %v", secret, err)
			}
		}
		stop()
	}
	g, stop = start()
	if err := put(g, "daily", 1, 20); err != nil {
		t.Error(err) // what was left
	}
	c.Advance(13 * time.Hour)
	if err := errors.Join(put(g, "daily", 1, 90), put(g, "slow", 1, 1)); err != nil {
		t.Error(err)
	}
	stop()
	for _, bad := range []string{"x", "[]", `{"a":1}`} {
		if err := g.Recall(bad); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := put(g, "daily", 1, 90); err == nil {
		t.Error("damage has changed what was known")
	}
	if err := g.Recall(fmt.Sprintf(`{"a":null,"daily":{"credit":0,"at":"%s","day":"2099-01-01T00:00:00Z","bytes":100}}`, c.Now().Format(time.RFC3339))); err != nil {
		t.Error(err)
	}
	if err := put(g, "daily", 1, 90); err != nil {
		t.Errorf("a day that is not there yet counts: %v", err)
	}
}
