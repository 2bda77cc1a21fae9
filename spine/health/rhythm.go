package health

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	week = 7 * 24 // slots, one an hour
	// learnSlots is how many hours of the week have to be known before a silence
	// means something: what was enrolled today has shown no night yet.
	learnSlots = 24
	// learnActive is in how many hours a source must have given something: a
	// file that was read once has no rhythm.
	learnActive = 4
	// atMost is how long a silence may be in a part of the week that was not
	// seen yet, for a source that is silent at times.
	atMost = 72 * time.Hour
	// A silence is a trouble when it is twice as long as usual, or a day longer,
	// as over a holiday.
	factor  = 2
	aDayOff = 24 * time.Hour
)

// Rhythm is how a source is silent, for each hour of the week (UTC) the longest
// silence that began in it or passed through it. An hour follows a longer silence at once, and a
// shorter one by a quarter each week.
type Rhythm struct {
	// Slots are logarithmic: see pack. 0 is an hour that was not seen yet.
	Slots []byte `json:"slots"`
	// Active counts the hours in which something came, Hour is the newest.
	Active uint32 `json:"active"`
	Hour   int64  `json:"hour"`
	// Now is the longest silence within the newest hour.
	Now byte `json:"now"`
}

// pack makes a byte of a duration, eight for each doubling; 0 stays free.
func pack(d time.Duration) byte {
	s := max(d.Seconds(), 0)
	return byte(min(1+math.Round(8*math.Log2(1+s)), 255))
}

func unpack(b byte) time.Duration {
	if b == 0 {
		return 0
	}
	return time.Duration((math.Exp2(float64(b-1)/8) - 1) * float64(time.Second))
}

func slotOf(hour int64) int { return int((hour + 4*24) % week) } // 1970 began on a Thursday

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// arrive takes in that something came, and when the last time was.
func (r *Rhythm) arrive(last, now time.Time) {
	hour := hourOf(now)
	if last.IsZero() || r.Slots == nil {
		r.Slots, r.Hour, r.Now, r.Active = make([]byte, week), hour, 1, 1
		return
	}
	gap := pack(now.Sub(last))
	if hour <= r.Hour { // also a clock that was set back
		r.Now = max(r.Now, gap)
		return
	}
	r.commit(r.Hour, max(r.Now, gap))
	for h := max(r.Hour+1, hour-week); h < hour; h++ {
		r.commit(h, gap)
	}
	r.Hour, r.Now = hour, 1 // what ends a silence is no silence
	r.Active++
}

func (r *Rhythm) commit(hour int64, gap byte) {
	at := &r.Slots[slotOf(hour)]
	if old := *at; old > gap {
		gap = old - (old-gap+3)/4
	}
	*at = gap
}

func (r *Rhythm) known() (n int, longest byte) {
	for _, s := range r.Slots {
		if s > 0 {
			n++
		}
		longest = max(longest, s)
	}
	return n, max(longest, r.Now)
}

// usual is the longest silence that is usual for a source that is silent from
// last until now; false while it has shown too little.
func (r *Rhythm) usual(last, now time.Time) (time.Duration, bool) {
	known, longest := r.known()
	if r.Slots == nil || known < learnSlots || r.Active < learnActive {
		return 0, false
	}
	out := byte(0)
	if hourOf(last) <= r.Hour {
		out = r.Now
	}
	for h := hourOf(last); h <= min(hourOf(now), hourOf(last)+week-1); h++ {
		out = max(out, r.at(slotOf(h), longest, known))
	}
	return unpack(out), true
}

// at is the usual silence of one hour of the week. One that was not seen yet is
// taken to be as the same hour of days of its kind, working days or weekend;
// without those, as the others if the source is never silent for long.
func (r *Rhythm) at(slot int, longest byte, known int) byte {
	if r.Slots[slot] > 0 {
		return r.Slots[slot]
	}
	best := byte(0)
	for day := range 7 {
		if weekend(day) == weekend(slot/24) {
			best = max(best, r.Slots[day*24+slot%24])
		}
	}
	switch {
	case best > 0:
		return best
	case unpack(longest) <= time.Hour && known >= learnSlots:
		return longest
	}
	return max(longest, pack(atMost))
}

func weekend(day int) bool { return day >= 5 } // slot 0 is Monday, 00:00

// limit is after how long a silence is a trouble.
func limit(usual, floor time.Duration) time.Duration {
	return max(min(factor*usual, usual+aDayOff), floor)
}

// words tells a rhythm to people.
func (r *Rhythm) words() string {
	known, longest := r.known()
	if known < learnSlots || r.Active < learnActive {
		return fmt.Sprintf("still learning: %d of %d hours seen", min(known, learnSlots), learnSlots)
	}
	var seen []byte
	for _, s := range r.Slots {
		if s > 0 {
			seen = append(seen, s)
		}
	}
	slices.Sort(seen)
	short, long := unpack(seen[len(seen)/4]), unpack(longest)
	switch {
	case long < 2*short+time.Minute:
		return "steady, silent for " + about(long) + " at most"
	case known < week:
		return fmt.Sprintf("silent for %s to %s so far", about(short), about(long))
	}
	return fmt.Sprintf("silent for %s to %s, by the hour of the week", about(short), about(long))
}

// about says a duration with the precision that people want.
func about(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "1 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d days", int((d+12*time.Hour).Hours()/24))
}
