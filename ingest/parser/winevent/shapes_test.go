package winevent

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"holdfast/ingest/parser"
)

// layouts are events that differ in what stands between their values.
func layouts(tb testing.TB) [][]byte {
	tb.Helper()
	lines, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		tb.Fatal(err)
	}
	out := bytes.Split(bytes.TrimSpace(lines), []byte("\n"))
	for _, s := range []string{
		process,
		strings.Replace(process, `"EventID":1`, `"EventID":"1"`, 1),
		strings.Replace(process, `"EventID":1`, `"EventID": 1 `, 1),
		strings.Replace(process, "null", "true", 1),
		strings.Replace(process, "null", "false", 1),
		strings.Replace(process, "null", `[1,"two",null]`, 1),
		strings.Replace(process, "null", `{"a":1,"b":{"#text":"c"}}`, 1),
		strings.Replace(process, "4711", "-47.11e2", 1),
		strings.Replace(process, "cmd.exe", `c\u006dd\n.exe`, 1),
		strings.Replace(process, `"Channel"`, `"channel"`, 1),
		strings.Replace(process, `"EventData":{`, `"EventData":{"Channel":"other","EventID":9,"EventType":"x",`, 1),
		strings.Replace(process, `"EventData"`, `"UserData":{"X":{"#attributes":{"xmlns":"urn:x"},"Y":"z"}},"EventData"`, 1),
		process + " \n",
	} {
		out = append(out, []byte(s))
	}
	return out
}

// FuzzShapes: an event is read the same whether the reader has seen its like or
// not.
func FuzzShapes(f *testing.F) {
	for _, raw := range layouts(f) {
		f.Add(raw)
		f.Add(raw[:len(raw)-2])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		seen, fresh := newReader(), newReader()
		var m parser.Memory
		for _, l := range append(layouts(t), raw) {
			_, _ = seen.parse(l, &m)
		}
		want, first := fresh.parse(raw, &parser.Memory{})
		got, second := seen.parse(raw, &m)
		if (first == nil) != (second == nil) || first != nil && first.Error() != second.Error() {
			t.Fatalf("%v, but the first time %v", second, first)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); first == nil && diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestShapesAreBounded: a sender that never writes an event twice the same way
// does not fill the memory.
func TestShapesAreBounded(t *testing.T) {
	r := newReader()
	var m parser.Memory
	for i := range 30_000 {
		raw := []byte(strings.Replace(process, "Rule Name", "Rule"+strings.Repeat("x", i%300)+string(rune('a'+i%26)), 1))
		if _, err := r.parse(raw, &m); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.shapes.Len(); n > 30_000 {
		t.Errorf("%d places are kept", n)
	}
	long := []byte(strings.Replace(process, `"EventID"`, strings.Repeat(" ", 10_000)+`"EventID"`, 1))
	for range 2 {
		if _, err := r.parse(long, &m); err != nil {
			t.Fatal(err)
		}
	}
}
