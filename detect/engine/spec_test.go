package engine

import (
	"fmt"
	"testing"

	"holdfast"
	"holdfast/detect/sigma"
)

// TestSpecification holds items against values of the field a: "-" stands for a
// missing field, "~" for null.
func TestSpecification(t *testing.T) {
	for _, c := range []struct {
		item    string
		yes, no []string
	}{
		{`a: Abc`, []string{"abc", "ABC"}, []string{"abcd", "", "-", "~"}},
		{`a: 'É*ſ'`, []string{"éxs", "És"}, []string{"és "}},
		{`a|cased: Abc`, []string{"Abc"}, []string{"abc", "ABC"}},
		{`a: 'a?c'`, []string{"abc", "aéc", "a?c"}, []string{"ac", "abbc"}},
		{`a: 'a*c'`, []string{"ac", "abbbc", "a\nc"}, []string{"acd"}},
		{`a: 'a\*c'`, []string{"a*c"}, []string{"abc", `a\*c`}},
		{`a: 'a\\*c'`, []string{`a\c`, `a\xyzc`}, []string{"a*c", "abc"}},
		{`a: 'a\\\*c'`, []string{`a\*c`}, []string{`a\xc`}},
		{`a: 'a\bc'`, []string{`a\bc`}, []string{"abc"}},
		{`a: 'a\'`, []string{`a\`}, []string{"a"}},
		{`a: null`, []string{"-", "~"}, []string{"", "x"}},
		{`a: ''`, []string{""}, []string{"-", "~", "x"}},
		{`a: '*'`, []string{"", "x"}, []string{"-", "~"}},
		{`a|contains: ''`, []string{"", "x"}, []string{"-", "~"}},
		{`a: [null, '']`, []string{"", "-", "~"}, []string{"x"}},
		{`a|exists: true`, []string{"", "x", "~"}, []string{"-"}},
		{`a|exists: false`, []string{"-"}, []string{"", "x", "~"}},
		{`a|neq: x`, []string{"y", "-", ""}, []string{"x", "X"}},
		{`a|neq: [x, y]`, []string{"z"}, []string{"x", "y"}},
		{`a: 4688`, []string{"4688"}, []string{"4688.0", "46880"}},
		{`a: '0x40'`, []string{"0x40", "0X40"}, []string{"64"}},
		{`a: true`, []string{"true", "True"}, []string{"1"}},
		{`a|contains|all: [b, '?c']`, []string{"bxc", "cbc"}, []string{"bd", "cb"}},
		{`a|startswith: [b, c]`, []string{"bx", "C"}, []string{"xb"}},
		{`a|endswith: '\x.exe'`, []string{`c:\x.EXE`, `\x.exe`}, []string{"x.exe", `\x.exe `}},
		{`a|re: ^b.d$`, []string{"bcd"}, []string{"Bcd", "abcd", "b\nd"}},
		{`a|re|i: ^b.d$`, []string{"BCD"}, []string{"b\nd"}},
		{`a|re|s: ^b.d$`, []string{"b\nd"}, []string{"x\nb d"}},
		{`a|re|m: ^b.d$`, []string{"x\nb d\ny"}, []string{"xb d"}},
		{`a|re|i|m|s: ^b.d$`, []string{"x\nB\nD\ny"}, []string{"bd"}},
		{`a|cidr: 10.0.0.0/8`, []string{"10.1.2.3", "::ffff:10.1.2.3"}, []string{"11.0.0.1", "10.1.2", "x", "10.1.2.3/8", "-"}},
		{`a|cidr: '2001:db8::/32'`, []string{"2001:DB8::1", "2001:db8::1%eth0"}, []string{"2001:db9::1", "10.0.0.1"}},
		{`a|cidr: '::1/128'`, []string{"::1", "0:0:0:0:0:0:0:1"}, []string{"::2"}},
		{`a|windash|contains: ' -enc '`, []string{"x -enc y", "x /enc y", "x –ENC y", "x —enc y", "x ―enc y"}, []string{"x enc y", "x --enc y", "x ‐enc y"}},
		{`a|windash|contains: ' –a'`, []string{"x -a", "x /a"}, []string{"xa"}},
		{`a|windash|contains: 'no-op'`, []string{"no-op"}, []string{"no/op"}},
		{`a|windash|contains: '-a -b'`, []string{"/a -b", "–a —b"}, []string{"a b"}},
		{`a|base64offset|contains: 'http://'`, []string{"aHR0cDovL2E", "xaHR0cDovLyE", "IGh0dHA6Ly8"}, []string{"http://"}},
		{`a|lt: 5`, []string{"4", "-1", "4.9", "1e0"}, []string{"5", "x", "", "-", "NaN"}},
		{`a|lte: 5`, []string{"5", "5.0"}, []string{"5.1"}},
		{`a|gt: 5`, []string{"6", "1e9", "+Inf"}, []string{"5", "0x10"}},
		{`a|gte: 5`, []string{"5"}, []string{"4.99"}},
		{`a|hour|gte: 22`, []string{"2026-11-23T22:00:00Z", "2026-11-23T23:59:59.5+09:00", "2026-11-23 22:10:00"}, []string{"2026-11-23T21:59:59Z", "22", "x", "-"}},
		{`a|minute: 7`, []string{"2026-11-23T22:07:00Z"}, []string{"2026-11-23T07:00:00Z"}},
		{`a|day: 31`, []string{"2026-12-31"}, []string{"2026-12-30"}},
		{`a|week: 53`, []string{"2027-01-01T00:00:00Z"}, []string{"2027-01-04T00:00:00Z"}},
		{`a|month|lt: 3`, []string{"2026-02-28"}, []string{"2026-03-01"}},
		{`a|year|neq: 2026`, []string{"2025-01-01", "-"}, []string{"2026-01-01"}},
		{`a|fieldref: b`, []string{"bee", "BEE"}, []string{"be", "-", "~"}},
		{`a|fieldref|cased: b`, []string{"Bee"}, []string{"bee"}},
		{`a|fieldref|startswith: b`, []string{"bee line"}, []string{"a bee"}},
		{`a|fieldref|endswith: b`, []string{"a bee"}, []string{"bee line"}},
		{`a|fieldref|contains: b`, []string{"a bee line"}, []string{"be"}},
		{`a|fieldref|neq: b`, []string{"x", "-"}, []string{"bee"}},
		{`a|fieldref: nothing`, nil, []string{"", "x", "-"}},
		{`'|all': [x, y]`, []string{"yx"}, []string{"x", "y", "-"}},
		{`'|re': ^x.$`, []string{"xy"}, []string{"yx"}},
		{`'|contains': be*`, []string{"x", "-"}, nil}, // the field b has it
	} {
		text := "title: t\nlogsource: {product: p}\ndetection:\n  s:\n    " + c.item + "\n  condition: s\n"
		set, faults := sigma.Parse("t.yml", []byte(text))
		if len(faults) > 0 {
			t.Errorf("%s: %v", c.item, faults)
			continue
		}
		eng, faults := New(set.Rules, nil)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		ds := holdfast.Dataset{Name: "d", Logsource: holdfast.Logsource{Product: "p"}}
		for want, values := range map[bool][]string{true: c.yes, false: c.no} {
			for _, v := range values {
				fields := []holdfast.Field{{Name: "b", Text: "Bee"}}
				switch v {
				case "-":
				case "~":
					fields = append(fields, holdfast.Field{Name: "a", Kind: holdfast.Null})
				default:
					fields = append(fields, holdfast.Field{Name: "a", Text: v})
				}
				if got := len(eng.Match(&holdfast.Event{Dataset: "d", Fields: fields}, ds)) > 0; got != want {
					t.Errorf("%s is %t for %q", c.item, got, v)
				}
			}
		}
	}
}

// FuzzRuleAndEvent has any rule meet any event.
func FuzzRuleAndEvent(f *testing.F) {
	for _, item := range []string{`a|re: 'x+$'`, `a|contains: ['*?*', b]`, `a|windash: ' -é'`, `a|cidr: '::/0'`, `'|all': [x, 'y*']`, `a|fieldref|endswith: b`, `a|hour: 5`} {
		f.Add("title: t\nlogsource: {product: p}\ndetection:\n  s: {"+item+"}\n  n: {b: [null, '']}\n  condition: s or not n\n", "xx", "y\xff")
	}
	f.Fuzz(func(t *testing.T, rule, a, b string) {
		set, _ := sigma.Parse("t.yml", []byte(rule))
		for _, r := range set.Rules {
			r.Logsource = holdfast.Logsource{}
		}
		eng, _ := New(set.Rules, set.Filters)
		e := holdfast.Event{Dataset: "d", Raw: []byte(a + b), Fields: []holdfast.Field{{Name: "a", Text: a}, {Name: "b", Text: b}, {Name: "a", Text: b}, {Name: "b", Kind: holdfast.Null}}}
		once := fmt.Sprint(eng.Match(&e, holdfast.Dataset{Name: "d"}))
		if again := fmt.Sprint(eng.Match(&e, holdfast.Dataset{Name: "d"})); once != again {
			t.Errorf("%s, then %s", once, again)
		}
	})
}
