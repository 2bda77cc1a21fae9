package port

import (
	"sync"
	"time"
)

// Enrolments are limited by the address they come from: a burst, then one
// every limitEvery.
const (
	limitBurst  = 10
	limitEvery  = 6 * time.Second
	limitMaxMap = 4096
)

type limiter struct {
	mu   sync.Mutex
	from map[string]time.Time // when the address's bucket will be full again
}

// allow reports whether one more enrolment from the address is within limits.
func (l *limiter) allow(from string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil {
		l.from = map[string]time.Time{}
	}
	if len(l.from) >= limitMaxMap {
		for k, full := range l.from {
			if !full.After(now) {
				delete(l.from, k)
			}
		}
		if _, known := l.from[from]; !known && len(l.from) >= limitMaxMap {
			return false
		}
	}
	full := l.from[from]
	if full.Before(now) {
		full = now
	}
	full = full.Add(limitEvery)
	if full.Sub(now) > limitBurst*limitEvery {
		return false
	}
	l.from[from] = full
	return true
}
