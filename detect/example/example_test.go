package example

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/detect/sigma"
)

func rule(t testing.TB, detection string) *sigma.Rule {
	t.Helper()
	set, faults := sigma.Parse("x.yml", []byte("title: t\nlogsource: {product: x}\ndetection:\n"+detection))
	if len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, detection)
	}
	return set.Rules[0]
}

// one is a rule of one selection, given as items between commas.
func one(items string) string { return "  s: {" + items + "}\n  condition: s\n" }

func TestEventsAreFound(t *testing.T) {
	for _, text := range []string{
		one(`a: x, b|contains: y`),
		one(`a|contains|all: [one, neon, 'e*t', '?w?'], a|startswith: 'On', a|endswith: .exe`),
		one(`a|re: '^[a-f]{3}-\d+\b.$', a|contains: '7'`),
		one(`a|re|i: 'ABC|xyz$', a|cased|contains: Q`),
		one(`a|windash|contains: ' -enc ', a|contains: '–'`),
		one(`a|base64offset|contains: 'http://', a|startswith: 'Q'`),
		one(`a|wide|base64offset|contains: 'ping'`),
		one(`a|cidr: [10.0.0.0/8, 'fd00::/8'], a|startswith: '10.0.0.'`),
		one(`a|cidr: 192.0.2.0/24, a|neq: 192.0.2.0`),
		one(`a|gt: 4, a|lte: 5, a|neq: 5`),
		one(`a|hour|gte: 22, a|week: 53, a|year|lt: 2030, a|minute: 7`),
		one(`a|fieldref: b, b|startswith: x, a|endswith: y`),
		one(`a|fieldref|startswith: b, b: cmd, a|neq: cmd`),
		one(`a|exists: true, a: null`),
		one(`a|exists: false, b: ''`),
		one(`a: [null, ''], b|contains: ''`),
		one(`a|utf16: ab`),
		"  s: {a|endswith: .exe}\n  f: {a|startswith: 'x', a|contains: [a, b, c, d]}\n  g: {b: null}\n  condition: s and not f and not g\n",
		"  s: {a|endswith: .exe}\n  f1: {a|startswith: ['c:\\', '.']}\n  f2: {b: null}\n  f3: {b: ''}\n  condition: s and not 1 of f*\n",
		"  s: {a: x}\n  f1: {b: 1}\n  f2: {b: 2, c: 1}\n  f3: {d: 2}\n  condition: s and not 2 of f* or all of f* and not s\n",
		"  k: [error, 'fail*ed']\n  m:\n    '|all': [user, root]\n  n: [success]\n  condition: k and m and not n\n",
		"  a1: {x: 1}\n  a2: {x: 2}\n  a3: {y: 1}\n  condition: 2 of a*\n",
		"  s:\n    - a: 1\n      b: 2\n    - a: 1\n      c: 2\n  f: {a: 1, b|exists: true}\n  condition: s and not f\n",
		"  f: {a: 1}\n  condition: not f\n",
	} {
		r := rule(t, text)
		fields, err := Event(r)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		if !NewReference().Holds(r.Selections, r.Condition, fields) {
			t.Errorf("%v\n%s", fields, text)
		}
		for _, miss := range NearMisses(r) {
			if NewReference().Holds(r.Selections, r.Condition, miss) {
				t.Errorf("no miss: %v\n%s", miss, text)
			}
		}
	}
}

