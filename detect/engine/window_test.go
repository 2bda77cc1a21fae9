package engine

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestWindow: a text without the window has no match, and where the window is
// exact, a text with it has one.
func TestWindow(t *testing.T) {
	exprs := []string{
		`\s[a-f0-9]{6}\s[a-f0-9]{2}`, `ab+c`, `aa+ab`, `ba+bab`, `a+b`, `ab+`, `ab{2,4}`, `a{2,}b{1,3}`, `(?i)ab.c`, `a[^b]c`, `x?abc`, `(a|b)cab`, `^abc`, `abc$`, `\babc\b`,
		`(ab)+c`, `a.{2}b`, `a.*bcc`, `0x[a-f0-9]{3}`, `[ab]{3,}`, `(?i)k[s]a`, `é?abc`, `cab|bac`, `a{70}`, `[a-c]{3}`, `abc\.[a-c]{1,3}\.[ "]{1}`,
		`a.*b.*c`, `ab.*ba`, `a.*a.*a.*a`, `(?i)k.*ab.*[xs]`, `.*ab.*`, `a.*b+.*c`,
		`\s['"]?ab:(?:x0|xc|b)`, `(?:ab)?cab(?:c|x)?`, `abc\sx{1,4}(?:\s?(?:ab|c))?`, `(?:ab).*c\s?x.*(?:a|ba)`, `(a|b)(b|c)ab`, `(?:ab|(?:c.*)?bc)a`, `a?b?c?`, `abc|x*`, `x?a?abc(?:c|x)*`, `\s*abc\s{0,2}`, `(?:ab)?[xk]a{1,3}b?`, `.*abc\sx{1,4}.*`, `ab[^c]?x`,
	}
	found, exact := 0, 0
	for _, expr := range exprs {
		w, re := windowOf(expr), regexp.MustCompile(expr)
		if w == nil {
			continue
		}
		found++
		if w.exact {
			exact++
		}
		rapid.Check(t, func(t *rapid.T) {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "aa", "abc", "x", " ", ".", "\"", "A", "K", "s", "0x", "f0", "\n"}), 0, 24).Draw(t, "text"), "")
			if w.line {
				text = strings.ReplaceAll(text, "\n", "")
			}
			var g grams
			g.fill(fold(text))
			have, match := w.in(text, nil), re.MatchString(text)
			if w.in(text, &g) != have {
				t.Fatalf("%s: pairs of bytes hide %q", expr, text)
			}
			if match && !have {
				t.Fatalf("%s matches %q, which has no window", expr, text)
			}
			if w.exact && have && !match {
				t.Fatalf("%s does not match %q, which has the window", expr, text)
			}
		})
	}
	if found < 20 || exact < 12 {
		t.Errorf("%d of %d expressions have a window, %d an exact one", found, len(exprs), exact)
	}
	for text, want := range map[string]bool{strings.Repeat("a", 69): false, strings.Repeat("a", 70): true, strings.Repeat("a", 69) + "b" + strings.Repeat("a", 69): false, "b" + strings.Repeat("a", 71): true} {
		one := test{re: regexp.MustCompile(`a{70}`), window: windowOf(`a{70}`)}
		if got := one.matches(&folded{low: text, plain: true}, nil, text); got != want {
			t.Errorf("%d letters: %v", len(text), got)
		}
	}
}
