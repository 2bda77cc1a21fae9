package engine

import "testing"

func TestShortest(t *testing.T) {
	for expr, want := range map[string]int{
		`abc`:                3,
		`(?i)kelvin`:         6, // a K may be three bytes, but need not
		`a?b*c+`:             1,
		`\s[a-f]{64}\s.{2,}`: 68,
		`(?:one|three|.)x`:   2,
		`^$`:                 0,
		`(ab{2}){3}`:         9,
		`(`:                  0,
	} {
		if got := shortest(expr); got != want {
			t.Errorf("%s: %d, want %d", expr, got, want)
		}
	}
}
