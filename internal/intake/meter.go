package intake

import (
	"fmt"
	"sync"
	"time"
)

// meter keeps what each sender has sent. It is not kept over a restart.
type meter struct {
	mu sync.Mutex
	by map[string]*spent
}

// spent is one sender's account.
type spent struct {
	credit float64 // records that may come at once; below zero it is in debt
	at     time.Time
	day    time.Time
	bytes  int64
}

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
		a = &spent{credit: s.Rate, at: now}
		m.by[s.ID] = a
	}
	if day := now.UTC().Truncate(24 * time.Hour); day.After(a.day) {
		a.day, a.bytes = day, 0
	}
	if s.Rate > 0 {
		if past := now.Sub(a.at).Seconds(); past > 0 {
			a.credit = min(s.Rate, a.credit+past*s.Rate)
		}
		a.at = now
		if a.credit <= 0 {
			return &Later{
				Why: fmt.Sprintf("the token %s may send %.4g records a second", s.Name, s.Rate),
				In:  time.Duration((1 - a.credit) / s.Rate * float64(time.Second)),
			}
		}
	}
	if s.Quota > 0 && a.bytes+bytes > s.Quota {
		return &Later{
			Why: fmt.Sprintf("the token %s may send %d bytes a day, and has sent %d since 00:00 UTC", s.Name, s.Quota, a.bytes),
			In:  a.day.Add(24 * time.Hour).Sub(now),
		}
	}
	a.credit -= float64(n)
	a.bytes += bytes
	return nil
}

// giveBack undoes take for records that were not stored after all.
func (m *meter) giveBack(s Sender, n int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.by[s.ID]; a != nil {
		a.credit += float64(n)
		a.bytes -= bytes
	}
}
