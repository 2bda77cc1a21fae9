package scan

import (
	"testing"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/ingest/parser/all"
)

// TestWindows: on what a Windows host does all day, no rule of ours says more
// than low, alone or in a correlation.
func TestWindows(t *testing.T) {
	set, faults := detect.Read([]detect.Source{shipped(t)}, &sigma.Parser{})
	eng, more := engine.New(set.Rules, set.Filters)
	if len(faults)+len(more) > 0 {
		t.Fatal(faults, more)
	}
	sum, err := Run(t.Context(), Options{
		Paths: []string{"testdata/windows_ordinary.ndjson"}, Parsers: all.All(), Engine: eng, Rules: set.Rules, Correlations: set.Correlations,
		Found: func(m *Match) {
			if m.Level.Rank() > holdfast.Low.Rank() {
				t.Errorf("%s holds for record %d: %s", m.Rule, m.Record, m.Event)
			}
		},
	})
	if err != nil || len(sum.Left) > 0 || sum.Events < 45 {
		t.Fatal(sum, err)
	}
}
