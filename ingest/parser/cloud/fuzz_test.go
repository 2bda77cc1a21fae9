package cloud_test

import (
	"bytes"
	"os"
	"testing"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/cloud"
)

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		f.Add(bytes.Clone(line))
	}
	p := cloud.Parser()
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := p.Parse(bytes.Clone(raw), parser.Hint{})
		if err != nil {
			return
		}
		if err := got.Check(); err != nil {
			t.Error(err)
		}
	})
}
