package envelope_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/envelope"
	"holdfast/ingest/parser/json"
	"holdfast/ingest/parser/sshd"
	"holdfast/ingest/parser/winevent"
)

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		for _, source := range []string{"elastic:x", "hec:x", "otlp:x"} {
			f.Add(bytes.Clone(line), source)
		}
	}
	p := envelope.Parser(winevent.Parser(), sshd.Parser(), json.Parser())
	f.Fuzz(func(t *testing.T, raw []byte, source string) {
		before := bytes.Clone(raw)
		got, err := p.Parse(raw, parser.Hint{Received: time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC), Source: source})
		if !bytes.Equal(before, raw) {
			t.Fatal("the record was changed")
		}
		if err != nil {
			return
		}
		if err := got.Check(); err != nil {
			t.Error(err)
		}
	})
}
