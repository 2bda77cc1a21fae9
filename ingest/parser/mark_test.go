package parser_test

import (
	"bytes"
	"testing"

	"holdfast/ingest/parser"
)

// FuzzMark has a mark find what bytes.Contains finds.
func FuzzMark(f *testing.F) {
	for _, text := range []string{`"event_type"`, `"a"`, "aab", "12", "x", "Zz"} {
		for _, raw := range []string{"", text, text[1:], text + text, text[:1] + text, `{"event_typ":"event_type"}`, "aaaab", "aaba", "zZz", "yyyyy\"event_type"} {
			f.Add(text, []byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		if text == "" {
			return
		}
		m := parser.NewMark(text)
		if got, want := m.In(raw), bytes.Contains(raw, []byte(text)); got != want {
			t.Errorf("%q in %q: %v", text, raw, got)
		}
	})
}
