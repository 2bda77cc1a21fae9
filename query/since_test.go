package query

import (
	"testing"
	"time"
)

// TestSince holds that a range reaches back to what a query compares time with,
// however that is written.
func TestSince(t *testing.T) {
	now := time.Date(2026, 3, 5, 12, 30, 0, 0, time.UTC) // a Thursday
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	for text, want := range map[string]time.Time{
		`events | where user == "x"`:                                                                 {},
		`events | where time > ago(3d)`:                                                              now.AddDate(0, 0, -3),
		`events | where time between (ago(3d) .. ago(-1h))`:                                          now.AddDate(0, 0, -3),
		`events | where time > ago(-1h)`:                                                             now.Add(time.Hour),
		`events | where time > now() - 3d`:                                                           now.AddDate(0, 0, -3),
		`events | where time > now(-3d)`:                                                             now.AddDate(0, 0, -3),
		`let d = 1d; events | where time > ago(2 * d + d)`:                                           now.AddDate(0, 0, -3),
		`let d = 6d; events | where time > ago(d / 2)`:                                               now.AddDate(0, 0, -3),
		`let end = todatetime("2026-03-04"); events | where time between (end - 2d .. end)`:          day(2),
		`let end = datetime(2026-03-04); let start = end - 2d; events | where time > start`:          day(2),
		`events | where time >= startofday(ago(3d))`:                                                 day(2),
		`events | where time >= startofweek(now())`:                                                  day(1),
		`events | where time >= startofmonth(now())`:                                                 day(1),
		`events | where time >= bin(ago(3d), 1d)`:                                                    day(2),
		`events | where time > now() - (now() - datetime(2026-03-02))`:                               day(2),
		`events | join kind=leftanti (events | where time between (ago(30d) .. now() - 1d)) on user`: now.AddDate(0, 0, -30),
	} {
		q, err := Parse(text, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _ := Since(q); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestLate holds that a query which asks for more than its range has says so, at
// the characters that ask.
func TestLate(t *testing.T) {
	now := time.Date(2026, 3, 5, 12, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		`events | where time > ago(7d)`:                          "ago(7d)",
		`let d = 7d; events | where n == 1 and time >= ago(2*d)`: "ago(2*d)",
		`time:>2026-03-01`:                                       "2026-03-01",
		`events | where time > ago(1d)`:                          "",
		`events | where n == 1`:                                  "",
	} {
		q, err := Parse(text, now)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if late := Late(q, Range{now.Add(-24*time.Hour + 20*time.Second), now}); late != nil {
			got = text[late.Pos : late.Pos+late.Len]
		}
		if got != want {
			t.Errorf("%s: points at %q, not %q", text, got, want)
		}
	}
}
