package engine

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTinyLeavesNothingOut: what a text has may be in it.
func TestTinyLeavesNothingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := ""
		var literals []literal
		for _, s := range rapid.SliceOfN(rapid.StringMatching(`[a-d\\]{2,3}`), fewTiny+1, mostTiny).Draw(t, "literals") {
			literals = append(literals, literal{at: uint32(len(texts)), size: uint32(len(s))})
			texts += s
		}
		_, tiny := newTiny(literals, texts)
		text := rapid.StringMatching(`[a-e\\]{0,40}`).Draw(t, "text")
		may := tiny.may(text)
		for i := range tiny.list {
			if want := tiny.list[i].of(texts); strings.Contains(text, want) && may>>i&1 == 0 {
				t.Fatalf("%q is in %q", want, text)
			}
		}
	})
}
