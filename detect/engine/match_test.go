package engine

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast"
	"holdfast/detect/sigma"
)

var host = holdfast.Dataset{
	Name: "test", Logsource: holdfast.Logsource{Product: "linux", Service: "sshd"},
	ECS: map[string]string{"src_ip": "source.ip", "user": "user.name"},
}

// event reads "name=value" fields; "name" alone is JSON null.
func event(fields ...string) *holdfast.Event {
	e := &holdfast.Event{Dataset: "test", Raw: []byte("raw line with Needle inside")}
	for _, f := range fields {
		name, text, ok := strings.Cut(f, "=")
		kind := holdfast.String
		if !ok {
			kind = holdfast.Null
		}
		e.Fields = append(e.Fields, holdfast.Field{Name: name, Text: text, Kind: kind})
	}
	return e
}

func compile(t testing.TB, text string) *Engine {
	t.Helper()
	set, faults := (&sigma.Parser{Placeholders: map[string][]string{"admins": {"alice", "b?b"}}}).Parse("t.yml", []byte(text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	e, faults := New(set.Rules, set.Filters)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return e
}

func rule(detection string) string {
	return "title: t\nname: t\nlogsource: {product: linux}\ndetection:\n  " + strings.ReplaceAll(detection, "\n", "\n  ")
}

func TestItems(t *testing.T) {
	for _, c := range []struct {
		item   string
		fields []string
		want   bool
	}{
		{`a: FoO`, []string{"a=fOo"}, true},
		{`a: foo`, []string{"a=foobar"}, false},
		{`a|cased: Foo`, []string{"a=foo"}, false},
		{`a|cased: Foo`, []string{"a=Foo"}, true},
		{`a: Ä`, []string{"a=ä"}, true},
		{`a: fo*`, []string{"a=foobar"}, true},
		{`a: f?o`, []string{"a=föo"}, true},
		{`a: f?o`, []string{"a=fo"}, false},
		{`a: 'f\?o'`, []string{"a=fxo"}, false},
		{`a: 'f\?o'`, []string{"a=f?o"}, true},
		{`a: 'f\*o'`, []string{"a=f*o"}, true},
		{`a: 'c:\dir\*'`, []string{`a=c:\dir*`}, true},
		{`a: 'c:\dir\\*'`, []string{`a=c:\dir\x`}, true},
		{`a: 'c:\dir\\\*'`, []string{`a=c:\dir\*`}, true},
		{`a: 'c:\dir\\\*'`, []string{`a=c:\dir\x`}, false},
		{`a: 'c:\dir'`, []string{`a=c:\dir`}, true},
		{`a: '\\\\srv'`, []string{`a=\\srv`}, true},
		{`a: '*a*b*c'`, []string{"a=xaybbcc"}, true},
		{`a: '*ab?c'`, []string{"a=abxabcc"}, true},
		{`a: '*?'`, []string{"a="}, false},
		{`a|contains: b?r`, []string{"a=foobar!"}, true},
		{`a|contains: ''`, nil, false},
		{`a|contains: '*'`, nil, false},
		{`a|contains: '*'`, []string{"a="}, true},
		{`a|startswith: fo`, []string{"a=foo"}, true},
		{`a|startswith: oo`, []string{"a=foo"}, false},
		{`a|endswith: OO`, []string{"a=foo"}, true},
		{`a|endswith: 'f?'`, []string{"a=ff"}, true},
		{`a|contains|all: [x, y]`, []string{"a=xy"}, true},
		{`a|contains|all: [x, z]`, []string{"a=xy"}, false},
		{`a: [x, y]`, []string{"a=y"}, true},
		{`a: y`, []string{"a=x", "a=y"}, true},
		{`a|contains|all: [x, y]`, []string{"a=x", "a=y"}, true},
		{`a|re: 'F.o'`, []string{"a=foo"}, false},
		{`a|re|i: 'F.o'`, []string{"a=foo"}, true},
		{`a|re|m: '^b$'`, []string{"a=a\nb"}, true},
		{`a|re: 'a.b'`, []string{"a=a\nb"}, false},
		{`a|re|s: 'a.b'`, []string{"a=a\nb"}, true},
		{`a|cidr: 192.0.2.0/24`, []string{"a=192.0.2.9"}, true},
		{`a|cidr: 192.0.2.0/24`, []string{"a=::ffff:192.0.2.9"}, true},
		{`a|cidr: 192.0.2.0/24`, []string{"a=web"}, false},
		{`a|cidr: fc00::/7`, []string{"a=fd00::1"}, true},
		{`a|cidr: ['::1/128', 10.0.0.1]`, []string{"a=10.0.0.1"}, true},
		{`a|windash|contains: ' -f '`, []string{"a=x /f y"}, true},
		{`a|windash|contains: ' -f '`, []string{"a=x –f y"}, true},
		{`a|windash|contains: ' -f -g'`, []string{"a=x /f ―g"}, true},
		{`a|windash|contains: ' -f -g'`, []string{"a=x -f /g"}, true},
		{`a|windash|contains: 'a-b'`, []string{"a=a/b"}, false},
		{`a|base64: foo`, []string{"a=Zm9v"}, true},
		{`a|base64offset|contains: /bin/bash`, []string{"a=echo eHgvYmluL2Jhc2g="}, true},
		{`a|wide|base64offset|contains: iex`, []string{"a=aQBlAHgA"}, true},
		{`a|utf16le|base64: ab`, []string{"a=YQBiAA=="}, true},
		{`a|utf16be|base64: ab`, []string{"a=AGEAYg=="}, true},
		{`a|utf16|base64: ab`, []string{"a=//5hAGIA"}, true},
		{`a|expand: '%admins%'`, []string{"a=ALICE"}, true},
		{`a|expand: '%admins%'`, []string{"a=bob"}, true},
		{`a: '%SystemRoot%'`, []string{"a=%systemroot%"}, true},
		{`a|fieldref: b`, []string{"a=X", "b=x"}, true},
		{`a|fieldref: b`, []string{"a=x"}, false},
		{`a|fieldref|endswith: b`, []string{"a=web.example", "b=example"}, true},
		{`a|exists: true`, []string{"a="}, true},
		{`a|exists: false`, []string{"b=1"}, true},
		{`a|exists: true`, []string{"b=1"}, false},
		{`a|neq: x`, []string{"a=y"}, true},
		{`a|neq: x`, []string{"a=x"}, false},
		{`a|neq: [x, y]`, []string{"a=y"}, false},
		{`a|neq: x`, nil, true},
		{`a|lt: 10`, []string{"a=9.5"}, true},
		{`a|lte: 10`, []string{"a=10"}, true},
		{`a|gt: 10`, []string{"a=10"}, false},
		{`a|gte: 10`, []string{"a=10"}, true},
		{`a|gte: 10`, []string{"a=ten"}, false},
		{`a|gte: 10`, nil, false},
		{`a|hour: 3`, []string{"a=2026-11-23T03:15:00+01:00"}, true},
		{`a|hour|gte: 22`, []string{"a=2026-11-23 23:15:00"}, true},
		{`a|minute: 15`, []string{"a=2026-11-23T03:15:00Z"}, true},
		{`a|day: 23`, []string{"a=2026-11-23"}, true},
		{`a|week: 48`, []string{"a=2026-11-23"}, true},
		{`a|month: 11`, []string{"a=2026-11-23"}, true},
		{`a|year: 1970`, []string{"a=1"}, true},
		{`a: null`, nil, true},
		{`a: null`, []string{"a"}, true},
		{`a: null`, []string{"a="}, false},
		{`a: ''`, []string{"a="}, true},
		{`a: ''`, nil, false},
		{`a: ''`, []string{"a"}, false},
		{`a: 4624`, []string{"a=4624"}, true},
		{`a: 0x40`, []string{"a=0x40"}, true},
		{`a: 0x40`, []string{"a=64"}, false},
		{`a: true`, []string{"a=true"}, true},
		{`source.ip: 192.0.2.7`, []string{"src_ip=192.0.2.7"}, true},
		{`user.name: bob`, []string{"user=alice", "user.name=bob"}, true},
		{`'|all': [needle, rob]`, []string{"a=Robert"}, true},
		{`'|all': [needle, zzz]`, []string{"a=Robert"}, false},
		{`'|re': 'N[e]+dle'`, nil, true},
	} {
		e := compile(t, rule("s:\n  "+c.item+"\ncondition: s"))
		if got := len(e.Match(event(c.fields...), host)) == 1; got != c.want {
			t.Errorf("%s on %q: %t, want %t", c.item, c.fields, got, c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	const selections = "a: {f: 1}\nb: {g: 1}\nc1: {h: 1}\nc2: {i: 1}\n_d: {j: 1}\nwords: [Needle, other]\nmixed: [{f: 9}, nothing]\n"
	for _, c := range []struct {
		condition, fields string
		want              bool
	}{
		{"a or b and c1", "f=1", true},
		{"(a or b) and c1", "f=1", false},
		{"not a and b", "g=1", true},
		{"not (a and b)", "f=1", true},
		{"not not a", "f=1", true},
		{"1 of c*", "h=1", true},
		{"any of c*", "i=1", true},
		{"all of c*", "h=1", false},
		{"all of c*", "h=1 i=1", true},
		{"2 of c*", "h=1 i=1", true},
		{"not 1 of c*", "f=1", true},
		{"all of them", "f=1 g=1 h=1 i=1", false},
		{"1 of _*", "j=1", true},
		{"1 of them and not words", "j=1", false},
		{"words", "", true},
		{"a AND NOT b", "f=1", true},
		{"mixed", "f=9", true},
		{"mixed", "f=1", false},
		{"[a, b]", "g=1", true},
	} {
		condition := c.condition
		e := compile(t, rule(selections+"condition: "+condition))
		if got := len(e.Match(event(strings.Fields(c.fields)...), host)) == 1; got != c.want {
			t.Errorf("%s on %q: %t, want %t", c.condition, c.fields, got, c.want)
		}
	}
}

func TestLogsourceRoutes(t *testing.T) {
	e := compile(t, rule("s: [Needle]\ncondition: s"))
	for _, c := range []struct {
		source holdfast.Logsource
		want   int
	}{
		{holdfast.Logsource{Product: "linux", Service: "sudo"}, 1},
		{holdfast.Logsource{Product: "windows"}, 0},
		{holdfast.Logsource{}, 0},
	} {
		if got := len(e.Match(event(), holdfast.Dataset{Name: "x", Logsource: c.source})); got != c.want {
			t.Errorf("%+v: %d hits, want %d", c.source, got, c.want)
		}
	}
}

func TestFiltersKeepEventsAway(t *testing.T) {
	for _, condition := range []string{"f", "not f"} {
		e := compile(t, rule("s: {a: 1}\ncondition: s")+"\n---\ntitle: f\nlogsource: {product: linux}\nfilter:\n  rules: [t]\n  f: {user: adm}\n  condition: "+condition)
		if len(e.Match(event("a=1", "user=adm"), host)) != 0 || len(e.Match(event("a=1", "user=bob"), host)) != 1 {
			t.Errorf("condition %q does not keep away what it should", condition)
		}
	}
}

func TestBecauseNamesWhatHeld(t *testing.T) {
	e := compile(t, rule("s: {a|contains: [x, oo], b: 1}\nn: {c: 1}\ncondition: s and not n"))
	hits := e.Match(event("a=Foo", "b=1"), host)
	if len(hits) != 1 || len(hits[0].Because) != 2 {
		t.Fatalf("%+v", hits)
	}
	want := holdfast.Predicate{Selection: "s", Field: "a", Op: "contains", Want: "oo", Got: "Foo"}
	if hits[0].Because[0] != want {
		t.Errorf("%+v", hits[0].Because[0])
	}
}

func TestLikeAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789.:abfg%/")), 0, 20, -1).Draw(t, "text")
		if _, err := netip.ParseAddr(text); err == nil && !likeAddress(text) {
			t.Fatalf("%q is an address", text)
		}
	})
	for _, text := range []string{"192.0.2.255", "::1", "fe80::1%eth0", "2001:db8::ffff", "::ffff:192.0.2.1"} {
		if !likeAddress(text) {
			t.Errorf("%q is an address", text)
		}
	}
}
