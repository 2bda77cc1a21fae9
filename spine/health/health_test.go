package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
)

// monday is 00:00 UTC of one.
var monday = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

type world struct {
	m   *Model
	seq uint64
}

func (w *world) send(at time.Time, source string, events ...holdfast.Event) {
	if len(events) == 0 {
		events = []holdfast.Event{{Time: at}}
	}
	for i := range events {
		if events[i].Source == "" {
			events[i].Source = source
		}
		if events[i].Dataset == "" {
			events[i].Dataset = "syslog"
		}
	}
	w.seq++
	w.m.Observe(w.seq, &holdfast.Block{Made: at, Events: events})
}

func (w *world) troubles(at time.Time, kind string) []Trouble {
	return slices.DeleteFunc(w.m.Judge(at), func(t Trouble) bool { return t.Kind != kind })
}

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

// TestClock tries sources with clocks that are right, wrong, and only seem to
// be.
func TestClock(t *testing.T) {
	each := func(n int, of func(i int) time.Duration) func(time.Time) []holdfast.Event {
		return func(at time.Time) (out []holdfast.Event) {
			for i := range n {
				out = append(out, holdfast.Event{Time: at.Add(of(i))})
			}
			return out
		}
	}
	for name, c := range map[string]struct {
		events func(at time.Time) []holdfast.Event
		want   string
	}{
		"right":          {each(3, func(i int) time.Duration { return -time.Duration(i) * time.Second }), ""},
		"a little ahead": {each(3, func(int) time.Duration { return 20 * time.Second }), ""},
		"ahead":          {each(1, func(int) time.Duration { return 7 * time.Minute }), "7 min ahead"},
		"wrong zone":     {each(3, func(int) time.Duration { return -2*time.Hour - 2*time.Second }), "2 h behind, almost exactly 2h0m0s, which looks like a wrong time zone"},
		"one future event among many": {each(30, func(i int) time.Duration {
			if i == 7 {
				return 3 * time.Hour
			}
			return -time.Second
		}), "x"},
		"an old file": {func(at time.Time) []holdfast.Event {
			return each(50, func(i int) time.Duration { return -time.Duration(50-i) * time.Hour })(at)
		}, ""},
		"an old file, read slowly": {func(at time.Time) []holdfast.Event {
			return []holdfast.Event{{Time: monday.Add(-1000 * time.Hour).Add(at.Sub(monday) / 3)}}
		}, "x"},
		"backfill, ten times as fast": {func(at time.Time) []holdfast.Event {
			return []holdfast.Event{{Time: monday.Add(-300 * time.Hour).Add(10 * at.Sub(monday))}}
		}, ""},
		"hourly batches of the last hour": {func(at time.Time) []holdfast.Event {
			if at.Minute() != 5 {
				return nil
			}
			return each(60, func(i int) time.Duration { return -time.Duration(i+20) * time.Minute })(at)
		}, ""},
		"a cloud that takes its time": {func(at time.Time) []holdfast.Event {
			return []holdfast.Event{{Time: at.Add(-time.Duration(16+at.Minute()%11) * time.Minute)}}
		}, ""},
		"1970": {func(at time.Time) []holdfast.Event {
			return []holdfast.Event{{Time: at, Trouble: "clock 1970-01-01T00:00:01Z repaired"}}
		}, "before the year 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{m: New(DefaultLimits())}
			var got []Trouble
			at := monday
			for range 150 {
				at = at.Add(time.Minute)
				if e := c.events(at); len(e) > 0 {
					w.send(at, "s", e...)
				}
				if got = w.troubles(at.Add(30*time.Second), Clock); c.want == "" && len(got) > 0 {
					t.Fatalf("%s: %s", at, got[0].What)
				}
			}
			switch {
			case c.want == "x":
				// One event among many: the source's clock is not said to be off for it.
				if len(got) > 0 && strings.Contains(got[0].What, "ahead") && len(c.events(at)) < 30 {
					t.Error(got[0].What)
				}
			case c.want == "":
			case len(got) != 1 || !strings.Contains(got[0].What, c.want):
				t.Fatalf("%+v", got)
			default:
				for range 3 {
					at = at.Add(time.Minute)
					w.send(at, "s", holdfast.Event{Time: at})
				}
				if got := w.troubles(at.Add(2*time.Minute), Clock); len(got) > 0 {
					t.Errorf("the clock is right again, and still: %s", got[0].What)
				}
			}
		})
	}
}

