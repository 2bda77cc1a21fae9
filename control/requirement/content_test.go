package requirement

import (
	"io/fs"
	"testing"

	"holdfast/content"
)

func TestShippedRequirementsParse(t *testing.T) {
	files, err := fs.Glob(content.FS, "requirements/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no shipped requirement: %v", err)
	}
	for _, f := range files {
		b, err := fs.ReadFile(content.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		d, faults := Parse(f, b)
		if len(faults) > 0 || len(d.Requirements) == 0 {
			t.Errorf("%s: %d requirements, faults %v", f, len(d.Requirements), faults)
		}
	}
}
