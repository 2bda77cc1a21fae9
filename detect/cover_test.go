package detect

import (
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
)

// TestCoverage has a technique with a rule only, one whose data flows, and one
// that a drill has proven.
func TestCoverage(t *testing.T) {
	rules := `title: A
name: a
tags: [attack.t1001, attack.impact, attack.s0001]
logsource: {product: linux, service: sshd}
detection: {s: {user: root}, condition: s}
---
title: B
name: b
tags: [attack.t1002]
logsource: {product: linux, service: sudo}
detection: {s: {user: root}, condition: s}
---
title: C
name: c
tags: [attack.t1003, attack.t1001]
correlation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 3}}
---
title: D
name: d
tags: [attack.t1003]
correlation: {type: temporal, rules: [a, b], timespan: 1m}
---
title: E
name: e
logsource: {product: linux, service: sudo}
detection: {s: {user: root}, condition: s}
`
	d := New(Options{Datasets: datasets()})
	if faults := d.Load(Source{"x", fstest.MapFS{"a.yml": {Data: []byte(rules)}}}); len(faults) > 0 {
		t.Fatal(faults)
	}
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	got := d.Coverage(map[string]time.Time{"linux.sshd": at, "unknown": at}, map[string]holdfast.Drill{"c": {ID: "drl-1", Ended: at.Add(time.Hour)}})
	if len(got.Techniques) != 3 || len(got.Untagged) != 1 || got.Untagged[0] != "e" {
		t.Fatalf("%+v", got)
	}
	one, two, three := got.Techniques[0], got.Techniques[1], got.Techniques[2]
	if one.Technique != "T1001" || len(one.Rules) != 2 || !one.Data.Equal(at) || one.Proven.IsZero() {
		t.Errorf("%+v", one)
	}
	if two.Technique != "T1002" || !two.Data.IsZero() || !two.Proven.IsZero() {
		t.Errorf("%+v", two)
	}
	if three.Rules[0].Rule != "c" || three.Rules[0].Drill != "drl-1" || three.Rules[0].Data.IsZero() || !three.Rules[1].Data.IsZero() {
		t.Errorf("%+v", three)
	}
}
