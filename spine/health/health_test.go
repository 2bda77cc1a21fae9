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
