package parser_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"holdfast/ingest/parser"
)

const object = `{"a":"x\\y","b":{"c":[1,"two",{"d":null}],"e":{}},"f":true,"g":[],"h":"","a":-1.5e3,"i":[[true],false]}`

// objects are those of parsers that use Flat, and some that differ in what stands
// between their values.
func objects(tb testing.TB) (out [][]byte) {
	tb.Helper()
	for _, name := range []string{"zeek", "suricata", "cloud", "esf"} {
		b, err := os.ReadFile(filepath.Join(name, "testdata", "lines.txt"))
		if err != nil {
			tb.Fatal(err)
		}
		for line := range bytes.SplitSeq(b, []byte("\n")) {
			out = append(out, bytes.Clone(line))
		}
	}
	for _, s := range []string{
		object, object + " ", " " + object, object + "x", strings.ReplaceAll(object, `"a"`, `"\u0061\n"`), strings.Replace(object, "null", "false", 1),
		strings.Replace(object, "null", `"null"`, 1), strings.Replace(object, "-1.5e3", `"-1.5e3"`, 1), strings.Replace(object, "{}", `{"":1}`, 1),
		strings.Replace(object, ":", ": ", 3), strings.Replace(object, `""`, `"\u00e4\ud83d\ude00"`, 1), `{}`, `{"a":{}}`, `{"a":[`, `{"x":{"y":1},"z":{"y":"2"}}`,
	} {
		out = append(out, []byte(s))
	}
	return out
}

// FuzzFlat: an object is read the same whether its like was read before or not.
func FuzzFlat(f *testing.F) {
	all := objects(f)
	for _, raw := range all {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		seen, fresh := parser.Flat{Top: true, Learns: true}, parser.Flat{Top: true}
		var m parser.Memory
		for _, l := range append(all[max(0, len(all)-20):], raw) {
			_, _ = seen.Object(l, &m)
		}
		want, first := fresh.Object(raw, nil)
		for _, into := range []*parser.Memory{&m, nil} {
			got, second := seen.Object(raw, into)
			if (first == nil) != (second == nil) || first != nil && first.Error() != second.Error() {
				t.Fatalf("%v, but the first time %v", second, first)
			}
			if first != nil {
				continue
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Fatal(d)
			}
			if d := cmp.Diff(fresh.Members, seen.Members, cmpopts.EquateEmpty()); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// TestFlatLearns: an object whose like was read before is known, and reading it
// allocates nothing.
func TestFlatLearns(t *testing.T) {
	f := parser.Flat{Top: true, Learns: true}
	var m parser.Memory
	for i := range 3 {
		if _, err := f.Object([]byte(object), &m); err != nil || (f.Layout != nil) != (i > 0) {
			t.Fatalf("%v, %v", f.Layout, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Object([]byte(object), &m) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	for i := range 50_000 { // none is like another
		raw := strings.Replace(object, `"f"`, `"f`+strings.Repeat("x", i%200)+string(rune('a'+i%26))+`"`, 1)
		if _, err := f.Object([]byte(raw), &m); err != nil {
			t.Fatal(err)
		}
	}
}
