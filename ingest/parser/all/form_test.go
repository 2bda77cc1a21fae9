package all_test

import (
	"errors"
	"testing"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/all"
)

// TestForms: no parser knows a record that it would not be asked about, of all
// known records, as they are and with another first byte or blanks before it.
func TestForms(t *testing.T) {
	parsers := all.All()
	by := parser.NewByForm(parsers)
	ask := func(raw []byte) {
		asked := map[string]bool{}
		for _, p := range by.For(raw) {
			asked[p.Name] = true
		}
		for _, p := range parsers {
			if asked[p.Name] {
				continue
			}
			if got, err := p.Parse(raw, parser.Hint{Received: received}); !errors.Is(err, parser.ErrOther) {
				t.Errorf("%s is not asked and says %v, %v of %.200q", p.Name, got.Dataset, err, raw)
			}
		}
	}
	for _, p := range parsers {
		for _, line := range lines(t, p.Name) {
			ask(line)
			for _, head := range []string{"{", " ", "\t", "\ufeff", "[", "x", `{"message":"`} {
				ask(append([]byte(head), line...))
			}
			if len(line) > 0 {
				ask(append([]byte("{"), line[1:]...))
				ask(line[1:])
			}
		}
	}
}
