package all_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/all"
)

// TestEntities says of each line of each parser which entities come of it, in
// testdata/entities.golden. A value that a field has and whose kind the dataset's
// map knows must be among them, and each dataset must name something that its map promises
// in one line at least.
func TestEntities(t *testing.T) {
	datasets := map[string]holdfast.Dataset{}
	for _, p := range all.All() {
		for _, d := range p.Datasets {
			datasets[d.Name] = d
		}
	}
	kinds := holdfast.EntityKinds()
	var got strings.Builder
	filled := map[string]map[string]bool{}
	for _, p := range all.All() {
		for n, line := range lines(t, p.Name) {
			parsed, err := p.Parse(line, parser.Hint{Received: received})
			if err != nil {
				continue
			}
			for _, part := range events(parsed) {
				if part.Err != nil {
					continue
				}
				d := datasets[part.Dataset]
				e := holdfast.Event{Dataset: part.Dataset, Fields: part.Fields}
				entities := d.Entities(&e)
				fmt.Fprintf(&got, "%s:%d %s\n", p.Name, n+1, part.Dataset)
				if filled[d.Name] == nil {
					filled[d.Name] = map[string]bool{}
				}
				for _, x := range entities {
					fmt.Fprintf(&got, "  %s %q\n", x.Kind, x.Value)
					filled[d.Name][x.Kind] = true
					if x.Value == "" || x.Value == "-" {
						t.Errorf("%s:%d: %s is %q", p.Name, n+1, x.Kind, x.Value)
					}
				}
				for _, f := range part.Fields {
					kind := f.Name
					if to, ok := d.ECS[kind]; ok {
						kind = to
					}
					if f.Text == "" || f.Text == "-" || f.Kind == holdfast.Null || !slices.Contains(kinds, kind) {
						continue
					}
					if !slices.ContainsFunc(entities, func(x holdfast.Entity) bool {
						return x.Kind == kind && strings.Contains(strings.ToLower(f.Text), strings.ToLower(x.Value))
					}) {
						t.Errorf("%s:%d: %s is %q, and no entity says so", p.Name, n+1, f.Name, f.Text)
					}
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(filled)) {
		d := datasets[name]
		if len(filled[name]) == 0 && len(promised(&d)) > 0 && !slices.Contains(silent, name) {
			t.Errorf("dataset %s promises %v and no line of its parser has any", name, promised(&d))
		}
	}
	name := filepath.Join("testdata", "entities.golden")
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Error(d)
	}
}

// silent are the datasets whose records, as their programs write them without a
// head of syslog, name nobody.
var silent = []string{
	"application.django", "application.java", "application.node", "application.python", "application.rails", "application.velocity",
	"linux.sysmon", "paloalto.globalprotect", "suricata.stats", "zeek.other",
}

// promised are the kinds of entity that a dataset's map promises.
func promised(d *holdfast.Dataset) (out []string) {
	for _, kind := range d.ECS {
		if slices.Contains(holdfast.EntityKinds(), kind) && !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out
}
