package leef_test

import (
	"testing"

	"holdfast/ingest/parser/leef"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, leef.Parser()) }
