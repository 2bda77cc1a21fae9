package all_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast"
	"holdfast/ingest/parser/all"
)

// TestTable holds docs/datasets.md to the catalogue; with -update it writes it.
func TestTable(t *testing.T) {
	file := filepath.Join("..", "..", "..", "docs", "datasets.md")
	want := table()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/datasets.md is not what the catalogue says; run make generate")
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("# Datasets\n\nWritten from the catalogue of parsers by `make generate`. " +
		"Logsource is Sigma's, as product/category/service. Fields keep their native names; the last columns say which of them are entities, and which have another ECS name.\n\n" +
		"| dataset | what | parser | logsource | entities | other ECS names |\n|---|---|---|---|---|---|\n")
	for _, p := range all.All() {
		for _, d := range p.Datasets {
			sources := []string{}
			for _, l := range append([]holdfast.Logsource{d.Logsource}, d.Also...) {
				if l != (holdfast.Logsource{}) {
					sources = append(sources, fmt.Sprintf("`%s/%s/%s`", l.Product, l.Category, l.Service))
				}
			}
			var entities, others []string
			for native, ecs := range d.ECS {
				pair := fmt.Sprintf("`%s` → %s", strings.ReplaceAll(native, "|", `\|`), ecs)
				if slices.Contains(holdfast.EntityKinds(), ecs) {
					entities = append(entities, pair)
				} else {
					others = append(others, pair)
				}
			}
			slices.Sort(entities)
			slices.Sort(others)
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d.Name, strings.ReplaceAll(d.Title, "|", `\|`), p.Name,
				strings.Join(sources, ", "), strings.Join(entities, ", "), strings.Join(others, ", "))
		}
	}
	return b.String()
}
