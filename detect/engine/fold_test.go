package engine

import (
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"holdfast"
)

// TestFoldAll: texts that lie side by side are folded as each by itself.
func TestFoldAll(t *testing.T) {
	v := &view{names: map[string]int32{}}
	s := &subject{view: v}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`[A-Za-zÄéK®\\]{0,20}`), 0, 12).Draw(t, "texts")
		all := strings.Join(texts, "")
		ev := &holdfast.Event{}
		at := 0
		for _, text := range texts {
			ev.Fields = append(ev.Fields, holdfast.Field{Name: "f", Text: all[at : at+len(text)]})
			at += len(text)
		}
		if rapid.Bool().Draw(t, "apart") {
			for i := range ev.Fields {
				ev.Fields[i].Text = strings.Clone(ev.Fields[i].Text)
			}
		}
		s.begin(ev)
		for i, text := range texts {
			if got := s.text(i); got.low != fold(text) || got.plain != ascii(text) {
				t.Fatalf("%q became %q, plain %v", text, got.low, got.plain)
			}
		}
		s.end()
	})
}

// TestPlans: the plan of an event is that of its fields, whatever events came
// before.
func TestPlans(t *testing.T) {
	e := compile(t, rule("s: {a|contains: x, b: y}\ncondition: s"))
	v := e.view(host)
	s := v.pool.New().(*subject)
	rapid.Check(t, func(t *rapid.T) {
		ev := &holdfast.Event{}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "src_ip"}), 0, 6).Draw(t, "names") {
			ev.Fields = append(ev.Fields, holdfast.Field{Name: strings.Clone(name), Text: name})
		}
		s.begin(ev)
		for name, slot := range v.names {
			var got, want []int
			for i := range ev.Fields {
				if ev.Fields[i].Name == name {
					want = append(want, i)
				}
			}
			for i := s.first[slot]; i != 0; i = s.next[i-1] {
				got = append(got, int(i-1))
			}
			if len(got) != len(want) {
				t.Fatalf("%s: %v, want %v", name, got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s: %v, want %v", name, got, want)
				}
			}
		}
		s.end()
	})
}

// TestArena: what is settled begins with a line of the cache, is what it was, and
// shares no memory.
func TestArena(t *testing.T) {
	var a arena
	var all [][]uint32
	for n := range 400 {
		table := make([]uint32, n*n)
		for i := range table {
			table[i] = uint32(n)
		}
		out := settle(&a, table)
		if len(out) > 0 && uintptr(unsafe.Pointer(&out[0]))%cacheLine != 0 {
			t.Fatal("not at the start of a line")
		}
		all = append(all, out)
	}
	for n, table := range all {
		if len(table) != n*n {
			t.Fatal(n, len(table))
		}
		for _, x := range table {
			if x != uint32(n) {
				t.Fatalf("%d holds %d", n, x)
			}
		}
	}
}
