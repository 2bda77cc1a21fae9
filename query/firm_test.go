package query

import (
	"strings"
	"testing"
	"unicode"
)

func TestFirm(t *testing.T) {
	for text, want := range map[string]string{
		"inventory-7a": "-7", `c:\windows`: `:\`, "mimikatz": "", "a-b": "", "10.0.0.1 x": "10.0.0.1", "café99": "99", "": "", "x 1  2 ": "", "é-": "", "a--b---": "---",
	} {
		if got := firm(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
	for r := rune(0x80); r <= unicode.MaxRune; r++ { // what firm stands on
		if low := unicode.ToLower(r); low < 0x80 && !letter(byte(low)) {
			t.Errorf("%q becomes %q", r, low)
		}
	}
	q, err := Parse(`events | where CommandLine contains "inventory-7a" or not(CommandLine contains "x-99")`, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	st, err := CompileWith(q, Options{Range: goldenRange, MaxRows: 10, Dialect: Segments()})
	if err != nil || strings.Count(st.SQL, "contains(") != 3 {
		t.Errorf("%v %s", err, st.SQL)
	}
}
