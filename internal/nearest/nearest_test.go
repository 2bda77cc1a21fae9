package nearest

import (
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	known := []string{"where", "summarize", "count", "countif", "has"}
	for _, c := range []struct {
		word  string
		limit int
		want  string
	}{
		{"wher", 3, "where"},
		{"wheer", 3, "where"},
		{"hwere", 3, "where"},
		{"sumarise", 3, "summarize"},
		{"sumarise", 2, ""},
		{"coun", 3, "count"},
		{"counti", 3, "count"}, // as near as countif, and before it
		{"countif", 1, "countif"},
		{"count", 0, ""},
		{"", 3, ""},
		{"", 4, "has"},
		{"something else", 3, ""},
		{strings.Repeat("x", 65), 100, ""},
	} {
		if got := Word(c.word, known, c.limit); got != c.want {
			t.Errorf("%q within %d: %q, want %q", c.word, c.limit, got, c.want)
		}
	}
	if got := Word("x", nil, 3); got != "" {
		t.Errorf("of no words: %q", got)
	}
}

func TestSay(t *testing.T) {
	if got := Say("wher", []string{"where"}, 3, "other"); got != `did you mean "where"?` {
		t.Error(got)
	}
	if got := Say("when", []string{"count"}, 3, "other"); got != "other" {
		t.Error(got)
	}
}

// FuzzDistance holds it to what every distance keeps.
func FuzzDistance(f *testing.F) {
	f.Add("kitten", "sitting")
	f.Add("", "abc")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > longest || len(b) > longest {
			return
		}
		d := distance(a, b, 1000)
		if d != distance(b, a, 1000) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < len(a)-len(b) || d < len(b)-len(a) {
			t.Errorf("%q to %q: %d", a, b, d)
		}
		if got := distance(a, b, 3); got != min(d, 3) {
			t.Errorf("%q to %q: %d, limited to 3: %d", a, b, d, got)
		}
	})
}
