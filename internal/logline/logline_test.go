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
		"BIG-IP": {
			"<11>Nov 23 02:09:06 bigip1 notice mcpd[5480]: 01070727:5: Pool /Common/web",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "err", Host: "bigip1", Program: "mcpd", PID: "5480", Message: "01070727:5: Pool /Common/web"},
		},
		"BIG-IP in a file": {
			"Nov 23 02:09:06 bigip1 info sshd[8]: Failed password for root from 192.0.2.7 port 22 ssh2",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Severity: "info", Host: "bigip1", Program: "sshd", PID: "8", Message: "Failed password for root from 192.0.2.7 port 22 ssh2"},
		},
		"a severity as a word": {
			"Nov 23 02:09:06 web1 notice to all",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Host: "web1", Message: "notice to all"},
		},
		"UniFi": {
			"<30>Nov 23 02:09:06 U7PG2,788a2056b181,v4.0.66.10832: logread[5495]: Logread connected",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "daemon", Severity: "info", Host: "U7PG2,788a2056b181", Program: "logread", PID: "5495", Message: "Logread connected"},
		},
		"UniFi by name": {
			"<30>Nov 23 02:09:06 attic 788a2056b181,UAP-AC-Pro-6.0.21+13673: hostapd: ath0: associated",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "daemon", Severity: "info", Host: "attic", Program: "hostapd", Message: "ath0: associated"},
		},
		"Sophos UTM": {
			`<30>2026:11:23-02:09:06 utm ulogd[4567]: id="2001" action="drop"`,
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "daemon", Severity: "info", Host: "utm", Program: "ulogd", PID: "4567", Message: `id="2001" action="drop"`},
		},
		"Check Point": {
			`<134>1 2026-11-23T02:09:06Z gw-1 CheckPoint 13752 - [action:"Accept"; src:"192.0.2.7"]`,
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local0", Severity: "info", Host: "gw-1", Program: "CheckPoint", PID: "13752", Message: `[action:"Accept"; src:"192.0.2.7"]`},
		},
		"Check Point, older": {
			`<134>1 2026-11-23 02:09:06 gw-1 CheckPoint 13752 - [action:"Update"; flags:"150784"; ]`,
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local0", Severity: "info", Host: "gw-1", Program: "CheckPoint", PID: "13752", Message: `[action:"Update"; flags:"150784"; ]`},
		},
		"structured data that is cut off": {
			`<13>1 2026-11-23T02:09:06Z h app - - [a@1 x="1"][b@1 y="2`,
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "h", Program: "app", Message: `[a@1 x="1"][b@1 y="2`},
		},
		"no structured data": {
			"<13>1 2026-11-23T02:09:06Z h app - - up and running",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "h", Program: "app", Message: "up and running"},
		},
		"IOS XR": {
			"<189>29: RP/0/RSP0/CPU0:Nov 23 02:09:06.123 UTC: config[65711]: %MGBL-SYS-5-CONFIG_I : Configured",
			logline.Line{Time: at("2026-11-23T02:09:06.123Z"), Facility: "local7", Severity: "notice", Program: "config", PID: "65711", Message: "%MGBL-SYS-5-CONFIG_I : Configured"},
		},
		"IOS XR with a host": {
			"<189>29: xr-1 RP/0/RSP0/CPU0:Nov 23 02:09:06.123 UTC: config[65711]: %MGBL-SYS-5-CONFIG_I : Configured",
			logline.Line{Time: at("2026-11-23T02:09:06.123Z"), Facility: "local7", Severity: "notice", Host: "xr-1", Program: "config", PID: "65711", Message: "%MGBL-SYS-5-CONFIG_I : Configured"},
		},
		"a clock in brackets": {
			`<142>Nov 23 02:09:06 wg1 (2026-11-23T02:09:06) firewall: msg_id="3000-0148" Allow`,
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local1", Severity: "info", Host: "wg1", Message: `(2026-11-23T02:09:06) firewall: msg_id="3000-0148" Allow`},
		},
		"RFC 5424 without a zone": {
			"<13>1 2026-11-23T02:09:06.5 h app - - - up",
			logline.Line{Time: at("2026-11-23T02:09:06.5Z"), Facility: "user", Severity: "notice", Host: "h", Program: "app", Message: "up"},
		},
		"RFC 5424 with a zone of its own": {
			"<13>1 2026-11-23T02:09:06+0100 h app - - - up",
			logline.Line{Time: at("2026-11-23T01:09:06Z"), Facility: "user", Severity: "notice", Host: "h", Program: "app", Message: "up"},
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
		"RFC 5424 without a clock, with a blank where a clock's would be": {
			"<0>1 - machine8 su - ID47 - up and running",
			logline.Line{Facility: "kern", Severity: "emerg", Host: "machine8", Program: "su", MsgID: "ID47", Message: "up and running"},
		},
		"BOM": {
			"\ufeff<13>\ufeffNov 23 02:09:06 web1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "web1", Program: "app", Message: "up"},
		},
		"zone by name": {
			"<13>Nov 23 04:09:06 CEST web1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "web1", Program: "app", Message: "up"},
		},
		"zone by offset": {
			"<13>Nov 22 21:09:06.123456 -0500 web1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06.123456Z"), Facility: "user", Severity: "notice", Host: "web1", Program: "app", Message: "up"},
		},
		"ctime": {
			"Mon Nov 23 02:09:06 2026 web1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Host: "web1", Program: "app", Message: "up"},
		},
		"ISO with a comma and a zone": {
			"<13>2026-11-23 03:09:06,123 CET web1 app[1]: up",
			logline.Line{Time: at("2026-11-23T02:09:06.123Z"), Facility: "user", Severity: "notice", Host: "web1", Program: "app", PID: "1", Message: "up"},
		},
		"ISO with hours only": {
			"<13>2026-11-23T03:09:06+01 web1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "web1", Program: "app", Message: "up"},
		},
		"blank behind the priority": {
			"<13> Nov 23 02:09:06 web1 app: up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Host: "web1", Program: "app", Message: "up"},
		},
		"IOS": {
			"<189>29: *Nov 23 02:09:06.483 UTC: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
			logline.Line{Time: at("2026-11-23T02:09:06.483Z"), Facility: "local7", Severity: "notice", Program: "SYS", MsgID: "SYS-5-CONFIG_I", Message: "Configured from console by vty2 (10.34.195.36)"},
		},
		"IOS with a name and a lost server": {
			"<189>000045: R1: .Nov 23 02:09:06: %LINK-3-UPDOWN: Interface Gi0/1, changed state to up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local7", Severity: "notice", Host: "R1", Program: "LINK", MsgID: "LINK-3-UPDOWN", Message: "Interface Gi0/1, changed state to up"},
		},
		"IOS after a start without a clock": {
			"<189>1: *Mar  1 00:00:12.123: %SYS-5-RESTART: System restarted --",
			logline.Line{Facility: "local7", Severity: "notice", Program: "SYS", MsgID: "SYS-5-RESTART", Message: "System restarted --", Note: "the sender's clock is not set"},
		},
		"IOS in a file": {
			"Nov 23 02:09:06 10.1.1.1 29: Nov 23 02:09:05: %SEC_LOGIN-5-LOGIN_SUCCESS: Login Success",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Host: "10.1.1.1", Program: "SEC_LOGIN", MsgID: "SEC_LOGIN-5-LOGIN_SUCCESS", Message: "Login Success"},
		},
		"IOS without a clock": {
			"<189>29: %SYS-5-CONFIG_I: Configured",
			logline.Line{Facility: "local7", Severity: "notice", Program: "SYS", MsgID: "SYS-5-CONFIG_I", Message: "Configured"},
		},
		"ASA": {
			"<166>Nov 23 2026 02:09:06 fw1 : %ASA-6-302013: Built outbound TCP connection",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local4", Severity: "info", Host: "fw1", Program: "ASA", MsgID: "ASA-6-302013", Message: "Built outbound TCP connection"},
		},
		"ASA with a zone and no host": {
			"<166>:Nov 23 02:09:06 UTC: %ASA-session-6-302013: Built",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local4", Severity: "info", Program: "ASA", MsgID: "ASA-session-6-302013", Message: "Built"},
		},
		"ASA with nothing": {
			"<166>%ASA-6-302013: Built",
			logline.Line{Facility: "local4", Severity: "info", Program: "ASA", MsgID: "ASA-6-302013", Message: "Built"},
		},
		"NX-OS": {
			"<189>: 2026 Nov 23 02:09:06 UTC: %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "local7", Severity: "notice", Program: "ETHPORT", MsgID: "ETHPORT-5-IF_UP", Message: "Interface Ethernet1/1 is up"},
		},
		"Meraki": {
			"<134>1 1795399746.123456789 MX84 flows src=192.0.2.1",
			logline.Line{Time: time.Unix(1795399746, 123456789).UTC(), Facility: "local0", Severity: "info", Host: "MX84", Message: "flows src=192.0.2.1"},
		},
		"AIX": {
			"<38>Nov 23 02:09:06 Message forwarded from aix1: sshd[7]: hello",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "auth", Severity: "info", Host: "aix1", Program: "sshd", PID: "7", Message: "hello"},
		},
		"CEF without a host": {
			"<13>Nov 23 02:09:06 CEF:0|a|b|c|d|e|5|x=y z",
			logline.Line{Time: at("2026-11-23T02:09:06Z"), Facility: "user", Severity: "notice", Program: "CEF", Message: "0|a|b|c|d|e|5|x=y z"},
		},
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
	for _, s := range []string{"<1>1 - h", "<1>1 - h a p", "<1>1 2026-99-99T00:00:00Z h a p m -"} {
		if _, err := logline.Read(s, time.Now()); err == nil || errors.Is(err, logline.ErrNone) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestYearAndZone(t *testing.T) {
	for name, c := range map[string]struct{ line, received, want, note string }{
		"last year's line":     {"Dec 31 23:59:59", "2027-01-01T00:00:05Z", "2026-12-31T23:59:59Z", ""},
		"next year's line":     {"Jan  1 00:30:00", "2026-12-31T23:30:05Z", "2026-12-31T23:30:00Z", "1h0m ahead"},
		"leap day":             {"Feb 29 12:00:00", "2026-11-23T00:00:00Z", "2024-02-29T12:00:00Z", "2024 was taken"},
		"zone of the receiver": {"Nov 23 12:00:00", "2026-11-23T12:00:03+02:00", "2026-11-23T10:00:00Z", ""},
		"sender in the east":   {"Nov 23 17:30:00", "2026-11-23T12:00:03Z", "2026-11-23T12:00:00Z", "5h30m ahead"},
		"a clock that is off":  {"Nov 23 12:07:00", "2026-11-23T12:00:00Z", "2026-11-23T12:07:00Z", ""},
		"an old line":          {"Nov 20 12:00:00", "2026-11-23T12:00:00Z", "2026-11-20T12:00:00Z", ""},
		"last winter's line":   {"Dec 24 18:00:00", "2026-11-23T12:00:00Z", "2025-12-24T18:00:00Z", "2025 was taken"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := logline.Read(c.line+" h p: m", at(c.received))
			if err != nil {
				t.Fatal(err)
			}
			if (l.Note == "") != (c.note == "") || !strings.Contains(l.Note, c.note) {
				t.Errorf("it says %q", l.Note)
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
		"<189>29: *Nov 23 02:09:06.483 UTC: %SYS-5-CONFIG_I: x", "<166>Nov 23 2026 02:09:06 fw1 : %ASA-6-302013: x", "<134>1 1795399746.1 MX84 x",
		"<189>: 2026 Nov 23 02:09:06 UTC: %ETHPORT-5-IF_UP: x", "<13>Mon Nov 22 21:09:06.1 -0500 2026 h a: x", "<13>2026-11-23 03:09:06,123 GMT+02:00 h a: x",
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
