package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// item is a rule with one item in its only selection.
func item(line string) string {
	return "title: t\nlogsource: {product: linux}\ndetection:\n  s:\n    " + line + "\n  condition: s\n"
}

// TestModifiersThatGoTogether loads every legal combination, in its order.
func TestModifiersThatGoTogether(t *testing.T) {
	p := &Parser{Placeholders: map[string][]string{"x": {"a", "b*"}}}
	for _, line := range []string{
		"a: x", "a|contains: x", "a|startswith: x", "a|endswith: x", "a|contains|all: [x, y]", "a|all|contains: [x, y]", "a|all|endswith: [x, y]",
		"a|re: x", "a|re|i: x", "a|re|m: x", "a|re|s: x", "a|re|i|m|s: x", "a|re|ignorecase: x", "a|re|all: [x, y]",
		"a|cidr: 10.0.0.0/8", "a|cidr: '2001:db8::/32'", "a|cidr: '::1'", "a|cidr|neq: 10.0.0.0/8",
		"a|windash: ' -x'", "a|windash|contains: ' -x'", "a|windash|contains|all: [' -x', ' /y']", "a|windash|base64offset|contains: ' -x'", "a|windash|endswith: ' –x'",
		"a|base64: x", "a|base64offset|contains: xyz", "a|wide|base64offset|contains: xyz", "a|utf16le|base64: x", "a|utf16be|base64: x", "a|utf16|base64offset|contains: xy",
		"a|base64|base64: x", "a|wide: x", "a|utf16|startswith: x",
		"a|expand: '%x%'", "a|expand|contains: 'c:\\%x%'", "a|re|expand: '^%x%$'", "a|expand|re: '^%x%$'", "a|cidr|expand: 10.0.0.0/8", "a|expand|windash|contains: '-%x%'",
		"a|fieldref: b", "a|fieldref|neq: b", "a|fieldref|startswith: b", "a|fieldref|endswith: b", "a|fieldref|contains: b", "a|startswith|fieldref: b", "a|fieldref|cased: b",
		"a|contains|windash: ' -x'", "a|contains|wide: x", "a|contains|expand: '%x%'", "a|exists: true", "a|exists: false", "a|cased: X", "a|contains|cased: X", "a|cased|endswith: X", "a|neq: x", "a|neq: [x, y]", "a|contains|neq: x", "a|neq: 5",
		"a|lt: 1", "a|lte: -1.5", "a|gt: 0x10", "a|gte: 1e3", "a|gt: '7'", "a|minute: 5", "a|hour|gte: 22", "a|day|lt: 31", "a|week: 53", "a|month|lte: 12", "a|year|neq: 2026",
		"'|all': [x, y]", "'|contains': x", "'|re': x.y", "'|windash': ' -x'", "'|cased': X", "'|base64offset': xyz", "'|contains|all': [x, y]",
		"a: null", "a: ''", "a: [null, '']", "a: true", "a: 5", "a: 0x40", "a: 5.0", "a: 2024-01-01", "a|contains: ''", "a: '*'", "a: '?'",
	} {
		set, faults := p.Parse("x.yml", []byte(item(line)))
		if len(faults) > 0 || len(set.Rules) != 1 {
			t.Errorf("%s: %v", line, faults)
		}
	}
}

