// Package parsertest asks of any parser what all of them promise.
package parsertest

import (
	"bytes"
	"os"
	"testing"
	"time"

	"holdfast/ingest/parser"
)

// Fuzz gives a parser what the fuzzer makes of the lines in testdata/lines.txt,
// of that file in one piece and of further records, as from a file and as from
// syslog. The record must stay as it is, and what is parsed must be in order.
func Fuzz(f *testing.F, p parser.Parser, more ...string) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		f.Add(bytes.Clone(line))
	}
	for _, s := range more {
		f.Add([]byte(s))
	}
	received := time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		for _, source := range []string{"file:/x/conn.log", "syslog:udp:192.0.2.7"} {
			got, err := p.Parse(raw, parser.Hint{Received: received, Source: source})
			if !bytes.Equal(raw, before) {
				t.Fatal("the record was changed")
			}
			if err != nil {
				continue
			}
			if err := got.Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
