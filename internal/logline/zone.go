package logline

import (
	"fmt"
	"strings"
	"time"
)

// zones are the names of time zones that senders write, with their offset from
// UTC in minutes. Names that stand for several zones are left out, or for the
// one that routers and firewalls mean.
var zones = map[string]int{
	"UTC": 0, "GMT": 0, "Z": 0, "UCT": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "MET": 60, "CEST": 120, "MEST": 120,
	"CEDT": 120, "MEZ": 60, "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180, "IDT": 180, "SAST": 120, "TRT": 180, "GST": 240,
	"PKT": 300, "ICT": 420, "WIB": 420, "HKT": 480, "SGT": 480, "AWST": 480, "PHT": 480, "JST": 540, "KST": 540,
	"AEST": 600, "AEDT": 660, "ACST": 570, "ACDT": 630, "NZST": 720, "NZDT": 780,
	"NDT": -150, "NST": -210, "ADT": -180, "BRT": -180, "ART": -180, "EDT": -240, "AST": -240, "EST": -300, "CDT": -300, "CST": -360,
	"MDT": -360, "MST": -420, "PDT": -420, "PST": -480, "AKDT": -480, "AKST": -540, "HST": -600,
}

// Location is the zone that a person names: as the system's table has it
// ("Europe/Berlin"), or as senders write it.
func Location(name string) (*time.Location, error) {
	if z, ok := Zone(name); ok {
		return z, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, fmt.Errorf("%q is no time zone; write it as Europe/Berlin or +02:00", name)
	}
	return z, nil
}

// Zone reads a zone as senders write it: a name ("CEST"), an offset ("+02:00",
// "-0530", "+2"), or both ("GMT+02:00").
func Zone(s string) (*time.Location, bool) {
	if s == "" || len(s) > 10 {
		return nil, false
	}
	name, rest := s, ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		name, rest = s[:i], s[i:]
	}
	minutes := 0
	if name != "" {
		m, ok := zones[name]
		if !ok || rest != "" && m != 0 {
			return nil, false
		}
		minutes = m
	}
	if rest != "" {
		m, ok := offset(rest)
		if !ok {
			return nil, false
		}
		minutes += m
	}
	if minutes == 0 {
		return time.UTC, true
	}
	return time.FixedZone(s, minutes*60), true
}

// offset reads "+2", "+02", "+0200" or "+02:00".
func offset(s string) (minutes int, ok bool) {
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	h, m, cut := strings.Cut(s[1:], ":")
	if !cut && len(h) == 4 {
		h, m = h[:2], h[2:]
	}
	hours, ok := number(h)
	if !ok || len(h) > 2 || hours > 14 {
		return 0, false
	}
	if m != "" {
		if minutes, ok = number(m); !ok || len(m) != 2 || minutes > 59 {
			return 0, false
		}
	}
	return sign * (hours*60 + minutes), true
}