// TestModifiersThatDoNot refuses the rest, each at its place and with a next
// step.
func TestModifiersThatDoNot(t *testing.T) {
	for line, what := range map[string]string{
		"a|contains|startswith: x":            "two ways",
		"a|re|contains: x":                    "two ways",
		"a|i: x":                              "belong to re",
		"a|i|re: x":                           "already changed",
		"a|re|cased: x":                       "tells case apart",
		"a|re|base64: x":                      "not compared",
		"a|contains|base64: x":                "already changed",
		"a|base64offset|windash|contains: x":  "already changed",
		"a|base64|wide: x":                    "already changed",
		"a|wide|utf16: x":                     "already changed",
		"a|all|all: x":                        "twice",
		"a|base64|expand: x":                  "already changed",
		"a|base64: 'x*'":                      "wildcards",
		"a|base64offset|contains: x":          "too short",
		"a|cidr: nothing":                     "no network",
		"a|cidr: 10.0.0.0/33":                 "no network",
		"a|cidr|contains: 10.0.0.0/8":         "two ways",
		"a|cidr|cased: 10.0.0.0/8":            "compares no letters",
		"a|fieldref|re: b":                    "no meaning",
		"a|fieldref|base64: b":                "no meaning",
		"a|fieldref: ''":                      "no field",
		"a|exists: maybe":                     "true or false",
		"a|exists: [true, false]":             "always holds",
		"a|exists|neq: true":                  "two ways",
		"a|lt: x":                             "no number",
		"a|gt: .nan":                          "no number",
		"a|gt: .inf":                          "no number",
		"a|hour: 24":                          "never compared",
		"a|month|gt: 13":                      "never compared",
		"a|hour|contains: 2":                  "compares it as text",
		"a|all|neq: [x, y]":                   "two ways",
		"a|contains: null":                    "null cannot",
		"a|gt: null":                          "null cannot",
		"a|neu: x":                            `"neu" is not known`,
		"a|: x":                               `"" is not known`,
		"a: []":                               "empty list",
		"a: {b: c}":                           "a mapping stands",
		"a: [[b]]":                            "a list stands",
		"a|re: '(?=x)'":                       "RE2",
		"a|re: '('":                           "RE2",
		"a|re: '((a{1000}){1000}){1000}'":     "RE2",
		`a|re: '[a-z0-9_.]{1000}[a-z]{1000}'`: "",
		"a|base64|re: x":                      "not compared as text",
		`a|re: '([ace]{10}[ace]{10}){50}[aceg]{999}[bdfh]{999}[bdfh]{999}'`: "parts",
		"a|expand: '%missing%'":  "no values here",
		"'|fieldref': x":         "needs a field",
		"'|exists': true":        "needs a field",
		"'|contains': null":      "null cannot",
		"? [a, b]\n    : x":      "plain text",
		"a: x\n    a: y":         "twice",
		"a: x\n    '<<': y":      "",
		"b: &b {c: d}\n    a: x": "a mapping stands",
		"<<: {c: d}":             "no part of Sigma",
	} {
		set, faults := Parse("x.yml", []byte(item(line)))
		if what == "" {
			continue // either is fine, as long as it ends
		}
		if len(faults) == 0 {
			t.Errorf("%s: no fault", line)
			continue
		}
		if f := faults[0]; !strings.Contains(f.What, what) || f.Do == "" || f.Line < 5 || f.Column < 5 || f.File != "x.yml" {
			t.Errorf("%s: %v, want %q", line, f, what)
		}
		if len(set.Rules) > 0 {
			t.Errorf("%s: loaded all the same", line)
		}
	}
}

