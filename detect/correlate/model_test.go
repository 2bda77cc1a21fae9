package correlate

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/detect/sigma"
)

// model does what the package comment says in the plainest way: it keeps all
// events and looks through all of them each time.
type model struct {
	k      *sigma.Correlation
	groups map[string]*modelGroup
}

type modelGroup struct {
	events      []modelEvent
	open        bool
	first, last int
}

type modelEvent struct {
	at, rule int
	value    string
}

const (
	quiet = "nothing"
	fires = "fires"
	grows = "grows"
)

func (m *model) add(at, rule int, group, value string) string {
	if group == "" || value == "" && m.k.Field != "" {
		return quiet
	}
	g := m.groups[group]
	if g == nil {
		g = &modelGroup{}
		m.groups[group] = g
	}
	span := int(m.k.Timespan / time.Second)
	for _, e := range g.events {
		if at < e.at-span {
			return quiet
		}
	}
	place := len(g.events)
	for place > 0 && g.events[place-1].at > at {
		place--
	}
	var all []modelEvent
	all = append(append(append(all, g.events[:place]...), modelEvent{at, rule, value}), g.events[place:]...)
	g.events = all
	if g.open && at <= g.last+span && at >= g.first-span {
		g.first, g.last = min(g.first, at), max(g.last, at)
		return grows
	}
	for end := place; end < len(all) && all[end].at <= at+span; end++ {
		var window []modelEvent
		for _, e := range all[:end+1] {
			if e.at >= all[end].at-span {
				window = append(window, e)
			}
		}
		if m.k.Type == sigma.TemporalOrdered {
			if window = m.chain(all, at, span); window == nil {
				continue
			}
		} else if !m.holds(window) {
			continue
		}
		g.open, g.first, g.last = true, window[0].at, window[len(window)-1].at
		return fires
	}
	return quiet
}

// chain looks for hits of all rules in order, from one at or before a time to
// one at or after it.
func (m *model) chain(all []modelEvent, at, span int) []modelEvent {
	for from, a := range all {
		for to := from; to < len(all); to++ {
			z := all[to]
			if a.at > at || z.at < at || z.at > a.at+span || a.rule != 0 || z.rule != len(m.k.Rules)-1 {
				continue
			}
			want := 0
			for _, e := range all[from : to+1] {
				if e.rule == want {
					want++
				}
			}
			if want == len(m.k.Rules) {
				return all[from : to+1]
			}
		}
	}
	return nil
}

