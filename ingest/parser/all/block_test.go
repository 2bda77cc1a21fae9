package all_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/all"
	"holdfast/internal/testkit/made"
)

// TestBlocks has the events of every line of every parser, and of made records,
// come back from blocks as they went in.
func TestBlocks(t *testing.T) {
	parsers := all.All()
	for _, p := range parsers {
		want := holdfast.Block{ID: p.Name, Made: received, Counts: []holdfast.Count{}}
		add := func(line []byte) {
			parsed, err := p.Parse(line, parser.Hint{Received: received})
			if err != nil {
				return
			}
			for _, part := range events(parsed) {
				raw := line
				if len(parsed.Parts) > 0 {
					raw = append([]byte{}, part.Raw...)
				}
				want.Events = append(want.Events, holdfast.Event{
					Time: received, Received: received, Source: "file:x", Dataset: part.Dataset,
					Raw: raw, Fields: append([]holdfast.Field{}, part.Fields...),
				})
			}
		}
		for range 2 { // the second time their layouts are known
			for _, line := range lines(t, p.Name) {
				add(line)
			}
		}
		m := made.New(3, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Millisecond)
		for range 300 {
			add(append([]byte{}, m.Next()...))
		}
		data, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got holdfast.Block
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", p.Name, diff)
		}
	}
}
