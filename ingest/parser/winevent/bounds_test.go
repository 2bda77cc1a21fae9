package winevent

import (
	"strings"
	"testing"

	"holdfast/ingest/parser"
)

// TestLongNamesAreNotKept: names of fields are kept from one event to the next,
// and must not let a sender fill the memory.
func TestLongNamesAreNotKept(t *testing.T) {
	r := newReader()
	long := strings.Repeat("n", parser.MaxName+1)
	for _, raw := range []string{
		`{"Event":{"System":{"EventID":1},"EventData":{"` + long + `":1}}}`,
		`{"Event":{"System":{"A":{"` + long + `":1}}}}`,
	} {
		if _, err := r.parse([]byte(raw), nil); err == nil {
			t.Errorf("a name of %d bytes was taken", len(long))
		}
	}
	for name := range r.names {
		if len(name) > parser.MaxName {
			t.Errorf("a name of %d bytes was kept", len(name))
		}
	}
}
