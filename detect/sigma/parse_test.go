package sigma

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const good = "title: t\nlogsource: {product: linux}\ndetection:\n  s:\n    a|contains: b\n  condition: s\n"

const correlation = "title: c\nname: c\ncorrelation:\n  type: %T\n  rules: [a, b, c]\n  group-by: [x]\n  timespan: 5m\n  condition: {gte: 3, lt: 9, field: f, percentile: 95}\n"

func TestFaultsNameThePlace(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int
		what         string
	}{
		{"syntax", "title: [\n", 1, 0, "YAML"},
		{"empty", "# nothing\n", 0, 0, "holds no rule"},
		{"modifier", strings.Replace(good, "contains", "contans", 1), 5, 5, `"contans"`},
		{"undefined", strings.Replace(good, "condition: s", "condition: s and x", 1), 6, 20, `"x"`},
		{"pipe", strings.Replace(good, "condition: s", "condition: s | count() > 5", 1), 6, 16, "obsolete"},
		{"timeframe", strings.Replace(good, "  condition", "  timeframe: 5m\n  condition", 1), 6, 3, "obsolete"},
		{"parenthesis", strings.Replace(good, "condition: s", "condition: (s", 1), 6, 16, "not closed"},
		{"pattern", strings.Replace(good, "condition: s", "condition: 1 of x*", 1), 6, 19, "no selection"},
		{"level", good + "level: hgh\n", 7, 8, "no level"},
		{"title", strings.Replace(good, "title", "titel", 1), 1, 1, "no title"},
		{"twice", strings.Replace(good, "    a|contains: b", "    a: b\n    a: c", 1), 6, 5, "twice"},
		{"regex", strings.Replace(good, "a|contains: b", "a|re: '(?=x)'", 1), 5, 11, "RE2"},
		{"cidr", strings.Replace(good, "a|contains: b", "a|cidr: 10.0.0.0/99", 1), 5, 13, "no network"},
		{"expand", strings.Replace(good, "a|contains: b", "a|expand: '%x%'", 1), 5, 15, "placeholder"},
		{"base64", strings.Replace(good, "a|contains: b", "a|base64: 'x*'", 1), 5, 15, "wildcards"},
		{"type", strings.Replace(correlation, "%T", "count", 1), 4, 9, "no correlation type"},
		{"timespan", strings.Replace(strings.Replace(correlation, "%T", "event_count", 1), "5m", "5 min", 1), 7, 13, "timespan"},
		{"bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", 0, 0, "aliases counted"},
	} {
		set, faults := Parse("x.yml", []byte(c.text))
		if len(faults) == 0 {
			t.Errorf("%s: no fault", c.name)
			continue
		}
		f := faults[0]
		if !strings.Contains(f.What, c.what) || f.Do == "" || c.line > 0 && f.Line != c.line || c.column > 0 && f.Column != c.column {
			t.Errorf("%s: %v (do %q), want %d:%d %s", c.name, f, f.Do, c.line, c.column, c.what)
		}
		if len(set.Rules)+len(set.Correlations) > 0 {
			t.Errorf("%s: loaded all the same", c.name)
		}
	}
}

func TestAllCorrelationTypesParse(t *testing.T) {
	for _, typ := range []CorrelationType{EventCount, ValueCount, Temporal, ValueSum, ValueAvg, ValuePercentile, ValueMedian} {
		set, faults := Parse("x.yml", []byte(strings.Replace(correlation, "%T", string(typ), 1)))
		if len(faults) > 0 || len(set.Correlations) != 1 || len(set.Correlations[0].Bounds) != 2 {
			t.Errorf("%s: %v", typ, faults)
		}
	}
	text := strings.Replace(strings.Replace(correlation, "%T", "temporal_ordered", 1), "  condition: {gte: 3, lt: 9, field: f, percentile: 95}\n", "", 1)
	if _, faults := Parse("x.yml", []byte(text)); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestABadDocumentLeavesTheOthers(t *testing.T) {
	set, faults := Parse("x.yml", []byte(good+"---\ntitle: bad\n---\n"+good))
	if len(set.Rules) != 2 || len(faults) != 1 || faults[0].Line != 8 {
		t.Errorf("%d rules, %v", len(set.Rules), faults)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{good, correlation, "a: &a [*a]", "title: f\nlogsource: {}\nfilter: {rules: any, s: [x], condition: not s}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		set, faults := Parse("x.yml", data)
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("%d bytes took %s", len(data), d)
		}
		if len(faults) == 0 && len(set.Rules)+len(set.Correlations)+len(set.Filters) == 0 {
			t.Error("neither a rule nor a fault")
		}
		for _, r := range set.Rules {
			if r.Condition == nil || len(r.Selections) == 0 {
				t.Error("a rule that can never fire was loaded")
			}
		}
	})
}

func TestUnknownSelectionIsCorrected(t *testing.T) {
	for text, want := range map[string]string{"selecton": `did you mean "selection"?`, "filter": "there are: selection, other"} {
		var c *conditionError
		if _, err := ParseCondition(text, []string{"selection", "other"}); !errors.As(err, &c) || !strings.Contains(c.do, want) {
			t.Errorf("%s: %v, %+v", text, err, c)
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{"a", "a and not (b or 1 of c*)", "all of them", "a | count() > 3", "((((a", "not not a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := ParseCondition(s, []string{"a", "b", "c1", "_d"})
		if (x == nil) == (err == nil) {
			t.Errorf("%v, %v", x, err)
		}
	})
}
