package holdfast

import (
	"strings"
	"testing"
)

// FuzzStands: a text stands at the start of a record as it is, or with a backslash
// before each of its backslashes and quotes, or not at all.
func FuzzStands(f *testing.F) {
	for _, text := range []string{``, `C:\Windows\System32\cmd.exe`, `"C:\a b\c.exe" --x="y"`, `\\`, `plain text of some length`, `1234567\`, `12345678\`, `1234567"89`} {
		escaped := string(appendEscaped(nil, text))
		for _, raw := range []string{text, escaped, escaped + `","next":"`, text + "x", strings.TrimSuffix(escaped, "e"), escaped[:len(escaped)/2]} {
			f.Add(raw, text)
		}
	}
	f.Fuzz(func(t *testing.T, raw, text string) {
		want, wantHow := -1, byte(0)
		if e := string(appendEscaped(nil, text)); strings.HasPrefix(raw, text) {
			want, wantHow = len(text), asIs
		} else if strings.HasPrefix(raw, e) {
			want, wantHow = len(e), escaped
		}
		if n, how := stands(raw, text); n != want || how != wantHow {
			t.Errorf("%q at the start of %q: %d, %d; want %d, %d", text, raw, n, how, want, wantHow)
		}
	})
}
