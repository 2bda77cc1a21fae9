package query

import (
	"strings"
	"testing"
	"time"
)

func TestNewest(t *testing.T) {
	for text, want := range map[string]int{
		``: 11, `x`: 11, `source.ip:10.0.0.1 or user.name:bob`: 11, `events | order by time desc | take 3`: 3, `events | where n == 1 | order by time desc, id asc | take 100`: 11,
		`events | order by time desc | take 5 | take 3`: 3,
		`events | take 3`: 0, `events | order by time asc | take 3`: 0, `events | order by time desc | take 3 | where n == 1`: 0, `events | order by time desc | take 3 | order by id asc`: 0,
		`events | where id in ((events | project id))`: 0, `events | where id == toscalar(events | summarize max(id))`: 0, `events | project time`: 0, `events | count`: 0, `events | order by received desc, time desc`: 0,
		`events | order by time desc | take 5 | order by time desc, id asc | take 3`: 0,
	} {
		if st := narrowed(t, text); st.Newest != want || want > 0 && (st.Find == "" || !strings.Contains(strings.Join(st.Rewrites, " "), "newest part")) {
			t.Errorf("%q: %d, not %d; %v", text, st.Newest, want, st.Rewrites)
		}
	}
}

func TestNarrow(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 2, n, 0, 0, 0, 0, time.UTC) }
	micro := time.Microsecond
	for text, want := range map[string]Range{
		`events | where time >= datetime(2026-02-10) | count`:                                                   {day(10), goldenRange.To},
		`events | where time > datetime(2026-02-10) and time <= datetime(2026-02-12) and n == 1`:                {day(10).Add(micro), day(12).Add(micro)},
		`events | where time between (datetime(2026-02-10) .. 2d) | where time < datetime(2026-02-11) | take 3`: {day(10), day(11)},
		`events | where n == 1 | where time >= datetime(2026-02-10T00:00:00.0000019Z) | order by n asc`:         {day(10).Add(micro), goldenRange.To},
		`events | where time > datetime(2020-01-01) and time < datetime(2030-01-01) | count`:                    goldenRange,
		`events | where time > datetime(2030-01-01)`:                                                            {goldenRange.From, goldenRange.From},
		`events | where time >= ago(1h) | extend a = 1 | where time < datetime(2026-02-10)`:                     {goldenNow.Add(-time.Hour), goldenRange.To},
		`events | where time > datetime(2026-02-10) or n == 1`:                                                  goldenRange,
		`events | where not(time > datetime(2026-02-10))`:                                                       goldenRange,
		`events | where received > datetime(2026-02-10)`:                                                        goldenRange,
		`events | take 3 | where time > datetime(2026-02-10)`:                                                   goldenRange,
		`union (events | where time > datetime(2026-02-10)), (events | where n == 1)`:                           goldenRange,
		`events | where time > datetime(2026-02-10) | where id in ((events | project id))`:                      goldenRange,
		`events | where time > datetime(2026-02-10) | extend all = toscalar(events | count)`:                    goldenRange,
		`events | extend time2 = time | where time2 >= datetime(2026-02-10) | count`:                            {day(10), goldenRange.To},
		`events | summarize time = max(time) by user.name | where time > datetime(2026-02-10)`:                  goldenRange,
	} {
		st := narrowed(t, text)
		if !st.Range.From.Equal(want.From) || !st.Range.To.Equal(want.To) {
			t.Errorf("%s: %v, not %v", text, st.Range, want)
		}
		said := strings.Contains(strings.Join(st.Rewrites, " "), "bounds of time")
		if want != goldenRange && !said {
			t.Errorf("%s: nothing is said of it", text)
		}
	}
	if st := narrowed(t, `events | where time > ago(1d) | summarize count() by bin(time, 1h)`); !strings.Contains(st.SQL, CountsOf("time")) {
		t.Errorf("not from counts: %s", st.SQL)
	}
	q, err := Parse(`events | where time > ago(1d) | count`, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Range: goldenRange}, {Range: goldenRange, Narrow: true, Plain: true}} {
		if st, err := CompileWith(q, o); err != nil || st.Range != goldenRange {
			t.Errorf("%v %v", st.Range, err)
		}
	}
}

func narrowed(t *testing.T, text string) Statement {
	t.Helper()
	q, err := Parse(text, goldenNow)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	st, err := CompileWith(q, Options{Range: goldenRange, MaxRows: 10, Dialect: Segments(), Narrow: true})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return st
}
