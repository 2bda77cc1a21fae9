package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestGramsHideNothing: a text that has another has its pairs.
func TestGramsHideNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.StringMatching(`[ -~]{0,12}`)
		texts := rapid.SliceOfN(some, 1, 3).Draw(t, "texts")
		asks, ok := rarest(texts...)
		if !ok && len(texts[0]) > 1 {
			t.Fatalf("%q has pairs", texts)
		}
		var g grams
		g.fill(some.Draw(t, "head") + strings.Join(texts, some.Draw(t, "between")) + some.Draw(t, "tail"))
		if ok && !g.may(&asks) {
			t.Fatalf("%q is hidden", texts)
		}
	})
}

// TestNearASCII: what folds to ASCII begins with one of the bytes that say so.
func TestNearASCII(t *testing.T) {
	for r := rune(0x80); r <= utf8.MaxRune; r++ {
		s := string(r)
		if b, _ := appendFolded(nil, s); b[0] < 0x80 && nearASCII(s) {
			t.Errorf("%U folds to %q", r, b)
		}
	}
}
