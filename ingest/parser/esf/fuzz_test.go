package esf_test

import (
	"testing"

	"holdfast/ingest/parser/esf"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, esf.Parser()) }