// TestPlaceholders is the section of that name of the specification.
func TestPlaceholders(t *testing.T) {
	p := &Parser{Placeholders: map[string][]string{"name": {"one", "two"}, "other": {"x"}}}
	for value, want := range map[string]string{
		"%name%":            "one two",
		`\%plain%name%`:     "%plainone %plaintwo",
		"%name%-%other%":    "one-x two-x",
		"100%":              "100%",
		"50% of %other%":    "50% of x",
		"%%name%%":          "%one% %two%",
		"%no such% %other%": "%no such% x",
	} {
		set, faults := p.Parse("x.yml", []byte(item("a|expand: '"+value+"'")))
		if len(faults) > 0 {
			t.Errorf("%s: %v", value, faults)
			continue
		}
		var got []string
		for _, pat := range set.Rules[0].Selections[0].Clauses[0][0].Values[0].Patterns {
			text, _ := pat.Plain()
			got = append(got, text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	set, faults := p.Parse("x.yml", []byte(item("a: '%name%'")))
	if text, _ := set.Rules[0].Selections[0].Clauses[0][0].Values[0].Patterns[0].Plain(); len(faults) > 0 || text != "%name%" {
		t.Error("a placeholder is filled in without expand")
	}
	many := &Parser{Placeholders: map[string][]string{"m": make([]string, 100)}}
	if _, faults := many.Parse("x.yml", []byte(item("a|expand: '%m%%m%%m%%m%%m%%m%'"))); len(faults) == 0 {
		t.Error("placeholders expand without bounds")
	}
}

// TestEncodings holds values against known bytes.
func TestEncodings(t *testing.T) {
	for line, want := range map[string][]string{
		"a|wide: cmd":                           {"c\x00m\x00d\x00"},
		"a|utf16le: cmd":                        {"c\x00m\x00d\x00"},
		"a|utf16be: cmd":                        {"\x00c\x00m\x00d"},
		"a|utf16: cmd":                          {"\xff\xfec\x00m\x00d\x00"},
		"a|base64: 'foobar'":                    {"Zm9vYmFy"},
		"a|wide|base64: 'A'":                    {"QQA="},
		"a|utf16|base64: 'A'":                   {"//5BAA=="},
		"a|base64offset|contains: 'foobar'":     {"Zm9vYmFy", "Zvb2Jhc", "mb29iYX"},
		"a|base64offset|contains: 'http://'":    {"aHR0cDovL", "h0dHA6Ly", "odHRwOi8v"},
		"a|wide|base64offset|contains: 'ping '": {"cABpAG4AZwAgA", "AAaQBuAGcAIA", "wAGkAbgBnACAA"},
		"a|windash|base64: ' -a'":               {"IC1h", "IC9h", "IOKAk2E=", "IOKAlGE=", "IOKAlWE="},
		`a: 'x\*y\?z\\\*'`:                      {`x*y?z\*`},
		`a: 'c:\dir\\file\'`:                    {`c:\dir\file\`},
		`a: '\\\\host'`:                         {`\\host`},
		`a: '\\\host'`:                          {`\\host`},
		`a: 'a\\\\b'`:                           {`a\\b`},
	} {
		set, faults := Parse("x.yml", []byte(item(line)))
		if len(faults) > 0 {
			t.Errorf("%s: %v", line, faults)
			continue
		}
		var got []string
		for _, p := range set.Rules[0].Selections[0].Clauses[0][0].Values[0].Patterns {
			text, ok := p.Plain()
			if !ok {
				t.Errorf("%s: wildcards are left", line)
			}
			got = append(got, text)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestOldAggregations gives the correlation that says the same, which loads.
func TestOldAggregations(t *testing.T) {
	for old, want := range map[string]string{
		"s | count() > 5":                        "type: event_count\n  rules: [many_logons]\n  timespan: 5m\n  condition: {gt: 5}",
		"s | count() by a, b >= 5":               "group-by: [a, b]\n  timespan: 5m\n  condition: {gte: 5}",
		"s and not f | count(user) by host > 10": "type: value_count\n  rules: [many_logons]\n  group-by: [host]\n  timespan: 5m\n  condition: {field: user, gt: 10}",
		"s | sum(bytes) by host > 1000":          "type: value_sum",
		"s | avg(bytes) < 10":                    "type: value_avg",
		"s | near f":                             "type: temporal\n  rules: [many_logons, f]",
		"s | near f and not g":                   "condition: many_logons and f and not g",
	} {
		text := "title: Many Logons!\nlogsource: {product: linux}\ndetection:\n  s: {a: b}\n  f: {a: c}\n  timeframe: 5m\n  condition: " + old + "\n"
		_, faults := Parse("x.yml", []byte(text))
		if len(faults) != 1 {
			t.Errorf("%s: %v", old, faults)
			continue
		}
		f := faults[0]
		if f.Line != 7 || f.Column != 14+strings.Index(old, "|") || !strings.Contains(f.Do, want) {
			t.Errorf("%s: %v", old, f)
		}
		_, yaml, _ := strings.Cut(f.Do, "---\n")
		if set, faults := Parse("x.yml", []byte(yaml)); len(faults) > 0 || len(set.Correlations) != 1 {
			t.Errorf("what is to take the place of %s does not load: %v\n%s", old, faults, yaml)
		}
	}
	_, faults := Parse("x.yml", []byte(item("a: b")[:len(item("a: b"))-1]+" | min(x) > 3\n"))
	if len(faults) != 1 || faults[0].Do == "" {
		t.Error(faults)
	}
	_, faults = Parse("x.yml", []byte("action: global\ntitle: x\n"))
	if len(faults) != 1 || faults[0].Line != 1 || faults[0].Column != 9 {
		t.Error(faults)
	}
}

// TestDocuments is what stands around a detection.
func TestDocuments(t *testing.T) {
	base := item("a: b")
	for text, want := range map[string]string{
		base + "status: deprecated\nrelated: [{id: x, type: derived}]\nown_attribute: {a: 1}\n": "",
		base + "status: unsupported\n":                                    "",
		base + "taxonomy: sigma\n":                                        "",
		base + "taxonomy: ecs\n":                                          "",
		base + "taxonomy: acme\n":                                         "taxonomy",
		base + "title: twice\n":                                           "twice",
		"\xef\xbb\xbf" + base:                                             "",
		strings.ReplaceAll(base, "\n", "\r\n"):                            "",
		strings.Replace(base, "    a: b", "\ta: b", 1):                    "YAML",
		strings.Replace(base, "a: b", "a: \"\x00\"", 1):                   "YAML",
		strings.Replace(base, "a: b", "a: \xff\xfe", 1):                   "YAML",
		strings.Replace(base, "condition: s", "condition: [s, not s]", 1): "",
		strings.Replace(base, "condition: s", "condition: []", 1):         "no condition",
		strings.Replace(base, "condition: s", "condition: null", 1):       "not a text",
		strings.Replace(base, "condition: s", "condition: {a: b}", 1):     "not a text",
		strings.Replace(base, "    a: b", "    []", 1):                    "empty",
		strings.Replace(base, "    a: b", "    {}", 1):                    "empty",
		strings.Replace(base, "    a: b", "    ''", 1):                    "every event",
		strings.Replace(base, "    a: b", "    ['*', x]", 1):              "every event",
		strings.Replace(base, "    a: b", "    [x, {a: b}, 5]", 1):        "",
		strings.Replace(base, "    a: b", "    [[x]]", 1):                 "no meaning",
		"- a\n- b\n": "mapping",
		"just text":  "mapping",
		"title: x\n": "neither",
		strings.Replace(base, "title: t", "title: ''", 1):     "no title",
		strings.Replace(base, "{product: linux}", "linux", 1): "logsource",
	} {
		set, faults := Parse("x.yml", []byte(text))
		switch {
		case want == "" && (len(faults) > 0 || len(set.Rules) != 1):
			t.Errorf("%v\n%s", faults, text)
		case want != "" && (len(faults) == 0 || !strings.Contains(faults[0].What, want) || faults[0].Line < 1 || faults[0].Column < 1 || faults[0].Do == ""):
			t.Errorf("%v, want %q\n%s", faults, want, text)
		}
	}
}

// TestConditions works them out over which of a, b, c1, c2, _d hold.
func TestConditions(t *testing.T) {
	names := []string{"a", "b", "c1", "c2", "_d"}
	for text, want := range map[string]string{ // the sets for which it holds, of some
		"a or b and not c1":   "a b ac1 ab",
		"(a or b) and not c1": "a b ab",
		"not a and b":         "b",
		"not (a and b)":       "- a b c1 d c1c2 ac1",
		"1 of them":           "a b c1 ab c1c2 ac1",
		"any of c*":           "c1 c1c2 ac1",
		"all of c*":           "c1c2",
		"all of them":         "",
		"2 of them":           "ab c1c2 ac1",
		"2 of c*":             "c1c2",
		"1 of _*":             "d",
		"not 1 of c*":         "- a b d ab",
		"not not a":           "a ac1 ab",
		"_d":                  "d",
		"1 of *1":             "c1 c1c2 ac1",
	} {
		x, err := ParseCondition(text, names)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		var got []string
		for _, set := range []string{"-", "a", "b", "c1", "d", "c1c2", "ac1", "ab"} {
			holds := make([]bool, len(names))
			for i, n := range names {
				holds[i] = strings.Contains(set, strings.TrimPrefix(n, "_"))
			}
			if Over(x, holds) {
				got = append(got, set)
			}
		}
		have, need := map[string]bool{}, map[string]bool{}
		for _, s := range got {
			have[s] = true
		}
		for _, s := range strings.Fields(want) {
			need[s] = true
		}
		if fmt.Sprint(have) != fmt.Sprint(need) {
			t.Errorf("%s: holds for %v, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "a b", "a and", "and a", "(a", "a)", "1 of", "1 of x*", "6 of them", "0 of them", "-1 of them", "a of them", "not", "x", "a & b", "3 of c*", "all of _x*"} {
		if x, err := ParseCondition(text, names); err == nil {
			t.Errorf("%q: %v", text, x)
		}
	}
}

// TestCorrelationsAreRefused names what is wrong with one.
func TestCorrelationsAreRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}", ""},
		{"type: event_count, rules: a, group-by: x, timespan: 2w, condition: {gt: 1, lte: 9, neq: 4}", ""},
		{"type: value_count, rules: [a], timespan: 1d, condition: {field: [x, y], gte: 5}", ""},
		{"type: value_sum, rules: [a], timespan: 1M, condition: {field: x, lt: -5}", ""},
		{"type: temporal, rules: [a, b], timespan: 1y", ""},
		{"type: temporal, rules: [a, b], timespan: 5m, condition: a and not b", ""},
		{"type: temporal, timespan: 5m, condition: a or b", ""},
		{"type: temporal_ordered, rules: [a, b], timespan: 5m, condition: a AND b", ""},
		{"type: temporal_ordered, rules: [a, b], timespan: 5m, condition: a or b", "in their order"},
		{"type: temporal, rules: [a, b], timespan: 5m, condition: not a", "without any event"},
		{"type: temporal, rules: [a, b], timespan: 5m, condition: a and c", `"c"`},
		{"type: event_count, rules: [a], timespan: 5m, condition: a and b", "is a mapping"},
		{"type: event_count, rules: [a], timespan: 5m", "no condition"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {eq: 0}", "never hold"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {lt: 1}", "never hold"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {gt: 5, lt: 6}", "never hold"},
		{"type: value_avg, rules: [a], timespan: 5m, condition: {field: x, gt: 5, lt: 6}", ""},
		{"type: value_avg, rules: [a], timespan: 5m, condition: {field: x, gt: 6, lt: 5}", "never hold"},
		{"type: temporal, rules: [a, b], timespan: 5m, condition: {gte: 3}", "never hold"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {gte: .nan}", "gte is"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {field: x}", "compares with nothing"},
		{"type: value_count, rules: [a], timespan: 5m, condition: {gte: 5}", "needs a field"},
		{"type: value_sum, rules: [a], timespan: 5m, condition: {field: [x, y], gte: 5}", "field is"},
		{"type: value_percentile, rules: [a], timespan: 5m, condition: {field: x, gte: 5}", "which percentile"},
		{"type: value_percentile, rules: [a], timespan: 5m, condition: {field: x, percentile: 101, gte: 5}", "percentile is"},
		{"type: event_count, rules: [], timespan: 5m, condition: {gte: 5}", "refers to no rule"},
		{"type: event_count, rules: [a, a], timespan: 5m, condition: {gte: 5}", "twice"},
		{"type: event_count, rules: [a], timespan: 0m, condition: {gte: 5}", "timespan"},
		{"type: event_count, rules: [a], timespan: 5x, condition: {gte: 5}", "timespan"},
		{"type: event_count, rules: [a], timespan: 99999y, condition: {gte: 5}", "timespan"},
		{"type: event_count, rules: [a], condition: {gte: 5}", "timespan"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}, generate: perhaps", "generate"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}, aliases: {x: {b: y}}", "does not refer to"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}, aliases: {x: y}", "not a mapping"},
		{"type: event_count, rules: [a], timespan: 5m, condition: {gte: 5}, unknown: 5", "no attribute"},
	} {
		set, faults := Parse("x.yml", []byte("title: c\nname: c\ncorrelation: {"+c[0]+"}\n"))
		switch {
		case c[1] == "" && (len(faults) > 0 || len(set.Correlations) != 1):
			t.Errorf("%s: %v", c[0], faults)
		case c[1] != "" && (len(faults) == 0 || !strings.Contains(faults[0].What, c[1]) || faults[0].Line < 3 || faults[0].Column < 1 || faults[0].Do == ""):
			t.Errorf("%s: %v, want %q", c[0], faults, c[1])
		}
	}
	set, faults := Parse("x.yml", []byte("title: c\ngenerate: true\ncorrelation: {type: temporal, rules: [a, b], timespan: 1w}\n"))
	if len(faults) > 0 || !set.Correlations[0].Generate || set.Correlations[0].Timespan != 7*24*time.Hour {
		t.Error("generate beside the correlation, or weeks, are not read")
	}
}

// TestHostileFiles ends soon and says what is wrong.
func TestHostileFiles(t *testing.T) {
	many := "title: t\nlogsource: {product: x}\ndetection:\n"
	var b strings.Builder
	b.WriteString(many)
	for i := range 10_000 {
		fmt.Fprintf(&b, "  s%d: {a: %d}\n", i, i)
	}
	selections := b.String()
	for name, text := range map[string]string{
		"selections":  selections + "  condition: 1 of s*\n",
		"ofs":         selections + "  condition: " + strings.Repeat("1 of s* or ", 1000) + "s1\n",
		"unknown":     selections + "  condition: nothing\n",
		"stars":       item("a: '" + strings.Repeat("*", 1<<20-200) + "'"),
		"stars apart": item("a: '" + strings.Repeat("*x", 30_000) + "'"),
		"alternation": item("a|re: '" + strings.Repeat("abc|", 2000) + "'"),
		"regexes":     item("a|re: [" + strings.Repeat(`'\pL{1000}', `, 20_000) + "x]"),
		"nested":      item("a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)),
		"deep":        item("a: b") + strings.Repeat("(", 4000) + "\n",
		"parentheses": strings.Replace(item("a: b"), "condition: s", "condition: "+strings.Repeat("(", 3000)+"s"+strings.Repeat(")", 3000), 1),
		"nots":        strings.Replace(item("a: b"), "condition: s", "condition: "+strings.Repeat("not ", 3000)+"s", 1),
		"ands":        strings.Replace(item("a: b"), "condition: s", "condition: s"+strings.Repeat(" and s", 500_000/6), 1),
		"huge":        strings.Repeat("x", 2<<20),
		"documents":   strings.Repeat("---\ntitle: x\n", 50_000),
		"bombs":       strings.Repeat("---\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n", 900),
		"anchors":     "a: &a [*a]\n",
		"nul":         strings.Repeat("\x00", 1000),
	} {
		begin := time.Now()
		set, faults := Parse("x.yml", []byte(text))
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("%s: %s", name, d)
		}
		if loads := map[string]bool{"selections": true, "stars apart": true, "alternation": true}[name]; loads != (len(faults) == 0) || loads != (len(set.Rules) == 1) {
			t.Errorf("%s: %d rules, %.300v", name, len(set.Rules), faults)
		}
		for _, f := range faults {
			if len(f.What)+len(f.Do) > 4<<10 {
				t.Errorf("%s: a fault of %d bytes", name, len(f.What)+len(f.Do))
			}
		}
	}
}
