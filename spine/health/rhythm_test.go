package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast"
)

// office is a minute of working days between 8 and 18, every 40 seconds or so.
func office(at time.Time) bool {
	return at.Weekday() != time.Saturday && at.Weekday() != time.Sunday && at.Hour() >= 8 && at.Hour() < 18
}

// TestRhythms lets sources of several rhythms live for some weeks, looks each
// ten minutes that nobody cries wolf, then stops them, and looks when it is
// said.
func TestRhythms(t *testing.T) {
	always := func(time.Time) bool { return true }
	for name, c := range map[string]struct {
		gives    func(at time.Time) bool // asked for every minute
		live     time.Duration           // then it stops
		from, to time.Duration           // when it is told, after its last event; 0 for never
		wolf     int                     // false alarms that are allowed, in looks: a first weekend cannot be known
	}{
		"steady":                               {gives: always, live: 10*24*time.Hour + 11*time.Hour, from: 9 * time.Minute, to: 12 * time.Minute},
		"steady, two days":                     {gives: always, live: 50 * time.Hour, from: 9 * time.Minute, to: 12 * time.Minute},
		"bursts each 3 hours":                  {gives: func(at time.Time) bool { return at.Hour()%3 == 0 && at.Minute() < 4 }, live: 14*24*time.Hour + time.Hour, from: 5 * time.Hour, to: 7 * time.Hour},
		"nightly":                              {gives: func(at time.Time) bool { return at.Hour() == 2 && at.Minute() < 10 }, live: 12*24*time.Hour + 5*time.Hour, from: 46 * time.Hour, to: 50 * time.Hour},
		"weekly":                               {gives: func(at time.Time) bool { return at.Weekday() == time.Tuesday && at.Hour() == 2 && at.Minute() < 10 }, live: 42 * 24 * time.Hour, from: 7*24*time.Hour + 20*time.Hour, to: 8*24*time.Hour + 8*time.Hour},
		"office, stops Tuesday at noon":        {gives: office, live: 15*24*time.Hour + 12*time.Hour, from: 9 * time.Minute, to: 12 * time.Minute},
		"office, does not come back on Monday": {gives: office, live: 19*24*time.Hour + 20*time.Hour, from: 84 * time.Hour, to: 88 * time.Hour},
		"office, the first weekend":            {gives: office, live: 7*24*time.Hour + 9*time.Hour, from: 9 * time.Minute, to: 12 * time.Minute},
		"a file, read once":                    {gives: always, live: 20 * time.Minute},
		"a file, read for five hours":          {gives: always, live: 5 * time.Hour},
		"enrolled this morning":                {gives: always, live: 9 * time.Hour},
		"tried out by hand, twice": {gives: func(at time.Time) bool {
			return at.Hour() == 15 && at.Minute() < 5 && at.Before(monday.Add(40*time.Hour))
		}, live: 40 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{m: New(DefaultLimits())}
			wolf := 0
			var last time.Time
			for at := monday; at.Before(monday.Add(c.live)); at = at.Add(time.Minute) {
				if c.gives(at) {
					w.send(at, "s")
					last = at
				}
				if at.Minute()%10 == 9 {
					if got := w.troubles(at, Quiet); len(got) > 0 {
						if wolf++; wolf > c.wolf {
							t.Fatalf("%s: %s", at.Format("Mon 2 15:04"), got[0].What)
						}
					}
				}
			}
			told := time.Duration(0)
			for at := last; at.Before(last.Add(20 * 24 * time.Hour)); at = at.Add(time.Minute) {
				if got := w.troubles(at, Quiet); len(got) > 0 {
					told = at.Sub(last)
					if !got[0].Since.Equal(last) || got[0].Source != "s" {
						t.Errorf("%+v", got[0])
					}
					break
				}
			}
			if told < c.from || told > c.to {
				t.Errorf("told after %s, wanted %s to %s; %s", told, c.from, c.to, w.m.Sources(last)[0].Rhythm)
			}
			if told == 0 {
				return
			}
			w.send(last.Add(told+time.Minute), "s")
			if got := w.troubles(last.Add(told+time.Minute), Quiet); len(got) > 0 {
				t.Errorf("it came back, and still: %s", got[0].What)
			}
		})
	}
}

