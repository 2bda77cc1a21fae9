package detect

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/detect/engine"
	"holdfast/detect/sigma"
)

// corpus is the folder of public test data, or skips.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("HOLDFAST_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, "sigma")); err != nil {
		t.Skip("the public Sigma rules are not here; set HOLDFAST_CORPUS to their folder")
	}
	return dir
}

// TestCorpusLoads reads the core set of public rules. Those that are refused
// must be few, and each for a reason that is known here.
func TestCorpusLoads(t *testing.T) {
	dir := filepath.Join(corpus(t), "sigma")
	sources := []Source{Dir(filepath.Join(dir, "rules")), Dir(filepath.Join(dir, "rules-emerging-threats")), Dir(filepath.Join(dir, "rules-threat-hunting"))}
	set, faults := readAll(sources, &sigma.Parser{})
	_, more := engine.New(set.Rules, set.Filters)
	for _, f := range append(faults, more...) {
		t.Log(f)
	}
	t.Logf("%d loaded, %d faults", len(set.Rules), len(faults)+len(more))
	if len(set.Rules) < 3752 || len(faults)+len(more) > 2 {
		t.Errorf("%d rules loaded with %d faults, want 3,752 or more and at most 2", len(set.Rules), len(faults)+len(more))
	}
}
