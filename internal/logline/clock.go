package logline

import (
	"fmt"
	"strings"
	"time"
)

const (
	// ahead is how far a clock may be before the time of receipt and still be
	// taken as it stands; beyond it, a clock without year or zone is repaired.
	ahead = 48 * time.Hour
	// noted is how old a line without a year may be before it is said that the
	// year was guessed.
	noted = 31 * 24 * time.Hour
)

// Clock reads the clock at the start of s, and returns what stands behind it
// and the blank that ends it. Year and zone that it lacks come from received;
// note says so where that makes much of a difference.
func Clock(s string, received time.Time) (t time.Time, note, rest string, ok bool) {
	if len(s) > 4 && s[3] == ' ' && strings.Contains("MonTueWedThuFriSatSun", s[:3]) { // as ctime writes it
		s = s[4:]
	}
	switch {
	case s == "":
		return t, "", s, false
	case s[0] < '0' || s[0] > '9':
		return cutBSD(s, 0, received)
	case len(s) > 19 && s[4] == ':' && s[7] == ':' && s[10] == '-': // Sophos UTM: 2026:11:29-10:20:30
		if t, note, rest, ok := cutISO(s[:4]+"-"+s[5:7]+"-"+s[8:10]+"T"+s[11:], received); ok {
			return t, note, rest, true
		}
	case len(s) > 8 && s[4] == ' ': // NX-OS has the year first
		if year, ok := yearOf(s[:4]); ok {
			return cutBSD(s[5:], year, received)
		}
	case len(s) > 11 && (s[10] == '.' || s[10] == ' '):
		if t, rest, ok := cutEpoch(s); ok {
			return t, "", rest, true
		}
	}
	return cutISO(s, received)
}

// cutISO reads RFC 3339, as rsyslog's file and forward formats write it; the
// zone may be missing or a word of its own, a space may stand for the T, and a
// comma before the fraction.
func cutISO(s string, received time.Time) (t time.Time, note, rest string, ok bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != ' ') {
		return t, "", s, false
	}
	word, rest, _ := strings.Cut(s[11:], " ")
	word = s[:10] + "T" + strings.Replace(strings.TrimSuffix(word, ":"), ",", ".", 1)
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999Z07"} {
		if t, err := time.Parse(layout, word); err == nil {
			return t, "", rest, true
		}
	}
	zone, after, zoned := cutZone(rest)
	if !zoned {
		zone, after = received.Location(), rest
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05.999999999", word, zone)
	if err != nil {
		return t, "", s, false
	}
	if !zoned {
		t, note = ownZone(t, received)
	}
	return t, note, after, true
}

// cutBSD reads "Jan _2 15:04:05" (RFC 3164, 4.1.2), also with a year on either
// side, with a fraction, with a zone, and with the ':' that Cisco puts behind it.
func cutBSD(s string, year int, received time.Time) (t time.Time, note, rest string, ok bool) {
	if len(s) < 14 || s[3] != ' ' {
		return t, "", s, false
	}
	month := monthOf(s[:3])
	if month == 0 {
		return t, "", s, false
	}
	word, rest := nextWord(s[4:])
	day, ok := number(word)
	if !ok || len(word) > 2 || day < 1 || day > 31 {
		return t, "", s, false
	}
	word, rest = nextWord(rest)
	if n, ok := yearOf(word); ok && year == 0 {
		year = n
		word, rest = nextWord(rest)
	}
	ended := strings.HasSuffix(word, ":")
	clock, err := time.Parse("15:04:05.999999999", strings.TrimSuffix(word, ":"))
	if err != nil {
		return t, "", s, false
	}
	zone, zoned := received.Location(), false
	if !ended {
		if z, after, ok := cutZone(rest); ok {
			zone, rest, zoned = z, after, true
		}
		if w, after := nextWord(rest); year == 0 && after != "" {
			if n, ok := yearOf(w); ok { // as ctime writes it
				year, rest = n, after
			}
		}
	}
	if year != 0 {
		if t, ok = dated(year, month, day, clock, zone); !ok {
			return t, "", s, false
		}
	} else if t, note, ok = newest(month, day, clock, zone, received); !ok {
		return t, "", s, false
	}
	if !zoned {
		var moved string
		if t, moved = ownZone(t, received); moved != "" {
			note = moved
		}
	}
	return t, note, rest, true
}

// newest takes the newest year in which the day exists and is not in the future.
func newest(month time.Month, day int, clock time.Time, zone *time.Location, received time.Time) (time.Time, string, bool) {
	for y := received.Year() + 1; y >= received.Year()-8; y-- {
		t, ok := dated(y, month, day, clock, zone)
		if !ok || t.After(received.Add(ahead)) {
			continue
		}
		if received.Sub(t) > noted {
			return t, fmt.Sprintf("its clock has no year, %d was taken", y), true
		}
		return t, "", true
	}
	return time.Time{}, "", false
}

func dated(year int, month time.Month, day int, clock time.Time, zone *time.Location) (time.Time, bool) {
	t := time.Date(year, month, day, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), zone)
	return t, t.Day() == day
}

// cutEpoch reads seconds since 1970, with or without a fraction, as Meraki
// writes them. Other numbers are none: the years 2001 to 2096 only.
func cutEpoch(s string) (t time.Time, rest string, ok bool) {
	word, rest, more := strings.Cut(s, " ")
	whole, frac, _ := strings.Cut(word, ".")
	sec := int64(0)
	if !more || len(whole) != 10 || whole[0] > '3' || len(frac) > 9 {
		return t, s, false
	}
	for _, c := range []byte(whole + frac) {
		if c < '0' || c > '9' {
			return t, s, false
		}
	}
	for _, c := range []byte(whole) {
		sec = sec*10 + int64(c-'0')
	}
	nano, _ := number((frac + "000000000")[:9])
	return time.Unix(sec, int64(nano)).UTC(), rest, true
}

// ownZone repairs a clock that carries no zone and stands in the future: by
// whole quarter hours, as zones do, the sender is east of here. A sender to
// the west cannot be told from a line that is late, and stays as it is.
func ownZone(t, received time.Time) (time.Time, string) {
	const quarter, slack = 15 * time.Minute, 2 * time.Minute
	off := t.Sub(received)
	if off <= slack || off > 26*time.Hour {
		return t, ""
	}
	zone := off.Round(quarter)
	if d := off - zone; d > slack || d < -slack {
		return t, ""
	}
	return t.Add(-zone), fmt.Sprintf("its clock has no time zone and was %s ahead, which was taken off", strings.TrimSuffix(zone.String(), "0s"))
}

func monthOf(s string) time.Month {
	i := strings.Index("JanFebMarAprMayJunJulAugSepOctNovDec", s)
	if i < 0 || i%3 != 0 {
		return 0
	}
	return time.Month(i/3 + 1)
}

// yearOf reads a year that a log can be of.
func yearOf(s string) (int, bool) {
	if len(s) != 4 {
		return 0, false
	}
	n, ok := number(s)
	return n, ok && n >= 1970 && n < 2100
}

// cutZone reads a zone at the start of s, with the ':' that may end it.
func cutZone(s string) (zone *time.Location, rest string, ok bool) {
	word, rest := nextWord(s)
	zone, ok = Zone(strings.TrimSuffix(word, ":"))
	return zone, rest, ok
}

// nextWord skips spaces and returns the word behind them, and the rest after
// the one space that ends it.
func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " ")
	word, rest, _ = strings.Cut(s, " ")
	return word, rest
}