func (m *model) holds(window []modelEvent) bool {
	rules, values := make([]bool, len(m.k.Rules)), map[string]bool{}
	var numbers []float64
	sum, kinds := 0.0, 0
	for _, e := range window {
		if !rules[e.rule] {
			kinds++
		}
		rules[e.rule], values[e.value] = true, true
		if n, err := strconv.ParseFloat(e.value, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	sort.Float64s(numbers)
	for _, n := range numbers {
		sum += n
	}
	rank := func(p float64) float64 {
		at := p / 100 * float64(len(numbers)-1)
		below, above := numbers[int(math.Floor(at))], numbers[int(math.Ceil(at))]
		return below + (at-math.Floor(at))*(above-below)
	}
	var n float64
	switch m.k.Type {
	case sigma.EventCount:
		n = float64(len(window))
	case sigma.ValueCount:
		n = float64(len(values))
	case sigma.Temporal:
		if m.k.Condition != nil {
			return sigma.Over(m.k.Condition, rules)
		}
		if n = float64(kinds); len(m.k.Bounds) == 0 {
			return kinds == len(rules)
		}
	default:
		if len(numbers) == 0 {
			return false
		}
		switch m.k.Type {
		case sigma.ValueSum:
			n = sum
		case sigma.ValueAvg:
			n = sum / float64(len(numbers))
		case sigma.ValueMedian:
			n = rank(50)
		case sigma.ValuePercentile:
			n = rank(m.k.Percent)
		}
	}
	for _, b := range m.k.Bounds {
		if !b.Holds(n) {
			return false
		}
	}
	return true
}

var modelled = []string{
	"event_count, condition: {gte: 3}", "event_count, condition: {gt: 1, lt: 4}", "event_count, condition: {eq: 2}", "event_count, condition: {neq: 1}",
	"value_count, condition: {field: v, gte: 3}", "value_count, condition: {field: v, eq: 2}", "value_sum, condition: {field: v, gte: 9}", "value_sum, condition: {field: v, lt: 0}",
	"value_avg, condition: {field: v, gt: 4}", "value_median, condition: {field: v, gte: 5}", "value_percentile, condition: {field: v, percentile: 90, gt: 6}",
	"temporal", "temporal, condition: {gte: 2}", "temporal, condition: a and not b", "temporal, condition: a and b or c", "temporal_ordered",
}

type hit struct {
	at, rule     int
	group, value string
}

func aHit(t *rapid.T, now *int) hit {
	*now += rapid.SampledFrom([]int{0, 0, 1, 1, 2, 5, 9, 10, 11}).Draw(t, "step")
	return hit{
		at: *now - rapid.SampledFrom([]int{0, 0, 0, 1, 5, 10, 11, 15}).Draw(t, "late"), rule: rapid.IntRange(0, 2).Draw(t, "rule"),
		group: rapid.SampledFrom([]string{"g", "g", "g", "h", ""}).Draw(t, "group"), value: rapid.SampledFrom([]string{"1", "2", "5", "8.5", "-3", "x", ""}).Draw(t, "value"),
	}
}

func give(c *Correlator, rules map[string]*sigma.Rule, n int, h hit) []holdfast.Alert {
	at := begin.Add(time.Duration(h.at) * time.Second)
	e := holdfast.Event{ID: holdfast.NewEventID("m", strconv.Itoa(n), nil, 0), Time: at, Received: begin, Raw: []byte("raw")}
	for name, v := range map[string]string{"g": h.group, "v": h.value} {
		if v != "" {
			e.Fields = append(e.Fields, holdfast.Field{Name: name, Text: v})
		}
	}
	sort.Slice(e.Fields, func(i, j int) bool { return e.Fields[i].Name < e.Fields[j].Name })
	c.Add(&e, &holdfast.Dataset{}, []Hit{{Rule: rules[[]string{"a", "b", "c"}[h.rule]]}})
	return c.Take()
}

func modelRule(kind string) string {
	return "title: c\nname: c\nlogsource: {}\ndetection: {s: [z], condition: s}\n---\ntitle: k\nname: k\ncorrelation: {rules: [a, b, c], group-by: [g], timespan: 10s, type: " + kind + "}\n"
}

// TestAgainstModel holds every type against the model, with hits late, doubled
// in time and out of order.
func TestAgainstModel(t *testing.T) {
	counts := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(modelled).Draw(t, "kind")
		c, rules := build(t, modelRule(kind))
		m := &model{k: c.corrs[0].Correlation, groups: map[string]*modelGroup{}}
		known := map[string]bool{}
		now := 20
		for n := range rapid.IntRange(1, 40).Draw(t, "hits") {
			h := aHit(t, &now)
			want := m.add(h.at, h.rule, h.group, h.value)
			got := quiet
			for _, a := range give(c, rules, n, h) {
				got = grows
				if !known[a.ID] {
					got, known[a.ID] = fires, true
				}
			}
			counts[got]++
			if got != want {
				t.Fatalf("%s, hit %d %+v: %s, the model says: %s", kind, n, h, got, want)
			}
		}
	})
	t.Log(counts)
	if counts[fires] == 0 || counts[grows] == 0 {
		t.Error("nothing fired")
	}
}