func TestParseFailuresRise(t *testing.T) {
	w := world{m: New(DefaultLimits())}
	at := monday
	block := func(good, dead int) {
		at = at.Add(time.Minute)
		var events []holdfast.Event
		for range good {
			events = append(events, holdfast.Event{Time: at})
		}
		for range dead {
			events = append(events, holdfast.Event{Time: at, Dataset: holdfast.DeadLetter})
		}
		w.send(at, "s", events...)
	}
	for range 120 { // 2 in 100 are usual
		block(98, 2)
		if got := w.troubles(at, Parse); len(got) > 0 {
			t.Fatal(got[0].What)
		}
	}
	for range 3 {
		block(50, 50)
	}
	got := w.troubles(at, Parse)
	if len(got) != 1 || got[0].Source != "s" {
		t.Fatalf("%+v", got)
	}
	since := got[0].Since
	for range 60 { // it does not get used to it
		block(60, 40)
		if got = w.troubles(at, Parse); len(got) != 1 || !got[0].Since.Equal(since) {
			t.Fatalf("%+v", got)
		}
	}
	for range 15 {
		block(100, 0)
		got = w.troubles(at, Parse)
	}
	if len(got) > 0 {
		t.Errorf("mended, and still: %s", got[0].What)
	}
}

// TestFieldStopsComing has a dataset of two kinds of event, one of them rare,
// lose a field.
func TestFieldStopsComing(t *testing.T) {
	w := world{m: New(DefaultLimits())}
	w.m.Watch(map[string]Watched{"d": {"CommandLine": {"CommandLine", "cmd"}, "Never": {"Never"}, "Rare": {"Rare"}}})
	at := monday
	block := func(i int, command string) {
		at = at.Add(time.Minute)
		var events []holdfast.Event
		for j := range 20 {
			e := holdfast.Event{Time: at, Dataset: "d", Fields: []holdfast.Field{{Name: "Image", Text: "a"}}}
			if j%3 == 0 && command != "" {
				e.Fields = append(e.Fields, holdfast.Field{Name: command, Text: "x"})
			}
			if (i*20+j)%700 == 0 {
				e.Fields = append(e.Fields, holdfast.Field{Name: "Rare", Text: "x"})
			}
			events = append(events, e)
		}
		w.send(at, "s", events...)
	}
	n := 0
	for range 3000 {
		n++
		block(n, "CommandLine")
		if got := w.troubles(at, Field); len(got) > 0 {
			t.Fatal(got[0].What)
		}
	}
	for range 200 { // another name of the same field is the field
		n++
		block(n, "cmd")
		if got := w.troubles(at, Field); len(got) > 0 {
			t.Fatal(got[0].What)
		}
	}
	var got []Trouble
	for range 300 {
		n++
		block(n, "")
		got = w.troubles(at, Field)
	}
	if len(got) != 1 || got[0].Field != "CommandLine" || got[0].Dataset != "d" {
		t.Fatalf("%+v", got)
	}
	block(n, "CommandLine")
	if got := w.troubles(at, Field); len(got) > 0 {
		t.Errorf("it is back, and still: %s", got[0].What)
	}
	w.m.Watch(nil)
	if got := w.troubles(at, Field); len(got) > 0 {
		t.Errorf("no rule needs it, and still: %s", got[0].What)
	}
}

func TestDiskForecast(t *testing.T) {
	const gib = 1 << 30
	m := New(DefaultLimits())
	told := 0
	var first time.Time
	for h := range 24 * 20 { // 10 GiB a day onto 200 GiB
		at := monday.Add(time.Duration(h) * time.Hour)
		m.SeeDisk(at, 200*gib-uint64(h)*10*gib/24, 200*gib, gib)
		if got := m.Judge(at); len(got) > 0 {
			if told++; told == 1 {
				first = at
			}
			if got[0].Kind != Disk {
				t.Fatal(got)
			}
		}
	}
	if days := first.Sub(monday).Hours() / 24; days < 12 || days > 14 {
		t.Errorf("told after %.1f days, with %.1f left", days, 20-days)
	}
	m = New(DefaultLimits())
	for h := range 24 * 7 { // retention makes a saw; nothing grows
		at := monday.Add(time.Duration(h) * time.Hour)
		m.SeeDisk(at, 100*gib-uint64(h%24)*gib, 200*gib, gib)
		if got := m.Judge(at); h > 48 && len(got) > 0 {
			t.Fatalf("hour %d: %s", h, got[0].What)
		}
	}
	m.SeeDisk(monday, gib+gib/2, 200*gib, gib)
	if got := m.Judge(monday); len(got) != 1 || !got[0].Now {
		t.Errorf("almost full: %+v", got)
	}
}

