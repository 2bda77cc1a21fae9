package leef_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/leef"
)

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		f.Add(bytes.Clone(line))
	}
	p := leef.Parser()
	hint := parser.Hint{Received: time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC), Source: "syslog:udp:192.0.2.7"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := p.Parse(bytes.Clone(raw), hint)
		if err != nil {
			return
		}
		if err := got.Check(); err != nil {
			t.Error(err)
		}
	})
}
