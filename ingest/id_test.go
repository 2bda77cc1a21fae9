package ingest

import (
	"fmt"
	"testing"

	"holdfast"
)

// TestIDs: no two positions that come once have the same id, whatever they look
// like, nor an index of one; and an id is the same whichever came before it.
func TestIDs(t *testing.T) {
	var d ids
	seen := map[holdfast.EventID]string{}
	for _, source := range []string{"http:a", "http:b"} {
		for _, request := range []string{"req-1:1", "req-1:12", "", "req-1:1:2"} {
			for _, rest := range []string{"", "1", "2", "12", "21", "0", "00", "012", "1:2", "100000", "9999999", "10000000", "x", "\x00", "\x00\x00"} {
				for _, once := range []bool{true, false} {
					for index := range 50 {
						r := &holdfast.Record{Source: source, Position: request + ":" + rest, Once: once, Raw: []byte("x")}
						id := d.of(r, r.Raw, index)
						if other := new(ids).of(r, r.Raw, index); other != id {
							t.Fatalf("%q has %v and %v", r.Position, id, other)
						}
						what := fmt.Sprint(source, " ", r.Position, " ", once, " ", index)
						if is, ok := seen[id]; ok && is != what {
							t.Fatalf("%s and %s have the same id", is, what)
						}
						seen[id] = what
					}
				}
			}
		}
	}
	a := d.of(&holdfast.Record{Source: "s", Position: "req:1", Once: true}, nil, 0)
	b := d.of(&holdfast.Record{Source: "s", Position: "req:999999", Once: true}, nil, 0)
	if [13]byte(a[:13]) != [13]byte(b[:13]) {
		t.Errorf("%v and %v of one request have little in common", a, b)
	}
	var plain holdfast.Record
	plain.Once, plain.Position, plain.Raw = true, "p", []byte("x")
	if new(ids).record(&plain) == (holdfast.EventID{}) {
		t.Error("no id")
	}
}
