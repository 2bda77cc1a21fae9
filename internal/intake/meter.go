package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"holdfast"
)

// meter keeps what each sender has sent.
type meter struct {
	mu      sync.Mutex
	by      map[string]*spent
	changed bool // since it was last written
}

// spent is one sender's account.
type spent struct {
	Credit float64   `json:"credit"` // records that may come at once; below zero it is in debt
	At     time.Time `json:"at"`
	Day    time.Time `json:"day"`
	Bytes  int64     `json:"bytes"`
}

// keepEvery is how often the accounts are kept: what a sender sent in the last of
// these before a crash is not counted.
const keepEvery = 5 * time.Second

// maxMeters bounds the accounts; tokens are few.
const maxMeters = 10_000

// take lets n records pass if the sender is not in debt, which they may put it
// into: so a request that is larger than a second's share passes once, and the
// next one waits.
func (m *meter) take(s Sender, n int, bytes int64, now time.Time) error {
	if s.Rate <= 0 && s.Quota <= 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.by[s.ID]
	if a == nil {
		if len(m.by) >= maxMeters {
			clear(m.by)
		}
		a = &spent{Credit: s.Rate, At: now}
		m.by[s.ID] = a
	}
	if day := now.UTC().Truncate(24 * time.Hour); day.After(a.Day) {
		a.Day, a.Bytes = day, 0
	}
	if s.Rate > 0 {
		if past := now.Sub(a.At).Seconds(); past > 0 {
			a.Credit = min(s.Rate, a.Credit+past*s.Rate)
		}
		a.At = now
		if a.Credit <= 0 {
			return &Later{
				Why: fmt.Sprintf("the token %s may send %.4g records a second", s.Name, s.Rate),
				In:  time.Duration((1 - a.Credit) / s.Rate * float64(time.Second)),
			}
		}
	}
	if s.Quota > 0 && a.Bytes+bytes > s.Quota {
		return &Later{
			Why: fmt.Sprintf("the token %s may send %d bytes a day, and has sent %d since 00:00 UTC", s.Name, s.Quota, a.Bytes),
			In:  a.Day.Add(24 * time.Hour).Sub(now),
		}
	}
	a.Credit -= float64(n)
	a.Bytes += bytes
	m.changed = true
	return nil
}

// giveBack undoes take for records that were not stored after all.
func (m *meter) giveBack(s Sender, n int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.by[s.ID]; a != nil {
		a.Credit += float64(n)
		a.Bytes -= bytes
		m.changed = true
	}
}

// write gives the accounts that matter later on: of those who have sent something
// today, or more than their share. ok is false if they are as they were.
func (m *meter) write(now time.Time) (text string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.changed {
		return "", false
	}
	m.changed = false
	out := map[string]spent{}
	today := now.UTC().Truncate(24 * time.Hour)
	for id, a := range m.by {
		if a.Credit < 0 || a.Bytes > 0 && !a.Day.Before(today) {
			out[id] = *a
		}
	}
	b, err := json.Marshal(out)
	return string(b), err == nil // no account holds what JSON cannot
}

func (m *meter) read(text string, now time.Time) error {
	in := map[string]*spent{}
	if err := json.Unmarshal([]byte(text), &in); err != nil || len(in) > maxMeters {
		return fmt.Errorf("what senders have sent today cannot be read: %w", holdfast.ErrInvalid)
	}
	for id, a := range in {
		if a == nil || a.Bytes < 0 || math.IsNaN(a.Credit) || a.At.After(now.Add(time.Hour)) || a.Day.After(now.Add(24*time.Hour)) {
			delete(in, id) // a clock that went back
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by = in
	return nil
}

// Recall takes up what senders had sent, as Keep has saved it before a restart.
// Damage changes nothing, and gives an error.
func (g *Gate) Recall(text string) error { return g.meter.read(text, g.Clock.Now()) }

// Keep saves what senders have sent every few seconds, if it has changed, and once
// more when ctx is done.
func (g *Gate) Keep(ctx context.Context, save func(ctx context.Context, text string) error) {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for more := true; more; {
		select {
		case <-ctx.Done():
			more = false
		case <-t.C:
		}
		text, changed := g.meter.write(g.Clock.Now())
		if !changed {
			continue
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepEvery)
		if err := save(last, text); err != nil {
			g.meter.again()
			g.Log.Debug("what senders have sent was not kept", "error", err)
		}
		cancel()
	}
}

func (m *meter) again() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = true
}
