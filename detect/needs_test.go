package detect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/detect/sigma"
)

func TestNeeds(t *testing.T) {
	const text = `title: two fields
name: two
logsource: {product: p}
detection:
  s: {a: 1, b|contains: x}
  n: {c: 1}
  condition: s and not n
---
title: either
name: either
logsource: {product: p}
detection:
  s1: {a: 1, d: 2}
  s2: {b: 1, d|endswith: 3}
  condition: 1 of s*
---
title: missing is what it looks for
name: missing
logsource: {product: other}
detection:
  s: {a|exists: false, b: null, c|neq: 5, d|exists: true}
  condition: s
---
title: keyword
name: keyword
logsource: {product: p}
detection:
  k: [bad]
  condition: k
---
title: several
name: several
correlation: {type: temporal, rules: [two, missing], timespan: 1h}
`
	set, faults := (&sigma.Parser{}).Parse("x.yml", []byte(text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	datasets := map[string]holdfast.Dataset{
		"p.one": {Name: "p.one", Logsource: holdfast.Logsource{Product: "p"}},
		"p.two": {Name: "p.two", Logsource: holdfast.Logsource{Product: "p"}},
		"o":     {Name: "o", Logsource: holdfast.Logsource{Product: "other"}},
	}
	both := []string{"p.one", "p.two"}
	want := []Need{
		{Rule: "two", Title: "two fields", Level: holdfast.Medium, Datasets: both, Fields: []string{"a", "b"}},
		{Rule: "either", Title: "either", Level: holdfast.Medium, Datasets: both, Fields: []string{"d"}},
		{Rule: "missing", Title: "missing is what it looks for", Level: holdfast.Medium, Datasets: []string{"o"}, Fields: []string{"d"}},
		{Rule: "keyword", Title: "keyword", Level: holdfast.Medium, Datasets: both, Fields: []string{}},
		{Rule: "several", Title: "several", Level: holdfast.Medium, Datasets: []string{"o", "p.one", "p.two"}, Rules: []string{"two", "missing"}},
	}
	got := Needs(set, datasets)
	for i := range got {
		if got[i].Rules == nil && got[i].Fields == nil {
			got[i].Fields = []string{}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"cmd", "process.command_line"}, FieldNames("process.command_line", holdfast.Dataset{ECS: map[string]string{"cmd": "process.command_line"}})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"Image", "exe"}, FieldNames("Image", holdfast.Dataset{Alias: map[string]string{"Image": "exe"}})); d != "" {
		t.Error(d)
	}
}
