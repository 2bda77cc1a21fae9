package scan

import (
	"testing"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/ingest/parser/all"
)

// TestOrdinary: on what goes on in a house every day no rule of ours says more
// than low, alone or in a correlation. Every record must be read.
func TestOrdinary(t *testing.T) {
	set, faults := detect.Read([]detect.Source{shipped(t)}, &sigma.Parser{})
	eng, more := engine.New(set.Rules, set.Filters)
	if len(faults)+len(more) > 0 {
		t.Fatal(faults, more)
	}
	for family, least := range map[string]uint64{"linux": 450, "cloud": 400} {
		t.Run(family, func(t *testing.T) {
			sum, err := Run(t.Context(), Options{
				Paths: []string{"testdata/ordinary/" + family}, Parsers: all.All(), Engine: eng, Rules: set.Rules, Correlations: set.Correlations,
				Found: func(m *Match) {
					if m.Level.Rank() > holdfast.Low.Rank() {
						t.Errorf("%s holds for record %d: %s", m.Rule, m.Record, m.Event)
					}
				},
			})
			t.Logf("%+v", sum)
			if err != nil || len(sum.Left) > 0 || sum.Events < least {
				t.Fatalf("%+v %v", sum, err)
			}
		})
	}
}
