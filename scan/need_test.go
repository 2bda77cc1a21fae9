package scan

import (
	"slices"
	"strings"
	"testing"

	"holdfast"
	"holdfast/detect/engine"
	"holdfast/detect/example"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/winevent"
)

// TestNeedsHideNothing holds for the rules of the core set that an event for
// which one holds has what the rule needs, so that a hunt which asks the store
// for nothing else misses none.
func TestNeedsHideNothing(t *testing.T) {
	set, eng, _ := coreSet(t)
	narrowed, texts := 0, 0
	for _, r := range set.Rules {
		need, ok := eng.Needs(r)
		if !ok {
			continue
		}
		narrowed++
		texts += need.Texts
		if fields, err := example.Event(r); err == nil && !has(need, &holdfast.Event{Fields: fields}) {
			t.Errorf("%s: its own event has not what it needs", r.File)
		}
	}
	t.Logf("%d of %d rules are narrowed, by %d texts", narrowed, len(set.Rules), texts)
	if narrowed < len(set.Rules)*9/10 {
		t.Errorf("only %d of %d rules are narrowed", narrowed, len(set.Rules))
	}
	byName := map[string]holdfast.Dataset{}
	for _, d := range winevent.Datasets() {
		byName[d.Name] = d
	}
	p := winevent.Parser()
	for i, raw := range sysmonMix(t, 1) {
		if i%20 > 0 {
			continue
		}
		got, err := p.Parse(raw, parser.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		e := holdfast.Event{Dataset: got.Dataset, Fields: got.Fields, Time: got.Time, Raw: raw}
		for _, h := range eng.Match(&e, byName[got.Dataset]) {
			if need, ok := eng.Needs(h.Rule); ok && !has(need, &e) {
				t.Fatalf("%s holds for an event that has not what it needs:\n%s", h.Rule.File, raw)
			}
		}
	}
}

func has(n engine.Need, e *holdfast.Event) bool {
	each := func(of []engine.Need, want bool) bool {
		return slices.ContainsFunc(of, func(n engine.Need) bool { return has(n, e) == want })
	}
	switch {
	case n.All != nil:
		return !each(n.All, false)
	case n.Any != nil:
		return each(n.Any, true)
	}
	return strings.Contains(strings.ToLower(string(e.AppendFieldsJSON(nil))), n.Text) || n.Keyword && strings.Contains(strings.ToLower(string(e.Raw)), n.Text)
}
