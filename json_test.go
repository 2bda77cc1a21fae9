package holdfast_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"holdfast"
)

// FuzzJSONString holds what is written against encoding/json: it reads back as
// the same text, and nothing in it means anything to HTML.
func FuzzJSONString(f *testing.F) {
	for _, s := range []string{
		"", "plain", `C:\Windows\System32\cmd.exe /c "dir"`, "a\x00b\x1f\x7f", "<script>&amp;</script>", "\u2028\u2029", "\xff\xfe", "é", "12345678\"", "1234567\\",
		strings.Repeat("x", 63) + "\n",
	} {
		f.Add(s)
	}
	for c := range 256 { // each byte at each place of a word
		for at := range 8 {
			f.Add(strings.Repeat("a", at) + string([]byte{byte(c)}) + strings.Repeat("b", 8))
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := holdfast.AppendJSONString(nil, s)
		for room := range 2*len(s) + 20 { // how much there is changes nothing
			if room += 2; room > 300 {
				break
			}
			if again := holdfast.AppendJSONString(make([]byte, 2, room), s); !bytes.Equal(again[2:], out) {
				t.Fatalf("%q is %q where there is room for %d bytes", out, again[2:], room-2)
			}
		}
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		want := s
		if !utf8.ValidString(s) {
			want = ""
			for _, r := range s {
				want += string(r)
			}
		}
		if back != want {
			t.Errorf("%q became %q", want, back)
		}
		if bytes.ContainsAny(out, "<>&\u2028\u2029\x7f") {
			t.Errorf("%q is not inert", out)
		}
	})
}

func TestFieldsJSON(t *testing.T) {
	many := func(n int, name func(int) string) (out []holdfast.Field) {
		for i := range n {
			out = append(out, holdfast.Field{Name: name(i), Text: fmt.Sprint(i), Kind: holdfast.Number})
		}
		return out
	}
	for name, fields := range map[string][]holdfast.Field{
		"none":                 nil,
		"lists":                {{Name: "a", Text: "1"}, {Name: "b", Text: "2"}, {Name: "a", Text: "3"}, {Name: "c"}, {Name: "a", Kind: holdfast.Null}},
		"names of one length":  many(200, func(i int) string { return fmt.Sprintf("field-%03d", i) }),
		"many":                 many(10_000, func(i int) string { return fmt.Sprint(i) }),
		"many and one again":   append(many(10_000, func(i int) string { return fmt.Sprint(i) }), holdfast.Field{Name: "0", Text: "x"}),
		"one name many times":  many(5_000, func(int) string { return "x" }),
		"the empty name twice": many(2, func(int) string { return "" }),
	} {
		t.Run(name, func(t *testing.T) {
			e := holdfast.Event{Fields: fields}
			got := map[string]any{}
			if err := json.Unmarshal(e.AppendFieldsJSON(nil), &got); err != nil {
				t.Fatal(err)
			}
			want := map[string][]string{}
			for _, f := range fields {
				text := f.Text
				if f.Kind == holdfast.Null {
					text = "<nil>"
				}
				want[f.Name] = append(want[f.Name], text)
			}
			if len(got) != len(want) {
				t.Fatalf("%d names, not %d", len(got), len(want))
			}
			for k, v := range want {
				said := fmt.Sprint(got[k])
				if len(v) == 1 && said != v[0] || len(v) > 1 && said != fmt.Sprint(v) {
					t.Errorf("%s: %v, not %v", k, got[k], v)
				}
			}
		})
	}
}

func BenchmarkFieldsJSON(b *testing.B) {
	e := holdfast.Event{}
	for i := range 25 {
		e.Fields = append(e.Fields, holdfast.Field{Name: fmt.Sprintf("ProcessField%d", i), Text: `C:\Windows\System32\svchost.exe -k netsvcs -p`})
	}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = e.AppendFieldsJSON(out[:0])
	}
	b.SetBytes(int64(len(out)))
}
