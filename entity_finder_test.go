package holdfast_test

import (
	"strings"
	"sync"
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

// TestFinderKnowsFields: fields that came before are told from others that begin
// and end alike, whoever asks meanwhile.
func TestFinderKnowsFields(t *testing.T) {
	d := holdfast.Dataset{ECS: map[string]string{"User": holdfast.EntityUser, "Host": holdfast.EntityHost, "Image": holdfast.EntityExecutable}}
	var events []*holdfast.Event
	names := []string{"a", "User", "Host", "Image", "b", "z"}
	for _, second := range names {
		for _, third := range names {
			e := &holdfast.Event{}
			for i, name := range []string{"a", second, third, "z"} {
				e.Fields = append(e.Fields, holdfast.Field{Name: name, Text: name + string(rune('0'+i))})
			}
			other := &holdfast.Event{Fields: []holdfast.Field{{Name: strings.Clone("a"), Text: "x"}, {Name: strings.Clone(third), Text: "y"}}}
			events = append(events, e, e, e, other, other)
		}
	}
	f := d.Finder()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 {
				for _, e := range events {
					if diff := cmp.Diff(d.Entities(e), f.Entities(e)); diff != "" {
						t.Error(diff)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// FuzzHashes: hashes are given in small letters, whatever stands for one.
func FuzzHashes(f *testing.F) {
	f.Add("0123456789ABCDEFabcdef@[`{ZAza")
	f.Add("ÄÖÜ0123456789ABC")
	f.Add("A")
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || s == "-" || strings.Contains(s, "=") {
			return
		}
		e := &holdfast.Event{Fields: []holdfast.Field{{Name: holdfast.EntityHash, Text: s}}}
		d := holdfast.Dataset{}
		if got := d.Entities(e); len(got) != 1 || got[0].Value != strings.ToLower(s) {
			t.Errorf("%q is %q", s, got)
		}
	})
}

// BenchmarkFinder finds the entities of an event of 26 fields.
func BenchmarkFinder(b *testing.B) {
	d := holdfast.Dataset{ECS: map[string]string{"User": holdfast.EntityUser, "Host": holdfast.EntityHost, "Image": holdfast.EntityExecutable, "Hashes": holdfast.EntityHash}}
	e := &holdfast.Event{}
	for _, name := range []string{"Host", "User", "Image", "Hashes"} {
		e.Fields = append(e.Fields, holdfast.Field{Name: name, Text: "SHA256=" + strings.Repeat("0A", 32)})
	}
	for c := 'A'; c < 'W'; c++ {
		e.Fields = append(e.Fields, holdfast.Field{Name: "Name" + string(c), Text: "x"})
	}
	f := d.Finder()
	b.ReportAllocs()
	for b.Loop() {
		f.Entities(e)
	}
}