func TestContradictionsAreProven(t *testing.T) {
	for text, why := range map[string]string{
		one(`a: x, a|contains: y`):                        "a must be x, and a must contain y",
		one(`a|re: '^\d+$', a|contains: z`):               "a must match",
		one(`a|startswith|cased: x, b: 1, a|re: '^[^x]'`): "a must start with x, and a must match ^[^x]",
		one(`a|gt: 5, a|lt: 5`):                           "a must be more than 5, and a must be less than 5",
		one(`a|contains: b, a: null`):                     "",
		one(`a|exists: false, a|contains: b`):             "",
		one(`a: 10.0.0.1, a|cidr: 192.0.2.0/24`):          "a must be 10.0.0.1, and a must be in 192.0.2.0/24",
		one(`a|hour|gt: 5, a|hour|lte: 5`):                "a must be more than 5, and a must be at most 5",
		one(`a|month: 2, a|day: 30`):                      "",

		"  s: {a|contains: foobar}\n  f: {a|contains: OOB}\n  condition: s and not f\n":     "a must contain foobar, and a must not contain OOB",
		"  s: {a|contains: foobar}\n  condition: s and not s\n":                             "",
		"  s: {a: x}\n  f: {a|neq: y}\n  condition: s and not f\n":                          "",
		"  s: {a|exists: true}\n  t: {a|exists: false}\n  condition: all of them\n":         "",
		"  k: [abc]\n  l: [b]\n  condition: k and not l\n":                                  "",
		one(`a|fieldref: b, a: x, b: y`):                                                    "",
		"  s: {a: x}\n  f: {a|fieldref: a}\n  condition: s and not f\n":                     "",
		"  s1: {a: x}\n  s2: {a: y}\n  s3: {a: z, b: 1}\n  condition: 2 of s* and not s3\n": "a must be y, and a must be x",
	} {
		_, err := Event(rule(t, text))
		if !errors.Is(err, ErrNever) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q\n%s", err, why, text)
		}
		if NearMisses(rule(t, text)) != nil {
			t.Error("a rule without an event has near misses")
		}
	}
}

func TestFiltersAreAvoided(t *testing.T) {
	set, faults := sigma.Parse("x.yml", []byte("title: f\nlogsource: {}\nfilter: {rules: any, s: {a|startswith: x}, condition: s}\n"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	fields, err := Event(rule(t, one("a|contains: x")), set.Filters...)
	if err != nil || strings.HasPrefix(fields[0].Text, "x") {
		t.Errorf("%v, %v", fields, err)
	}
	if _, err := Event(rule(t, one("a: x")), set.Filters...); !errors.Is(err, ErrNever) {
		t.Error(err)
	}
}

// TestHostileRulesEnd bounds the time that a rule can cost.
func TestHostileRulesEnd(t *testing.T) {
	var many, all, sets strings.Builder
	for i := range 400 {
		fmt.Fprintf(&many, "'%[1]d*%[1]d*%[1]d', ", i)
		fmt.Fprintf(&all, "  s%d: {a|contains: 'x%d', b%d: [1, 2]}\n", i, i, i)
		fmt.Fprintf(&sets, "  s%d: {a|re: '(a|b)*a(a|b){%d}$'}\n", i, i%20)
	}
	for _, text := range []string{
		one("a|contains|all: [" + many.String() + "]"),
		one("a|contains|all: [" + many.String() + "], a|re: '^[a-z]*$'"),
		all.String() + "  condition: 200 of s*\n",
		sets.String() + "  condition: all of s*\n",
		sets.String() + "  condition: 1 of s* and not 2 of s*\n",
		one("a|re: '(a?){1000}b'"),
		one("a|re: '.{900}x.{900}'"),
	} {
		begin := time.Now()
		_, err := Event(rule(t, text))
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("%s for %.60s", d, text)
		} else {
			t.Log(d, err)
		}
	}
}

// FuzzEvent has any rule looked at: it ends soon, and what is found holds.
func FuzzEvent(f *testing.F) {
	for _, detection := range []string{one("a|re: '(x|y*)+$', a|neq: x"), one("a|fieldref: b, b|fieldref: a"), "  s: [x, {a: null}]\n  condition: not s\n"} {
		f.Add([]byte("title: t\nlogsource: {product: x}\ndetection:\n" + detection))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, _ := sigma.Parse("x.yml", data)
		for _, r := range set.Rules[:min(len(set.Rules), 3)] {
			begin := time.Now()
			fields, err := Event(r)
			if d := time.Since(begin); d > time.Minute {
				t.Errorf("it took %s", d)
			}
			if err == nil && !NewReference().Holds(r.Selections, r.Condition, fields) {
				t.Errorf("%v", fields)
			}
		}
	})
}
