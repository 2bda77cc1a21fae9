package scan

import (
	"slices"
	"testing"

	"holdfast"

	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/winevent"
)

// TestIndexLeavesNothingOut compares the index with going through the rules one
// by one, for every event of the corpus.
func TestIndexLeavesNothingOut(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	set, eng, _ := coreSet(t)
	// An engine of one rule has the index too, so each gets a twin under "not not".
	plain := sigma.Set{}
	for _, r := range set.Rules {
		twin := *r
		twin.Condition = sigma.Not{X: sigma.Not{X: r.Condition}}
		plain.Rules = append(plain.Rules, &twin)
	}
	slow, faults := engine.New(plain.Rules, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	byName := map[string]holdfast.Dataset{}
	for _, d := range winevent.Datasets() {
		byName[d.Name] = d
	}
	p := winevent.Parser()
	hits := 0
	for i, raw := range sysmonMix(t, 1) {
		if i%3 > 0 {
			continue
		}
		got, err := p.Parse(raw, parser.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		e := holdfast.Event{Dataset: got.Dataset, Fields: got.Fields, Time: got.Time, Raw: raw}
		a, b := ids(eng.Match(&e, byName[got.Dataset])), ids(slow.Match(&e, byName[got.Dataset]))
		if !slices.Equal(a, b) {
			t.Fatalf("indexed %v\nplain   %v\n%s", a, b, raw)
		}
		hits += len(a)
	}
	t.Logf("%d hits agree", hits)
	if hits < 50 {
		t.Errorf("only %d hits", hits)
	}
}

func ids(hits []engine.Hit) (out []string) {
	for _, h := range hits {
		out = append(out, h.Rule.ID)
	}
	return out
}