func TestLag(t *testing.T) {
	var l Lags
	at := monday
	see := func(last, rules, store uint64) []Trouble {
		at = at.Add(10 * time.Second)
		return l.Judge(at, l.See(at, last, map[string]uint64{"rules": rules, "store": store}), time.Minute)
	}
	for i := range uint64(100) {
		if got := see(i*1000, i*1000, max(i*1000, 500)-500); len(got) > 0 { // behind by blocks, not by time
			t.Fatal(got)
		}
	}
	var got []Trouble
	for i := range uint64(20) {
		got = see(100_000+i*100, 99_000, 100_000+i*100)
	}
	if len(got) != 1 || got[0].Subject != "rules" || !strings.Contains(got[0].What, "200 s") && !strings.Contains(got[0].What, "3 min") {
		t.Fatalf("%+v", got)
	}
	if got := see(102_000, 102_000, 102_000); len(got) > 0 {
		t.Error(got)
	}
}

// TestSnapshot interrupts a life at every hour: what is told is the same.
func TestSnapshot(t *testing.T) {
	w := world{m: New(DefaultLimits())}
	for at := monday; at.Before(monday.Add(72 * time.Hour)); at = at.Add(time.Minute) {
		w.send(at, "s")
		if at.Minute() == 0 {
			b, seq, err := w.m.Snapshot(at, []Trouble{{Kind: Quiet, Subject: "x"}})
			if err != nil {
				t.Fatal(err)
			}
			again := New(DefaultLimits())
			troubles, err := again.Restore(b, seq, at)
			if err != nil || len(troubles) != 1 {
				t.Fatal(err, troubles)
			}
			w.m = again
		}
	}
	end := monday.Add(72 * time.Hour)
	if got := w.troubles(end.Add(11*time.Minute), Quiet); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	b, seq, err := w.m.Snapshot(end, nil)
	if err != nil {
		t.Fatal(err)
	}
	away := New(DefaultLimits())
	if _, err := away.Restore(b, seq, end.Add(5*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := away.Judge(end.Add(5*time.Hour + 5*time.Minute)); len(got) > 0 {
		t.Errorf("nobody listened for five hours, and: %s", got[0].What)
	}
	if got := away.Judge(end.Add(5*time.Hour + 12*time.Minute)); len(got) != 1 {
		t.Errorf("it is still silent: %+v", got)
	}
	before := w.m.Sources(end)[0].Events
	w.m.Observe(w.seq, &holdfast.Block{Made: end, Events: []holdfast.Event{{Source: "s"}}})
	if got := w.m.Sources(end)[0].Events; got != before {
		t.Errorf("a block was counted twice: %d, %d", before, got)
	}
	for _, bad := range []string{"{", `{"version":9}`, "null", `{"version":1,"sources":[null,{"name":"a","rhythm":{"slots":"AA=="}}],"datasets":{"x":null}}`} {
		m := New(DefaultLimits())
		_, err := m.Restore([]byte(bad), 1, end)
		if err != nil && !errors.Is(err, holdfast.ErrInvalid) {
			t.Error(err)
		}
		m.Judge(end)
	}
}

func TestBounds(t *testing.T) {
	m := New(DefaultLimits())
	for i := range 3 * maxSources {
		m.Observe(uint64(i+1), &holdfast.Block{Made: monday.Add(time.Duration(i) * time.Second), Events: []holdfast.Event{{Source: fmt.Sprint("s", i), Dataset: fmt.Sprint("d", i)}}})
	}
	if got := m.Sources(monday); len(got) > maxSources || len(got) < maxSources*9/10 || got[0].Source == "s0" {
		t.Errorf("%d sources", len(got))
	}
	for i := range 100 {
		m.Observe(0, &holdfast.Block{Made: monday, Events: []holdfast.Event{{Source: "one", Dataset: fmt.Sprint("d", i)}}})
	}
	for _, s := range m.Sources(monday) {
		if len(s.Datasets) > maxDatasets {
			t.Errorf("%d datasets", len(s.Datasets))
		}
	}
}

func FuzzRestore(f *testing.F) {
	w := world{m: New(DefaultLimits())}
	w.m.Watch(map[string]Watched{"syslog": {"a": {"a"}}})
	for i := range 100 {
		w.send(monday.Add(time.Duration(i)*time.Hour), "s")
	}
	b, _, err := w.m.Snapshot(monday, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := New(DefaultLimits())
		if _, err := m.Restore(b, 1, monday); err != nil && !errors.Is(err, holdfast.ErrInvalid) {
			t.Fatal(err)
		}
		m.Observe(2, &holdfast.Block{Made: monday, Events: []holdfast.Event{{Source: "s", Dataset: "syslog"}}})
		m.Judge(monday.Add(time.Hour))
		m.Sources(monday)
	})
}

func FuzzSettings(f *testing.F) {
	for _, s := range []string{"quiet:syslog:*=5m", "disk=7d+5%", "parse=1%", "agent=never"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := DefaultLimits()
		if err := l.Set(s); err == nil && l.Shortest() < time.Second {
			t.Errorf("%q: looks every %s", s, l.Shortest())
		}
	})
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
