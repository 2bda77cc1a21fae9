package device

import (
	"strings"
	"time"

	"holdfast/ingest/parser"
	"holdfast/internal/logline"
)

// sophos reads what Sophos Firewall sends: device_name="SFW"
// timestamp="2026-11-23T02:09:06+0000" …, or as it was before its version 19,
// device="SFW" date=2026-11-23 time=02:09:06 timezone="CET" device_name="XG115" ….
// The newer form names no host but by the number of the device.
func sophos(line string, from int, hint parser.Hint) (parser.Parsed, error) {
	p := parser.Parsed{Dataset: "sophos.firewall"}
	if l, err := logline.Read(line[:from]+"x: x", hint.Received); err == nil {
		p.Time, p.Host, p.Trouble = l.Time, l.Host, l.Note
	}
	var stamp, date, clock, zone, serial string
	err := values(line[from:], func(name, value string) {
		switch name {
		case "timestamp":
			stamp = value
		case "date":
			date = value
		case "time":
			clock = value
		case "timezone":
			zone = value
		case "device_name":
			if value != "SFW" {
				p.Host = value
			}
		case "device_serial_id":
			serial = value
		}
		p.Fields = parser.Add(p.Fields, name, value)
	})
	switch {
	case err != nil && len(p.Fields) < 3:
		return parser.Parsed{}, parser.ErrOther
	case err != nil || len(p.Fields) >= parser.MaxFields: // a datagram cut off, for one
		p.Trouble = breaksOff
	}
	if stamp == "" && date != "" {
		stamp = date + " " + clock + " " + zone
	}
	if t, note, _, ok := logline.Clock(strings.TrimSpace(stamp), hint.Received); ok {
		p.Time = t.In(time.UTC)
		if p.Trouble == "" {
			p.Trouble = note
		}
	}
	if p.Host == "" {
		p.Host = serial
	}
	p.Fields = parser.Add(p.Fields, "hostname", p.Host)
	return p, nil
}
