package scan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"holdfast"
	"holdfast/content"
	"holdfast/detect"
	"holdfast/detect/sigma"
	"holdfast/ingest/parser/all"
)

// served reports whether a parser that ships makes events of a logsource.
func served(l holdfast.Logsource) bool {
	for _, p := range all.All() {
		for _, d := range p.Datasets {
			if slices.ContainsFunc(append([]holdfast.Logsource{d.Logsource}, d.Also...), func(have holdfast.Logsource) bool { return fitsSource(l, have) }) {
				return true
			}
		}
	}
	return false
}

// TestShippedRulesHaveEvents fails for a rule that ships and whose events no
// parser makes.
func TestShippedRulesHaveEvents(t *testing.T) {
	set, faults := detect.Read([]detect.Source{{Name: "content", FS: content.FS}}, &sigma.Parser{})
	rules := 0
	for _, r := range set.Rules {
		if !strings.HasPrefix(r.File, "content/rules/") {
			continue
		}
		rules++
		if !served(r.Logsource) {
			t.Errorf("%s: no parser makes events of %+v", r.File, r.Logsource)
		}
	}
	for _, f := range faults {
		if strings.HasPrefix(f.File, "content/rules/") {
			t.Error(f)
		}
	}
	if rules == 0 {
		t.Error("no rule was looked at")
	}
}

// TestLogsourcesOfTheCoreSet lists those that no parser serves yet, by how many
// rules ask for them.
func TestLogsourcesOfTheCoreSet(t *testing.T) {
	set, _, _ := coreSet(t)
	count, without := map[holdfast.Logsource]int{}, 0
	for _, r := range set.Rules {
		if !served(r.Logsource) {
			count[r.Logsource]++
			without++
		}
	}
	var list strings.Builder
	for _, l := range slices.SortedFunc(maps.Keys(count), func(a, b holdfast.Logsource) int {
		return cmp.Or(count[b]-count[a], strings.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	}) {
		fmt.Fprintf(&list, "%4d product=%s category=%s service=%s\n", count[l], l.Product, l.Category, l.Service)
	}
	t.Logf("%d of %d rules ask for %d logsources that no parser serves\n%s", without, len(set.Rules), len(count), list.String())
	if served(holdfast.Logsource{Product: "windows", Category: "process_creation"}) == served(holdfast.Logsource{Product: "no such"}) {
		t.Error("served and not served look alike")
	}
}