// TestInterruptionsChangeNothing writes state out and reads it back, or hands
// it to the rules loaded anew, at any position; what comes after is the same to
// the byte.
func TestInterruptionsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(modelled).Draw(t, "kind")
		text := modelRule(kind) + "---\ntitle: over\nname: over\ncorrelation: {type: event_count, rules: [k], group-by: [g], timespan: 1m, condition: {gte: 2}}\n"
		straight, rules := build(t, text)
		broken, _ := build(t, text)
		now := 20
		for n := range rapid.IntRange(1, 40).Draw(t, "hits") {
			h := aHit(t, &now)
			want, err := json.Marshal(give(straight, rules, n, h))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(give(broken, rules, n, h))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Fatalf("%s, hit %d: %s\nwithout interruption %s", kind, n, got, want)
			}
			fresh, _ := build(t, text)
			switch rapid.IntRange(0, 3).Draw(t, "interruption") {
			case 0:
				b, err := broken.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				if err := fresh.Restore(b); err != nil {
					t.Fatal(err)
				}
				broken = fresh
			case 1:
				fresh.Adopt(broken)
				broken = fresh
			}
		}
		a, err := straight.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := broken.Snapshot(); err != nil || string(a) != string(b) {
			t.Fatalf("%s\n%s\n%v", a, b, err)
		}
		if straight.Stats().Entries != broken.Stats().Entries || straight.Stats().Groups != broken.Stats().Groups {
			t.Fatalf("%+v, %+v", straight.Stats(), broken.Stats())
		}
	})
}

// BenchmarkWindows gives hits a second apart to one rule.
func BenchmarkWindows(b *testing.B) {
	for _, c := range []struct {
		name, text     string
		values, groups int
	}{
		{"value_count of 1800", "type: value_count, timespan: 1h, condition: {field: v, gte: 1000000}", 1800, 1},
		{"value_count of 10000", "type: value_count, timespan: 1h, condition: {field: v, gte: 20000}", 10_000, 1},
		{"event_count of 10000", "type: event_count, timespan: 1h, condition: {gte: 20000}", 1, 1},
		{"value_percentile", "type: value_percentile, timespan: 1h, condition: {field: v, percentile: 95, gt: 1000000}", 10_000, 1},
		{"value_sum", "type: value_sum, timespan: 1h, condition: {field: v, gt: 1e15}", 10_000, 1},
		{"temporal", "type: temporal, timespan: 1h", 1, 1},
		{"temporal_ordered", "type: temporal_ordered, timespan: 1h", 1, 1},
		{"100000 groups", "type: event_count, timespan: 1h, condition: {gte: 100}", 1, 100_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			corr, rules := build(b, "title: k\nname: k\ncorrelation: {rules: [a, b], group-by: [g], "+c.text+"}\n")
			e := holdfast.Event{Fields: []holdfast.Field{{Name: "g"}, {Name: "v"}}, Raw: []byte("a record of some length, as they are")}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				e.ID = holdfast.EventID{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
				e.Time = begin.Add(time.Duration(n) * 100 * time.Microsecond)
				e.Received = e.Time
				e.Fields[0].Text, e.Fields[1].Text = strconv.Itoa(n%c.groups), strconv.Itoa(n%c.values)
				corr.Add(&e, &holdfast.Dataset{}, []Hit{{Rule: rules["a"]}})
				corr.Take()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "hits/s")
		})
	}
}

// TestLimitsAreCounted fills every bound and looks at what is told of it.
func TestLimitsAreCounted(t *testing.T) {
	c, rules := build(t, "title: k\nname: k\ncorrelation: {type: value_count, rules: [a], group-by: [g], timespan: 1h, condition: {field: v, gte: 100}}")
	fired := 0
	// Ninety-nine values, then thousands of hits with one of them, then the
	// hundredth: a full window forgets what it has twice, not what is rare.
	for i := range 5000 {
		add(c, rules["a"], 1, "g", "1", "v", fmt.Sprint(min(i, 98)))
	}
	fired += len(add(c, rules["a"], 2, "g", "1", "v", "the hundredth"))
	if s := c.Stats(); fired != 1 || s.Overflowed == 0 || s.Entries > MaxEntries || s.Groups != 1 || s.Live != 1 {
		t.Errorf("fired %d times, %+v", fired, s)
	}
	add(c, rules["a"], 2, "v", "x")
	add(c, rules["a"], -3600, "g", "1", "v", "x")
	if s := c.Stats(); s.NoGroup != 1 || s.Late != 1 {
		t.Errorf("%+v", s)
	}
}
