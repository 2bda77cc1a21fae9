package envelope_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/envelope"
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
	// Real parsers are asked in all.FuzzAll.
	p := envelope.Parser(parser.Parser{Parse: func(raw []byte, _ parser.Hint) (parser.Parsed, error) {
		switch {
		case len(raw)%3 == 0:
			return parser.Parsed{}, parser.ErrOther
		case len(raw)%3 == 1:
			return parser.Parsed{}, errors.New("damaged")
		}
		return parser.Parsed{Dataset: "x"}, nil
	}})
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
