package syslog

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/logline"
)

// maxZones bounds the senders that have a zone of their own.
const maxZones = 1000

// zones are the time zones of senders whose clocks have none.
type zones []zoneOf

type zoneOf struct {
	from netip.Prefix // not valid: all others
	zone *time.Location
}

// readZones reads "192.0.2.0/24=Europe/Berlin,+02:00".
func readZones(value string) (zones, error) {
	var out zones
	for part := range strings.SplitSeq(value, ",") {
		var z zoneOf
		from, name, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			from, name = "", from
		}
		var err error
		if from != "" {
			if z.from, err = netip.ParsePrefix(from); err != nil {
				a, err := netip.ParseAddr(from)
				if err != nil {
					return nil, fmt.Errorf("syslog: option zone: %q is neither address nor prefix: %w", from, holdfast.ErrInvalid)
				}
				z.from = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if z.zone, err = logline.Location(name); err != nil {
			return nil, fmt.Errorf("syslog: option zone: %w: %w", err, holdfast.ErrInvalid)
		}
		if out = append(out, z); len(out) > maxZones {
			return nil, fmt.Errorf("syslog: option zone has more than %d entries: %w", maxZones, holdfast.ErrInvalid)
		}
	}
	return out, nil
}

// in gives a time the zone of a source: that of the longest prefix. Parsers take
// it for clocks that have none.
func (z zones) in(t time.Time, source string) time.Time {
	if len(z) == 0 {
		return t
	}
	_, rest, _ := strings.Cut(source, ":")
	_, rest, _ = strings.Cut(rest, ":")
	addr, err := netip.ParseAddr(rest)
	best := -1
	var zone *time.Location
	for i := range z {
		switch {
		case !z[i].from.IsValid():
			if best < 0 && zone == nil {
				zone = z[i].zone
			}
		case err == nil && z[i].from.Contains(addr) && z[i].from.Bits() > best:
			best, zone = z[i].from.Bits(), z[i].zone
		}
	}
	if zone == nil {
		return t
	}
	return t.In(zone)
}
