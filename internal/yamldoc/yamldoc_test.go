package yamldoc

import (
	"strings"
	"testing"
)

func TestFaultsHaveAPlace(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: \"open\n":   "f.yaml:2:1: the YAML cannot be read: found unexpected end of stream; check",
		"a: 1\n b: 2\n":       "f.yaml:2:1: the YAML cannot be read: mapping values are not allowed in this context; check",
		"\xff":                "f.yaml:1:1: the YAML cannot be read: ",
		"a: \x00":             "f.yaml:1:1: the YAML cannot be read: control characters are not allowed; check",
		"a: [1, 2\nb: 3\n":    "f.yaml:1:1: the YAML cannot be read: did not find expected ',' or ']'; check",
		"a: *nothing\nb: 1\n": "f.yaml:1:1: the YAML cannot be read: unknown anchor 'nothing' referenced; check",
	} {
		doc, fault := Parse("f.yaml", text)
		if fault == nil || doc != nil || !strings.HasPrefix(fault.Error(), want) {
			t.Errorf("%q: %v, want %s", text, fault, want)
		}
	}
	if doc, fault := Parse("f.yaml", ""); fault != nil || len(doc.Content) != 0 {
		t.Errorf("nothing: %v, %v", doc, fault)
	}
	if doc, fault := Parse("f.yaml", "a: 1"); fault != nil || len(doc.Content) != 1 {
		t.Errorf("a map: %v, %v", doc, fault)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: [1, {b: *c}]")
	f.Fuzz(func(t *testing.T, text string) {
		if _, fault := Parse("f", text); fault != nil && (fault.Line < 1 || fault.Column < 1 || fault.Do == "") {
			t.Errorf("%+v", fault)
		}
	})
}
