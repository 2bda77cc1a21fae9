package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/detect/engine"
	"holdfast/detect/example"
	"holdfast/detect/sigma"
)

// words are short and much alike, so that values meet, overlap and exclude one
// another.
var words = []string{"a", "ab", "ba", "aba", "AB", "a*b", "?b", "*a", "b*", `\*`, `a\\b`, `a\b`, " -a", "/b", "é", "É", "ſ", "", "1", "10", "ab ba"}

// aSelection draws one with any of the modifiers.
func aSelection(t *rapid.T, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s:\n", name)
	used := map[string]bool{}
	for range rapid.IntRange(1, 3).Draw(t, "items") {
		field := rapid.SampledFrom([]string{"f", "g", "h"}).Draw(t, "field")
		key := field + rapid.SampledFrom([]string{
			"", "", "|contains", "|startswith", "|endswith", "|contains|all", "|contains|windash", "|re", "|re|i", "|cased", "|contains|cased",
			"|neq", "|cidr", "|exists", "|gt", "|lte", "|base64offset|contains", "|wide|base64", "|fieldref", "|fieldref|startswith", "|contains|neq",
		}).Draw(t, "modifier")
		if used[key] {
			continue
		}
		used[key] = true
		one := func() string {
			w := rapid.SampledFrom(words).Draw(t, "word")
			switch {
			case strings.Contains(key, "|re"):
				return quote(rapid.SampledFrom([]string{"^a+b?$", "[^a]b", `\bA`, "a.b|b.a", "(ab){2}", "^$", `\d+`, "é"}).Draw(t, "regex"))
			case strings.Contains(key, "cidr"):
				return quote(rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "fd00::/8", "10.1.2.3"}).Draw(t, "network"))
			case strings.Contains(key, "exists"):
				return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "there")
			case strings.Contains(key, "|gt"), strings.Contains(key, "|lte"):
				return rapid.SampledFrom([]string{"1", "9.5", "10"}).Draw(t, "number")
			case strings.Contains(key, "fieldref"):
				return rapid.SampledFrom([]string{"f", "g", "h"}).Draw(t, "other")
			case strings.Contains(key, "base64"):
				return quote(rapid.SampledFrom([]string{"ab", "abc", "abcd"}).Draw(t, "plain"))
			}
			if !strings.Contains(key, "|") && rapid.IntRange(0, 9).Draw(t, "null") == 0 {
				return "null"
			}
			return quote(w)
		}
		n := 1
		if !strings.Contains(key, "exists") {
			n = rapid.SampledFrom([]int{1, 1, 2, 9}).Draw(t, "values")
		}
		var list []string
		for range n {
			list = append(list, one())
		}
		if n == 1 {
			fmt.Fprintf(&b, "    %s: %s\n", key, list[0])
		} else {
			fmt.Fprintf(&b, "    %s: [%s]\n", key, strings.Join(list, ", "))
		}
	}
	return b.String()
}

func quote(s string) string { return "'" + s + "'" }

func aRule(t *rapid.T) *sigma.Rule {
	text := "title: t\nlogsource: {product: p}\ndetection:\n"
	for _, name := range []string{"s1", "s2", "f1", "f2"} {
		text += aSelection(t, name)
	}
	text += "  k: [" + quote(rapid.SampledFrom([]string{"ab", "é*a", "a?b"}).Draw(t, "keyword")) + "]\n"
	text += "  condition: " + rapid.SampledFrom([]string{
		"s1", "s1 and s2", "s1 or s2", "s1 and not f1", "1 of s* and not 1 of f*", "all of s* and not all of f*", "s1 and not (f1 and f2)",
		"2 of them", "not s1 and not f1", "k and s1", "s1 and not k", "not 2 of them",
	}).Draw(t, "condition") + "\n"
	set, faults := sigma.Parse("t.yml", []byte(text))
	if len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, text)
	}
	t.Log(text)
	return set.Rules[0]
}

// TestMadeEventsMatch holds made rules, made events and the engine against one
// another: what the one says must hold, the others find.
func TestMadeEventsMatch(t *testing.T) {
	answers := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		r := aRule(t)
		eng, faults := engine.New([]*sigma.Rule{r}, nil)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		ds := holdfast.Dataset{Name: "d", Logsource: r.Logsource}
		need, narrowed := eng.Needs(r)
		holds := func(fields []holdfast.Field) bool {
			e := &holdfast.Event{Dataset: "d", Fields: fields}
			hit := len(eng.Match(e, ds)) > 0
			if hit && narrowed && !has(need, e) {
				t.Fatalf("the rule holds for %q, which has not what it needs: %s", fields, needText(need))
			}
			return hit
		}
		ref := example.NewReference()
		fields, err := example.Event(r)
		switch {
		case err == nil:
			answers["fires"]++
			if !holds(fields) {
				t.Fatalf("it does not fire for %q", fields)
			}
		case errors.Is(err, example.ErrNever):
			answers["never"]++
		default:
			answers["unknown"]++
		}
		tries := example.NearMisses(r)
		for _, miss := range tries {
			if holds(miss) {
				t.Fatalf("it fires for the near miss %q", miss)
			}
		}
		for range 10 {
			var some []holdfast.Field
			for _, name := range []string{"f", "g", "h", "f"} {
				switch rapid.IntRange(0, 6).Draw(t, "kind") {
				case 0:
				case 1:
					some = append(some, holdfast.Field{Name: name, Kind: holdfast.Null})
				case 2:
					some = append(some, holdfast.Field{Name: name, Text: rapid.StringOfN(rapid.SampledFrom([]rune("abAB1 -/é")), 0, 6, -1).Draw(t, "text")})
				case 3:
					some = append(some, holdfast.Field{Name: name, Text: rapid.SampledFrom([]string{"10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "9.5", "10", "-3"}).Draw(t, "number")})
				default:
					some = append(some, holdfast.Field{Name: name, Text: rapid.SampledFrom(words).Draw(t, "word")})
				}
			}
			tries = append(tries, some)
		}
		for _, some := range tries {
			want := ref.Holds(r.Selections, r.Condition, some)
			if got := holds(some); got != want {
				t.Fatalf("the engine says %t, the reference %t for %q", got, want, some)
			}
			if want && errors.Is(err, example.ErrNever) && single(some) {
				t.Fatalf("%v, and yet it holds for %q", err, some)
			}
		}
	})
	t.Log(answers)
	if answers["fires"] == 0 {
		t.Error("no rule was satisfiable")
	}
}

// single reports whether no field has two values: ErrNever speaks of such events
// only.
func single(fields []holdfast.Field) bool {
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.Name] {
			return false
		}
		seen[f.Name] = true
	}
	return true
}

// has is what a store answers to what a rule needs.
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
