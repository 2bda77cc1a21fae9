package health

import (
	"fmt"
	"strings"
	"time"
)

const (
	markEvery = time.Minute
	marksKept = 6
	// behindLeast is from when on a clock may be behind: events take a while
	// from some clouds.
	behindLeast = 15 * time.Minute
	// behindSpread is how much the delay of a wrong clock may vary. What is
	// delivered late, or read from an old file, varies by more.
	behindSpread = 90 * time.Second
	surely       = 20 // events in one mark that need no second one
)

// skew compares the times of events with when they arrived.
type skew struct {
	Delay float64   `json:"delay,omitempty"` // seconds, the smallest of the newest mark
	Marks []mark    `json:"marks,omitempty"` // the newest last
	Off   string    `json:"off,omitempty"`
	Since time.Time `json:"since,omitzero"`

	now mark
}

// mark is what one minute, or longer, has shown.
type mark struct {
	At       time.Time     `json:"at"`
	Events   int           `json:"events"`
	Repaired int           `json:"repaired,omitempty"`
	Least    time.Duration `json:"least"`
	Most     time.Duration `json:"most"`
	Ahead    int           `json:"ahead,omitempty"`
}

// aheadLeast is from when on an event counts as ahead at all; how much of it is
// a trouble is a setting.
const aheadLeast = time.Second

func (k *skew) count(delay time.Duration, trouble string) {
	m := &k.now
	if m.Events == 0 || delay < m.Least {
		m.Least = delay
	}
	if m.Events == 0 || delay > m.Most {
		m.Most = delay
	}
	m.Events++
	if delay < -aheadLeast {
		m.Ahead++
	}
	if trouble != "" && strings.Contains(trouble, "clock ") && strings.Contains(trouble, " repaired") {
		m.Repaired++
	}
}

// judge closes the mark of the last minute and says whether the clock is off.
func (k *skew) judge(now time.Time, l *Limits) (Trouble, bool) {
	if k.now.Events > 0 && (len(k.Marks) == 0 || now.Sub(k.Marks[len(k.Marks)-1].At) >= markEvery) {
		k.now.At = now
		k.Delay = k.now.Least.Seconds()
		k.Marks = append(k.Marks, k.now)
		if n := len(k.Marks) - marksKept; n > 0 {
			k.Marks = append(k.Marks[:0], k.Marks[n:]...)
		}
		k.now = mark{}
		switch off := k.off(l); {
		case off == "" && k.Off != "" && !k.well(l):
		case off == "":
			k.Off = ""
		default:
			if k.Off == "" {
				k.Since = now
			}
			k.Off = off
		}
	}
	if k.Off == "" {
		return Trouble{}, false
	}
	return Trouble{
		Kind: Clock, Since: k.Since, What: "the clock of this source is off: " + k.Off,
		Do: "set the sender's clock (NTP) or name its time zone (--syslog-zone); until then rules over time, and searches by it, miss its events",
	}, true
}

// well reports whether the newest mark shows a clock that is right, and not
// only too little.
func (k *skew) well(l *Limits) bool {
	m := k.Marks[len(k.Marks)-1]
	return m.Repaired == 0 && m.Least > -l.Clock && (m.Least < behindLeast || m.Most-m.Least > behindSpread)
}

func (k *skew) off(l *Limits) string {
	m := k.Marks[len(k.Marks)-1]
	if k.last(3, surely, func(m mark) bool { return 2*m.Repaired >= m.Events }) {
		return "its times are more than a day ahead, or before the year 2000; they were set to when the events came"
	}
	if k.last(3, surely, func(m mark) bool { return m.Least < -l.Clock && 2*m.Ahead >= m.Events }) {
		return offBy(-m.Least, "ahead")
	}
	least, most := m.Least, m.Least
	if !k.last(5, 0, func(m mark) bool {
		least, most = min(least, m.Least), max(most, m.Least)
		return m.Least > behindLeast && m.Most-m.Least <= behindSpread && m.Repaired == 0
	}) || most-least > behindSpread || k.Marks[len(k.Marks)-1].At.Sub(k.Marks[len(k.Marks)-5].At) < 4*markEvery {
		return ""
	}
	return offBy(least, "behind")
}

// last reports whether the newest n marks are all bad, or the newest one alone
// with that many events.
func (k *skew) last(n, enough int, bad func(mark) bool) bool {
	newest := k.Marks[len(k.Marks)-1]
	if enough > 0 && newest.Events >= enough && bad(newest) {
		return true
	}
	if len(k.Marks) < n {
		return false
	}
	for _, m := range k.Marks[len(k.Marks)-n:] {
		if !bad(m) {
			return false
		}
	}
	return true
}

func offBy(d time.Duration, how string) string {
	out := fmt.Sprintf("it is %s %s", about(d), how)
	if r := d.Round(15 * time.Minute); r >= 30*time.Minute && (d-r).Abs() < time.Minute {
		out += fmt.Sprintf(", almost exactly %s, which looks like a wrong time zone", r)
	}
	return out
}
