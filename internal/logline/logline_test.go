package logline_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"holdfast/internal/logline"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestRead(t *testing.T) {
	now := at("2026-11-23T02:10:00Z")
	for name, c := range map[string]struct {
		line string
		want logline.Line
	}{
		"file": {
			"Nov 23 02:09:06 web1 sshd[812]: Server listening on 0.0.0.0 port 22.",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Host: "web1", Program: "sshd", PID: "812", Message: "Server listening on 0.0.0.0 port 22."},
		},
		"one-digit day": {
			"Nov  3 02:09:06 web1 CRON[1]: x",
			logline.Line{Time: at("2026-11-03T02:09:06Z"), Host: "web1", Program: "CRON", PID: "1", Message: "x"},
		},
		"rsyslog file of today": {
			"2026-11-23T02:09:06.123456+01:00 web1 sudo:    anna : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id",
			logline.Line{Time: at("2026-11-23T02:09:06.123456+01:00"), Host: "web1", Program: "sudo", Message: "   anna : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id"},
		},
		"wire": {
			"<38>Nov 23 02:09:06 web1 sshd[8]: hello",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "auth", Severity: "info", Host: "web1", Program: "sshd", PID: "8", Message: "hello"},
		},
		"no host": {
			"<86>Nov 23 02:09:06 su: (to root) anna on pts/0",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "authpriv", Severity: "info", Program: "su", Message: "(to root) anna on pts/0"},
		},
		"no tag": {
			"Nov 23 02:09:06 web1 -- MARK --",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Host: "web1", Message: "-- MARK --"},
		},
		"address as host": {
			"<13>Nov 23 02:09:06 2001:db8::1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "2001:db8::1", Program: "app", Message: "up"},
		},
		"year": {
			"<13>Nov 23 2025 02:09:06 fw1 app: up",
			logline.Line{Time: at("2025-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "fw1", Program: "app", Message: "up"},
		},
		"priority and nothing known": {
			"<0>whatever it is",
			logline.Line{Facility: "kern", Severity: "emerg", Message: "whatever it is"},
		},
		"RFC 5424": {
			`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 77 ID47 [a@1 x="1" x="2\"\]\\ \n"][b@1] ` + "\ufeffAn event",
			logline.Line{
				Time: at("2003-10-11T22:14:15.003Z"), Facility: "local4", Severity: "notice", Host: "mymachine.example.com",
				Program: "evntslog", PID: "77", MsgID: "ID47", Message: "An event",
				Data: []logline.Param{{Element: "a@1", Name: "x", Value: "1"}, {Element: "a@1", Name: "x", Value: `2"]\ \n`}, {Element: "b@1"}},
			},
		},
		"RFC 5424 with nothing": {"<0>1 - - - - - -", logline.Line{Facility: "kern", Severity: "emerg"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := logline.Read(c.line, now)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReadNot(t *testing.T) {
	for _, s := range []string{"", "hello", "{}", "<999>x", "Nov 23", "Foo 23 02:09:06 h p: m", "Feb 31 02:09:06 h p: m"} {
		if _, err := logline.Read(s, at("2026-11-23T02:10:00Z")); !errors.Is(err, logline.ErrNone) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"<1>1 - h", `<1>1 - h a p m [x y="`, "<1>1 - h a p m [x", "<1>1 - h a p m nodata", "<1>1 2026-99-99T00:00:00Z h a p m -"} {
		if _, err := logline.Read(s, time.Now()); err == nil || errors.Is(err, logline.ErrNone) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestYearAndZone(t *testing.T) {
	for name, c := range map[string]struct{ line, received, want string }{
		"last year's line":     {"Dec 31 23:59:59", "2027-01-01T00:00:05Z", "2026-12-31T23:59:59Z"},
		"next year's line":     {"Jan  1 00:30:00", "2026-12-31T23:30:05Z", "2026-12-31T23:30:00Z"},
		"leap day":             {"Feb 29 12:00:00", "2026-11-23T00:00:00Z", "2024-02-29T12:00:00Z"},
		"zone of the receiver": {"Nov 23 12:00:00", "2026-11-23T12:00:03+02:00", "2026-11-23T10:00:00Z"},
		"sender in the east":   {"Nov 23 17:30:00", "2026-11-23T12:00:03Z", "2026-11-23T12:00:00Z"},
		"a clock that is off":  {"Nov 23 12:07:00", "2026-11-23T12:00:00Z", "2026-11-23T12:07:00Z"},
		"an old line":          {"Nov 20 12:00:00", "2026-11-23T12:00:00Z", "2026-11-20T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := logline.Read(c.line+" h p: m", at(c.received))
			if err != nil {
				t.Fatal(err)
			}
			if !l.Time.Equal(at(c.want)) {
				t.Errorf("got %s, want %s", l.Time, c.want)
			}
		})
	}
}

// FuzzRead compares RFC 5424 with an independent reader.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"Nov 23 02:09:06 web1 sshd[812]: x", "<38>Nov  3 02:09:06 sshd: x", "<13>x", "2026-11-23T02:09:06.1+01:00 h p[1]: m",
		`<165>1 2003-10-11T22:14:15.003Z h a 77 ID47 [a@1 x="1" x="2\"\]\\ \n"][b@1] m`, "<0>1 - - - - - -",
	} {
		f.Add(s)
	}
	now := at("2026-11-23T02:10:00Z")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := logline.Read(s, now)
		if err != nil {
			return
		}
		if len(l.Message) > len(s) || len(l.Program) > 160 && l.Data == nil && !strings.HasPrefix(s, "<") {
			t.Errorf("%q: more came out than went in: %+v", s, l)
		}
		m, err := rfc5424.NewParser().Parse([]byte(s))
		if err != nil || m == nil {
			return
		}
		o := m.(*rfc5424.SyslogMessage)
		if o.Version != 1 || strings.TrimRight(s, "\r\n\x00") != s {
			return
		}
		text := func(p *string) string {
			if p == nil {
				return ""
			}
			return strings.TrimPrefix(*p, "\ufeff")
		}
		if l.Host != text(o.Hostname) || l.Program != text(o.Appname) || l.PID != text(o.ProcID) || l.MsgID != text(o.MsgID) {
			t.Errorf("%q: %+v, the other reader says %+v", s, l, o)
		}
		if o.Timestamp != nil && !l.Time.Equal(*o.Timestamp) {
			t.Errorf("%q: %s, the other reader says %s", s, l.Time, o.Timestamp)
		}
	})
}
