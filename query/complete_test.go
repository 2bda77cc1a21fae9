package query

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestComplete completes at the mark ¦ and looks for what should be offered.
func TestComplete(t *testing.T) {
	fields := []string{"src_ip", "CommandLine", "strange name", "action"}
	for _, c := range []struct{ at, want, not, field, typed, replaces string }{
		{"¦", "events", "where", "", "", ""},
		{"us¦", "user.name:", "events", "", "", "us"},
		{"failed sr¦", "src_ip:", "sql", "", "", "sr"},
		{"action:log¦", "", "", "action", "log", "log"},
		{"-action:¦", "", "", "action", "", ""},
		{"events | ¦", "where", "count(", "", "", ""},
		{"events | su¦", "summarize", "where", "", "", "su"},
		{"events | project-a¦", "project-away", "project", "", "", "project-a"},
		{"events | where ¦", "src_ip", "count(", "", "", ""},
		{"events | where str¦", "['strange name']", "summarize", "", "", "str"},
		{"events | where str¦", "strlen(", "", "", "", "str"},
		{"events | where src_ip ¦", "startswith", "src_ip", "", "", ""},
		{"events | where src_ip has¦", "has_any", "has(", "", "", "has"},
		{`events | where action == "log¦`, "", "", "action", "log", `"log`},
		{`events | where action in ("a", 'b¦`, "", "", "action", "b", `'b`},
		{`events | where ['strange name'] != "¦`, "", "", "strange name", "", `"`},
		{"events | summarize ¦", "count(", "tolower(", "", "", ""},
		{"events | summarize n=count() by ¦", "bin(", "dcount(", "", "", ""},
		{"events | summarize n=count() by src_ip | where ¦", "n", "CommandLine", "", "", ""},
		{"events | summarize count() ¦", "by", "where", "", "", ""},
		{"events | render ¦", "timechart", "src_ip", "", "", ""},
		{"let x = 1; events | ¦", "where", "", "", "", ""},
	} {
		cursor := strings.Index(c.at, "¦")
		s := strings.Replace(c.at, "¦", "", 1)
		got := Complete(s, cursor, fields, noon)
		words := map[string]bool{}
		for _, i := range got.Items {
			words[i.Text] = true
		}
		if c.want != "" && !words[c.want] {
			t.Errorf("%s: %q is not offered: %v", c.at, c.want, got.Items)
		}
		if c.not != "" && words[c.not] {
			t.Errorf("%s: %q is offered", c.at, c.not)
		}
		if got.Field != c.field || got.Typed != c.typed || s[got.From:got.To] != c.replaces {
			t.Errorf("%s: field %q, typed %q, replaces %q", c.at, got.Field, got.Typed, s[got.From:got.To])
		}
	}
}

func TestCompletedValues(t *testing.T) {
	db := goldenDuckDB(t)
	st, err := Values("action", "LOGIN", Options{Range: goldenRange})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, db, "values", st); got != "value | n\nlogin_failed | 13\nlogin_success | 3" {
		t.Error(got)
	}
	if got := answer(t, db, "fields", Fields(Options{Range: goldenRange})); !strings.HasPrefix(got, "name | n\nproto | 21\n") && !strings.Contains(got, "CommandLine | 19") {
		t.Error(got)
	}
	c := Complete(`events | where action == "`, 26, nil, noon)
	c.Value(`a"b\`, "")
	if c.Items[0].Text != `"a\"b\\"` {
		t.Error(c.Items)
	}
}

// FuzzComplete holds that completing never panics and stays inside the text.
func FuzzComplete(f *testing.F) {
	for _, s := range []string{"events | where a == \"x", "us", "events | summarize count() by ", "let a = (", "a:\"", "events | project-"} {
		f.Add(s, len(s))
	}
	f.Fuzz(func(t *testing.T, s string, cursor int) {
		c := Complete(s, cursor, []string{"a b", "c"}, noon)
		if c.From < 0 || c.From > c.To || c.To > len(s) {
			t.Fatalf("%q %d: %d to %d", s, cursor, c.From, c.To)
		}
		for _, i := range c.Items {
			if !utf8.ValidString(i.Text) {
				t.Fatalf("%q: offers %q", s, i.Text)
			}
		}
	})
}
