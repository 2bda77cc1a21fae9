package scan

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/ingest/evtx"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/winevent"
)

// corpus names the folder of public test data, or skips.
func corpus(tb testing.TB, sub string) string {
	tb.Helper()
	dir := os.Getenv("HOLDFAST_CORPUS")
	if dir == "" {
		dir = "../../shared/corpus"
	}
	dir = filepath.Join(dir, sub)
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("%s is not there; HOLDFAST_CORPUS names the corpus", dir)
	}
	return dir
}

// coreSet loads the rules of the corpus, with what was refused.
func coreSet(tb testing.TB) (sigma.Set, *engine.Engine, holdfast.Faults) {
	tb.Helper()
	dir := corpus(tb, "sigma")
	var sources []detect.Source
	for _, sub := range []string{"rules", "rules-emerging-threats", "rules-threat-hunting"} {
		sources = append(sources, detect.Dir(filepath.Join(dir, sub)))
	}
	set, faults := detect.Read(sources, &sigma.Parser{})
	e, fs := engine.New(set.Rules, set.Filters)
	return set, e, append(faults, fs...)
}

// TestCoreSetLoads counts the rules in force, and names the others.
func TestCoreSetLoads(t *testing.T) {
	set, _, faults := coreSet(t)
	for _, f := range faults {
		t.Log(f)
	}
	t.Logf("%d rules loaded, %d faults", len(set.Rules), len(faults))
	if len(set.Rules) < 3752 {
		t.Errorf("%d rules are loaded, 3,752 must be", len(set.Rules))
	}
	if len(set.Rules)+len(faults) < 3754 {
		t.Errorf("%d rules are gone without a word", 3754-len(set.Rules)-len(faults))
	}
}

// TestRegressions has each rule of the regression set fire on its own file as
// often as it must.
func TestRegressions(t *testing.T) {
	_, eng, _ := coreSet(t)
	byName := map[string]holdfast.Dataset{}
	for _, d := range winevent.Datasets() {
		byName[d.Name] = d
	}
	p := winevent.Parser()
	passed, tests := 0, 0
	err := filepath.WalkDir(corpus(t, "sigma/regression_data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "info.yml" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var info struct {
			Rules []struct{ ID string } `yaml:"rule_metadata"`
			Tests []struct {
				Count int    `yaml:"match_count"`
				Path  string `yaml:"path"`
			} `yaml:"regression_tests_info"`
		}
		if err := yaml.Unmarshal(b, &info); err != nil {
			return err
		}
		for _, one := range info.Tests {
			tests++
			fired := 0
			raw, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.Base(one.Path)))
			if err != nil {
				return err
			}
			f, err := evtx.Open(bytes.NewReader(raw), int64(len(raw)))
			if err != nil {
				return err
			}
			var dec evtx.Decoder
			for i := range f.Chunks() {
				if _, err := dec.Chunk(f, i, func(r evtx.Record) error {
					got, err := p.Parse(r.JSON, parser.Hint{})
					if err != nil {
						return err
					}
					e := holdfast.Event{Dataset: got.Dataset, Fields: got.Fields, Time: got.Time, Raw: bytes.Clone(r.JSON)}
					for _, h := range eng.Match(&e, byName[got.Dataset]) {
						if h.Rule.ID == info.Rules[0].ID {
							fired++
						}
					}
					return nil
				}); err != nil {
					return err
				}
			}
			if fired < max(1, one.Count) {
				t.Errorf("%s: the rule %s fired %d times, %d are expected", strings.TrimPrefix(path, corpus(t, "")), info.Rules[0].ID, fired, max(1, one.Count))
				continue
			}
			passed++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d regression tests pass", passed, tests)
	if tests < 100 {
		t.Errorf("%d tests were found", tests)
	}
}
