package correlate

import (
	"fmt"
	"testing"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
	"holdfast/internal/clock"
)

var begin = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

const base = "title: a\nname: a\nlogsource: {}\ndetection: {s: [x], condition: s}\n---\ntitle: b\nname: b\nlogsource: {}\ndetection: {s: [y], condition: s}\n---\n"

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func build(t fataler, correlations string) (*Correlator, map[string]*sigma.Rule) {
	t.Helper()
	set, faults := sigma.Parse("t.yml", []byte(base+correlations))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	c, faults := New(set.Rules, set.Correlations, clock.NewFixed(begin))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	rules := map[string]*sigma.Rule{}
	for _, r := range set.Rules {
		rules[r.Name] = r
	}
	return c, rules
}

var number int

// add gives a hit of a rule, so many seconds after the beginning.
func add(c *Correlator, r *sigma.Rule, second int, fields ...string) []holdfast.Alert {
	number++
	at := begin.Add(time.Duration(second) * time.Second)
	e := holdfast.Event{ID: holdfast.NewEventID("t", fmt.Sprint(number), nil, 0), Time: at, Received: at}
	for i := 0; i < len(fields); i += 2 {
		e.Fields = append(e.Fields, holdfast.Field{Name: fields[i], Text: fields[i+1]})
	}
	c.Add(&e, &holdfast.Dataset{}, []Hit{{Rule: r}})
	return c.Take()
}

type step struct {
	rule   string
	second int
	fields []string
}

func TestTypes(t *testing.T) {
	head := "title: c\nname: c\ncorrelation: {rules: [a, b], group-by: [g], timespan: 1m, "
	values := func(vs ...string) []step {
		var out []step
		for i, v := range vs {
			out = append(out, step{"a", i, []string{"g", "1", "v", v}})
		}
		return out
	}
	for _, c := range []struct {
		name, text string
		steps      []step
		fires      int // the step at which it does, from 1; 0 for never
	}{
		{"count", "type: event_count, condition: {gt: 2}}", values("1", "1", "1"), 3},
		{"range", "type: event_count, condition: {gte: 2, lte: 3}}", values("1", "1"), 2},
		{"eq", "type: event_count, condition: {eq: 2}}", values("1", "1"), 2},
		{"distinct", "type: value_count, condition: {field: v, gte: 2}}", values("1", "1", "2"), 3},
		{"sum", "type: value_sum, condition: {field: v, gte: 10}}", values("4", "5", "x", "1"), 4},
		{"avg", "type: value_avg, condition: {field: v, gte: 4}}", values("3", "4", "5"), 3},
		{"median", "type: value_median, condition: {field: v, gt: 4}}", values("1", "5", "5"), 3},
		{"percentile", "type: value_percentile, condition: {field: v, percentile: 90, gt: 8}}", values("1", "9", "9"), 2},
		{"temporal", "type: temporal}", []step{{"b", 0, []string{"g", "1"}}, {"b", 1, []string{"g", "1"}}, {"a", 2, []string{"g", "1"}}}, 3},
		{"ordered", "type: temporal_ordered}", []step{{"b", 0, []string{"g", "1"}}, {"a", 1, []string{"g", "1"}}, {"b", 2, []string{"g", "1"}}}, 3},
		{"ordered, late", "type: temporal_ordered}", []step{{"b", 5, []string{"g", "1"}}, {"a", 1, []string{"g", "1"}}}, 2},
		{"ordered, too far", "type: temporal_ordered}", []step{{"a", 0, []string{"g", "1"}}, {"b", 61, []string{"g", "1"}}}, 0},
		{"edge", "type: temporal_ordered}", []step{{"a", 0, []string{"g", "1"}}, {"b", 60, []string{"g", "1"}}}, 2},
		{"other group", "type: temporal}", []step{{"a", 0, []string{"g", "1"}}, {"b", 1, []string{"g", "2"}}}, 0},
		{"no group", "type: temporal}", []step{{"a", 0, nil}, {"b", 1, nil}}, 0},
		{"alias", "type: temporal, aliases: {g: {a: from, b: to}}}", []step{{"a", 0, []string{"from", "1"}}, {"b", 1, []string{"to", "1"}}}, 2},
	} {
		corr, rules := build(t, head+c.text)
		got := 0
		for i, s := range c.steps {
			if as := add(corr, rules[s.rule], s.second, s.fields...); len(as) > 0 && got == 0 {
				got = i + 1
			}
		}
		if got != c.fires {
			t.Errorf("%s: fired at step %d, want %d", c.name, got, c.fires)
		}
	}
}

func TestGenerateLetsTheBaseSpeak(t *testing.T) {
	for _, generate := range []bool{false, true} {
		c, rules := build(t, fmt.Sprintf("title: c\nname: c\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 9}, generate: %t}", generate))
		if got := len(add(c, rules["a"], 0)) == 1; got != generate || c.Silent("a") == generate {
			t.Errorf("generate %t: the base rule alerts: %t", generate, got)
		}
		if len(add(c, rules["b"], 0)) != 1 {
			t.Error("a rule that nobody refers to is silent")
		}
	}
}

func TestStateIsBounded(t *testing.T) {
	c, rules := build(t, "title: c\nname: c\ncorrelation: {type: event_count, rules: [a], group-by: [g], timespan: 1h, condition: {gte: 3}}")
	for i := range MaxGroups + 500 {
		add(c, rules["a"], 0, "g", fmt.Sprint(i))
	}
	if n := len(c.corrs[0].groups); n > MaxGroups || c.stats.Evicted == 0 || c.entries > MaxAllEntries {
		t.Errorf("%d groups, %d entries, %d evicted", n, c.entries, c.stats.Evicted)
	}
	for i := range 5000 {
		add(c, rules["a"], i/10, "g", "one")
	}
	if n := len(c.corrs[0].groups[groupKey{"one", ""}].entries); n > MaxEntries {
		t.Errorf("%d entries in one window", n)
	}
	add(c, rules["a"], 8*3600, "g", "later")
	if n := len(c.corrs[0].groups); n != 1 || len(c.slots) != 0 {
		t.Errorf("%d groups and %d alerts are left after hours of silence", n, len(c.slots))
	}
}

func FuzzRestore(f *testing.F) {
	c, rules := build(f, "title: c\nname: c\ncorrelation: {type: event_count, rules: [a], group-by: [g], timespan: 1h, condition: {gte: 2}}")
	for i := range 3 {
		add(c, rules["a"], i, "g", "1")
	}
	good, err := c.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c.Restore(b) == nil {
			add(c, rules["a"], 5, "g", "1")
			if _, err := c.Snapshot(); err != nil {
				t.Error(err)
			}
		}
	})
}