func TestSettingsOverrideRhythm(t *testing.T) {
	l := DefaultLimits()
	for _, s := range []string{"quiet:fw*=5s", "quiet:printer=never", "quiet=1h"} {
		if err := l.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	w := world{m: New(l)}
	for at := monday; at.Before(monday.Add(48 * time.Hour)); at = at.Add(time.Minute) {
		w.send(at, "printer")
		w.send(at, "other")
	}
	end := monday.Add(48 * time.Hour)
	w.send(end, "fw1") // once is enough: its owner says that it comes all the time
	if got := w.troubles(end.Add(6*time.Second), Quiet); len(got) != 1 || got[0].Source != "fw1" {
		t.Errorf("after 6 s: %+v", got)
	}
	if got := w.troubles(end.Add(50*time.Minute), Quiet); len(got) != 1 {
		t.Errorf("after 50 min: %+v", got)
	}
	if got := w.troubles(end.Add(2*time.Hour), Quiet); len(got) != 2 || strings.Contains(fmt.Sprint(got), "printer") {
		t.Errorf("after 2 h: %+v", got)
	}
	if l.Shortest() != 5*time.Second {
		t.Error(l.Shortest())
	}
	for _, bad := range []string{"", "quiet", "quiet=", "quiet=soon", "clock:x=1m", "other=1", "parse=5", "parse=200%", "quiet=never", "disk=7d+x", "fields=-1", "quiet:=5m"} {
		if err := l.Set(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, good := range []string{"disk=14d", "disk=14d+10%", "lag=30s", "agent:lap*=never", "fields=0", "parse=10%", "clock=10m", "quiet:a=b=1m"} {
		if err := l.Set(good); err != nil {
			t.Error(err)
		}
	}
}

func TestDatedFilesAreOneSource(t *testing.T) {
	for in, want := range map[string]string{
		"ast-1/file:/srv/app-2026-11-28.log":    "ast-1/file:/srv/app-*.log",
		"ast-1/file:/srv/2026/11/28/app.log":    "ast-1/file:/srv/2026/11/28/app.log", // folders of dates stay apart
		"ast-1/file:/srv/app.log.20261128-0300": "ast-1/file:/srv/app.log.*",
		"file:/var/log/web1.log":                "file:/var/log/web1.log",
		"syslog:tcp:192.0.2.7":                  "syslog:tcp:192.0.2.7",
		"http:20261128":                         "http:20261128",
		"ast-1/file:/x/u_ex261128.log":          "ast-1/file:/x/u_ex261128.log",
	} {
		if got := Family(in); got != want {
			t.Errorf("%s: %s, wanted %s", in, got, want)
		}
	}
}

// TestNobodyListened: while blocks wait and none is counted, no source is silent.
func TestNobodyListened(t *testing.T) {
	l := DefaultLimits()
	if err := l.Set("quiet:*=1m"); err != nil {
		t.Fatal(err)
	}
	m, now := New(l), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	block := func(seq uint64) {
		m.Observe(seq, &holdfast.Block{Made: now, Events: []holdfast.Event{{Source: "syslog:a", Dataset: "linux.sshd", Time: now}}})
	}
	pass := func(d time.Duration, newest uint64) int {
		now = now.Add(d)
		m.Listen(now, newest)
		return len(m.Judge(now))
	}
	block(1)
	if n := pass(50*time.Second, 1); n != 0 {
		t.Fatalf("%d troubles of a source that is not yet quiet", n)
	}
	for i := range 30 { // the reader stands still, and more comes
		if n := pass(10*time.Second, 2+uint64(i)); n != 0 && i > 0 {
			t.Fatalf("look %d: %d troubles while nobody listened", i, n)
		}
	}
	block(40)
	if n := pass(50*time.Second, 40); n != 0 {
		t.Fatalf("%d troubles after it went on", n)
	}
	if n := pass(30*time.Second, 40); n != 1 {
		t.Fatalf("%d troubles of a source that is quiet, while its reader has all", n)
	}
}
