package scan

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"holdfast"
	"holdfast/detect/engine"
	"holdfast/detect/example"
	"holdfast/detect/sigma"
)

// TestEveryRuleCanFire makes an event for each rule of the core set out of its
// own condition and has it matched with all rules loaded, so that neither the
// rule nor the index over all of them can hide it.
func TestEveryRuleCanFire(t *testing.T) {
	set, eng, _ := coreSet(t)
	fired := 0
	var never, unknown []string
	for _, r := range set.Rules {
		fields, err := example.Event(r)
		switch {
		case errors.Is(err, example.ErrNever):
			never = append(never, r.File+": "+err.Error())
			continue
		case err != nil:
			unknown = append(unknown, r.File+": "+err.Error())
			continue
		}
		if !fires(eng, r, fields) {
			t.Errorf("%s does not fire for %v", r.File, fields)
			continue
		}
		fired++
	}
	t.Logf("%d of %d rules fire; %d never can, %d without an answer\n%s", fired, len(set.Rules), len(never), len(unknown), strings.Join(slices.Concat(never, unknown), "\n"))
	if fired+len(never) < len(set.Rules) {
		t.Errorf("%d rules are not shown to be able to fire", len(set.Rules)-fired-len(never))
	}
	if len(never) > len(set.Rules)/500 {
		t.Errorf("%d rules are said never to fire", len(never))
	}
}

// asLogsource is a dataset that is just what a rule asks for.
func asLogsource(r *sigma.Rule) holdfast.Dataset {
	l := r.Logsource
	return holdfast.Dataset{Name: "example " + strings.Join([]string{l.Product, l.Category, l.Service}, "/"), Logsource: l}
}

func fires(eng *engine.Engine, r *sigma.Rule, fields []holdfast.Field) bool {
	ds := asLogsource(r)
	e := holdfast.Event{Dataset: ds.Name, Fields: fields}
	return slices.ContainsFunc(eng.Match(&e, ds), func(h engine.Hit) bool { return h.Rule == r })
}

// TestIndexAgainstReference holds what the engine finds in made events, with
// all rules loaded, against working out every rule by the letter.
func TestIndexAgainstReference(t *testing.T) {
	set, eng, _ := coreSet(t)
	ref := example.NewReference()
	decisions, hits := 0, 0
	for i, r := range set.Rules {
		if i%12 > 0 {
			continue
		}
		tries := example.NearMisses(r)
		if fields, err := example.Event(r); err == nil {
			tries = append(tries, fields)
		}
		ds := asLogsource(r)
		for _, fields := range tries {
			e := holdfast.Event{Dataset: ds.Name, Fields: fields}
			got := ids(eng.Match(&e, ds))
			var want []string
			for _, o := range set.Rules {
				if !fitsSource(o.Logsource, ds.Logsource) {
					continue
				}
				decisions++
				if ref.Holds(o.Selections, o.Condition, fields) {
					want = append(want, o.ID)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("for %v the engine finds %v, the reference %v", fields, got, want)
			}
			hits += len(got)
		}
	}
	t.Logf("%d decisions and %d hits agree", decisions, hits)
}

func fitsSource(want, have holdfast.Logsource) bool {
	return (want.Product == "" || want.Product == have.Product) && (want.Category == "" || want.Category == have.Category) &&
		(want.Service == "" || want.Service == have.Service)
}

// TestNearMissesDoNotFire breaks one thing that a rule needs at a time.
func TestNearMissesDoNotFire(t *testing.T) {
	set, eng, _ := coreSet(t)
	tried := 0
	for _, r := range set.Rules {
		for _, fields := range example.NearMisses(r) {
			tried++
			if fires(eng, r, fields) {
				t.Errorf("%s fires for %v", r.File, fields)
			}
		}
	}
	t.Logf("%d near misses of %d rules", tried, len(set.Rules))
	if tried < len(set.Rules) {
		t.Errorf("only %d near misses", tried)
	}
}
