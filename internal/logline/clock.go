package logline

import (
	"strings"
	"time"
)

// ahead is how far a clock may be before the time of receipt and still be
// taken as it stands; beyond it, a clock without year or zone is repaired.
const ahead = 48 * time.Hour

// cutClock reads the clock at the start of s and the space behind it.
func cutClock(s string, received time.Time) (time.Time, string, bool) {
	if len(s) > 0 && s[0] >= '0' && s[0] <= '9' {
		return cutISO(s, received)
	}
	return cutBSD(s, received)
}

// cutISO reads RFC 3339, as rsyslog's file and forward formats write it; the
// zone may be missing, and a space may stand for the T.
func cutISO(s string, received time.Time) (time.Time, string, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != ' ') {
		return time.Time{}, s, false
	}
	end := strings.IndexByte(s[11:], ' ')
	if end < 0 {
		return time.Time{}, s, false
	}
	end += 11
	word := s[:end]
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, word); err == nil {
			return t, s[end+1:], true
		}
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.ParseInLocation(layout, word, received.Location()); err == nil {
			return ownZone(t, received), s[end+1:], true
		}
	}
	return time.Time{}, s, false
}

// cutBSD reads "Jan _2 15:04:05" (RFC 3164, 4.1.2), also with a year, with a
// fraction, and with the ':' that Cisco puts behind it.
func cutBSD(s string, received time.Time) (time.Time, string, bool) {
	none := time.Time{}
	if len(s) < 15 || s[3] != ' ' {
		return none, s, false
	}
	month := monthOf(s[:3])
	if month == 0 {
		return none, s, false
	}
	word, rest := nextWord(s[4:])
	day, ok := number(word)
	if !ok || len(word) > 2 || day < 1 || day > 31 {
		return none, s, false
	}
	year := 0
	word, rest = nextWord(rest)
	if n, ok := number(word); ok && len(word) == 4 {
		year = n
		word, rest = nextWord(rest)
	}
	word = strings.TrimSuffix(word, ":")
	clock, err := time.Parse("15:04:05.999999999", word)
	if err != nil {
		return none, s, false
	}
	if year != 0 {
		t, ok := dated(year, month, day, clock, received.Location())
		return ownZone(t, received), rest, ok
	}
	// The newest year in which the day exists and is not in the future.
	for y := received.Year() + 1; y >= received.Year()-8; y-- {
		t, ok := dated(y, month, day, clock, received.Location())
		if ok && !t.After(received.Add(ahead)) {
			return ownZone(t, received), rest, true
		}
	}
	return none, s, false
}

func dated(year int, month time.Month, day int, clock time.Time, zone *time.Location) (time.Time, bool) {
	t := time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), zone)
	return t, t.Day() == day
}

// ownZone repairs a clock that carries no zone and stands in the future: by
// whole quarter hours, as zones do, the sender is east of here. A sender to
// the west cannot be told from a line that is late, and stays as it is.
func ownZone(t, received time.Time) time.Time {
	const quarter, slack = 15 * time.Minute, 2 * time.Minute
	off := t.Sub(received)
	if off <= slack || off > 26*time.Hour {
		return t
	}
	zone := off.Round(quarter)
	if d := off - zone; d > slack || d < -slack {
		return t
	}
	return t.Add(-zone)
}

func monthOf(s string) time.Month {
	i := strings.Index("JanFebMarAprMayJunJulAugSepOctNovDec", s)
	if i < 0 || i%3 != 0 {
		return 0
	}
	return time.Month(i/3 + 1)
}

// nextWord skips spaces and returns the word behind them, and the rest after
// the one space that ends it.
func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " ")
	word, rest, _ = strings.Cut(s, " ")
	return word, rest
}
