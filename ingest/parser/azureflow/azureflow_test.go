package azureflow_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/azureflow"
)

// TestBounds holds that a record cannot become much more than it is: what
// stands around the flows is kept with each.
func TestBounds(t *testing.T) {
	record := func(around string, flows int) []byte {
		one := `"1795399202,203.0.113.190,10.5.16.4,1,2,T,I,A"`
		return fmt.Appendf(nil, `{"x":"%s","properties":{"flows":[{"rule":"r","flows":[{"flowTuples":[%s]}]}]}}`, around, strings.TrimSuffix(strings.Repeat(one+",", flows), ","))
	}
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"around": {record(strings.Repeat("a", 20_000), 1), "stand around the flows"},
		"all":    {record(strings.Repeat("a", 12_000), 20_000), "would take more than"},
		"twice":  {[]byte(`{"properties":{"flows":[{"flows":[{"flowTuples":["a"],"flowTuples":["b"]}]}]}}`), "stands twice"},
	} {
		_, err := azureflow.Parser().Parse(c.raw, parser.Hint{})
		if err == nil || errors.Is(err, parser.ErrOther) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := azureflow.Parser().Parse(record("", 20_000), parser.Hint{})
	if err != nil || len(got.Parts) != 20_000 {
		t.Errorf("%d flows of a large record: %v", len(got.Parts), err)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		f.Add(bytes.Clone(line))
	}
	p := azureflow.Parser()
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := p.Parse(bytes.Clone(raw), parser.Hint{})
		if err != nil {
			return
		}
		if err := got.Check(); err != nil {
			t.Error(err)
		}
		for _, part := range got.Parts {
			alone, err := p.Parse(part.Raw, parser.Hint{})
			if part.Err != nil {
				if err == nil || err.Error() != part.Err.Error() {
					t.Errorf("%q: %v alone, %v among others", part.Raw, err, part.Err)
				}
				continue
			}
			if d := cmp.Diff(part.Parsed, alone); err != nil || d != "" {
				t.Errorf("%q: %v %s", part.Raw, err, d)
			}
		}
	})
}
