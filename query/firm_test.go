package query

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestFirm(t *testing.T) {
	for text, want := range map[string]string{
		"inventory-7a": "ry-7", `c:\windows`: `c:\w`, "mimikatz": "", "a-b": "a-b", "i-k": "", "in-7k": "n-7", "10.0.0.1 x": "10.0.0.1", "café99": "99", "": "", "x 1  2 ": "",
		"é-": "", "a--b---": "a--b---", "ws-042.corp": "-042.", "Y-7A": "Y-7A", "abc-d": "bc-", "K-9i": "-9", "in k": "",
	} {
		if got := firm(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
	for r := rune(0x80); r <= unicode.MaxRune; r++ { // what firm stands on
		if low := unicode.ToLower(r); low < 0x80 && (!letter(byte(low)) || !unsteady(byte(low))) {
			t.Errorf("%q becomes %q", r, low)
		}
	}
	if got := forms("y-7a"); !slices.Equal(got, []string{"y-7a", "Y-7a", "y-7A", "Y-7A"}) {
		t.Error(got)
	}
	q, err := Parse(`events | where CommandLine contains "inventory-7a" or not(CommandLine contains "x-99")`, goldenNow)
	if err != nil {
		t.Fatal(err)
	}
	st, err := CompileWith(q, Options{Range: goldenRange, MaxRows: 10, Dialect: Segments()})
	if err != nil || strings.Count(st.SQL, "contains(") != 1+4+1 {
		t.Errorf("%v %s", err, st.SQL)
	}
}
