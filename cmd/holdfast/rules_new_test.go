package main

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/detect"
)

// TestNewRuleHolds makes rules from events with any bytes in their values: each
// loads, its cases come out as written, and nothing keeps it from loading.
func TestNewRuleHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := holdfast.Event{Raw: []byte(rapid.String().Draw(rt, "raw"))}
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\\*?%'":#\[\]{}, a-c-]{1,20}`))
		for _, name := range []string{"Image", "CommandLine", "User", "Details"} {
			e.Fields = append(e.Fields, holdfast.Field{Name: name, Text: value.Draw(rt, name)})
		}
		e.Fields = append(e.Fields, holdfast.Field{Name: "EventID", Text: "1", Kind: holdfast.Number}, holdfast.Field{Name: "none", Kind: holdfast.Null})
		ds := knownDatasets()["windows.sysmon.process_creation"]
		o := newRule{
			name: "mine", title: value.Draw(rt, "title") + ".", level: "low", source: ds.Logsource, dataset: ds, event: &e,
			id: "8a1b6c1e-6f0e-4c55-9a0f-0c6f0d4f3f5e", today: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		}
		rule, cases, err := o.write()
		if err != nil {
			rt.Fatal(err)
		}
		src := detect.Source{FS: fstest.MapFS{"mine.yml": {Data: []byte(rule)}, "mine.test.yml": {Data: []byte(cases)}}}
		results, without, faults, err := detect.RunCases(context.Background(), detect.Options{Datasets: knownDatasets()}, nil, src)
		if err != nil || len(faults) > 0 || len(without) > 0 || len(results) != 2 || !results[0].Passed() || !results[1].Passed() {
			rt.Fatalf("%+v %+v %v %v\n%s\n%s", results, without, faults, err, rule, cases)
		}
	})
}
