package scan

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/winevent"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCorpusAlerts holds what the core set finds in the event logs of the
// corpus: rule, file and the ids of the records.
func TestCorpusAlerts(t *testing.T) {
	dir := corpus(t, "evtx")
	_, eng, _ := coreSet(t)
	type at struct{ rule, file string }
	records := map[at][]uint64{}
	matches := 0
	sum, err := Run(t.Context(), Options{
		Paths: []string{dir}, Engine: eng, Parsers: []parser.Parser{winevent.Parser()},
		Found: func(m *Match) {
			rel, err := filepath.Rel(dir, m.File)
			if err != nil {
				t.Error(err)
			}
			k := at{m.Rule, filepath.ToSlash(rel)}
			records[k] = append(records[k], m.Record)
			matches++
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]at, 0, len(records))
	rules := map[string]bool{}
	for k := range records {
		keys = append(keys, k)
		rules[k.rule] = true
	}
	slices.SortFunc(keys, func(a, b at) int {
		return cmp.Or(strings.Compare(a.rule, b.rule), strings.Compare(a.file, b.file))
	})
	var got bytes.Buffer
	fmt.Fprintf(&got, "%d matches of %d rules in %d events\n", matches, len(rules), sum.Events)
	for _, k := range keys {
		ids := records[k]
		slices.Sort(ids)
		fmt.Fprintf(&got, "%s\t%s\t%d\t%s\n", k.rule, k.file, len(ids), strings.Trim(fmt.Sprint(ids), "[]"))
	}
	const name = "testdata/corpus_alerts.golden"
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	have, said := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for _, l := range have {
		if !slices.Contains(said, l) {
			t.Errorf("new: %s", l)
		}
	}
	for _, l := range said {
		if !slices.Contains(have, l) {
			t.Errorf("gone: %s", l)
		}
	}
}
