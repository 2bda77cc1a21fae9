package holdfast_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

// TestFinder has a finder find what its dataset finds: mapped names, names that
// are kinds already, kinds that are mapped elsewhere, and nothing else.
func TestFinder(t *testing.T) {
	d := holdfast.Dataset{ECS: map[string]string{
		"User": holdfast.EntityUser, "Image": holdfast.EntityExecutable, "Hashes": holdfast.EntityHash, "n": "event.code",
		holdfast.EntityDomain: "dns.question.name", "": holdfast.EntityHost,
	}}
	e := &holdfast.Event{}
	for _, name := range append(holdfast.EntityKinds(), "User", "user", "Image", "image", "Hashes", "n", "m", "Userr", "usEr", "x.User") {
		e.Fields = append(e.Fields, holdfast.Field{Name: name, Text: `C:\` + name})
	}
	e.Fields = append(e.Fields, holdfast.Field{Name: "User", Kind: holdfast.Null, Text: "x"}, holdfast.Field{Name: "User", Text: "-"})
	if diff := cmp.Diff(d.Entities(e), d.Finder().Entities(e)); diff != "" {
		t.Error(diff)
	}
	if d.Finder().Kind("Image") != holdfast.EntityExecutable || d.Finder().Kind(holdfast.EntityDomain) != "" {
		t.Error("kinds are wrong")
	}
}
