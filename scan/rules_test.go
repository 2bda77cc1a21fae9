package scan

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/content"
	"holdfast/detect"
	"holdfast/ingest/parser"
	parsers "holdfast/ingest/parser/all"
)

func shipped(tb testing.TB) fs.FS {
	tb.Helper()
	sub, err := fs.Sub(content.FS, "rules")
	if err != nil {
		tb.Fatal(err)
	}
	return sub
}

// TestShippedRulesKeepTheirCases runs the cases beside our rules, with the
// datasets as the parsers have them.
func TestShippedRulesKeepTheirCases(t *testing.T) {
	datasets := map[string]holdfast.Dataset{}
	for _, p := range parsers.All() {
		for _, d := range p.Datasets {
			datasets[d.Name] = d
		}
	}
	source := detect.Source{Name: "content/rules", FS: shipped(t)}
	for _, f := range detect.CheckCases(detect.Options{Datasets: datasets}, source) {
		t.Error(f)
	}
	d := detect.New(detect.Options{})
	d.Load(source)
	if n := len(d.Rules()); n < 90 {
		t.Errorf("there are %d rules of ours, there should be 90 or more", n)
	}
}

// TestCasesAreRecords has the parsers read the records of the cases: the fields
// that a case gives are those that they find.
func TestCasesAreRecords(t *testing.T) {
	seen := 0
	err := fs.WalkDir(shipped(t), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".test.yml") {
			return err
		}
		b, err := fs.ReadFile(shipped(t), path)
		if err != nil {
			return err
		}
		var doc struct {
			Cases []struct {
				Say    string
				Events []struct {
					Dataset, Raw string
					Fields       map[string]yaml.Node
				}
			}
		}
		if err := yaml.Unmarshal(b, &doc); err != nil {
			return err
		}
		for _, c := range doc.Cases {
			for _, e := range c.Events {
				if e.Raw == "" || len(e.Fields) == 0 {
					continue
				}
				seen++
				got, err := first([]byte(e.Raw))
				if err != nil || got.Dataset != e.Dataset {
					t.Errorf("%s, %q: read as %q, not as %q: %v", path, c.Say, got.Dataset, e.Dataset, err)
					continue
				}
				for name, want := range e.Fields {
					if name == "pid" { // sudo writes none to some logs
						continue
					}
					var have []string
					for _, f := range got.Fields {
						if f.Name == name {
							have = append(have, f.Text)
						}
					}
					values := []*yaml.Node{&want}
					if want.Kind == yaml.SequenceNode {
						values = want.Content
					}
					if !slices.EqualFunc(have, values, func(h string, n *yaml.Node) bool { return h == n.Value }) {
						t.Errorf("%s, %q: %s is %q in the record", path, c.Say, name, have)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("%d records were looked at", seen)
	}
}

// first asks the parsers in their order.
func first(raw []byte) (parser.Parsed, error) {
	for _, p := range parsers.All() {
		got, err := p.Parse(raw, parser.Hint{Received: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)})
		if errors.Is(err, parser.ErrOther) {
			continue
		}
		return got, err
	}
	return parser.Parsed{}, errUnknown
}
