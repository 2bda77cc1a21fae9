package opencanary_test

import (
	"testing"

	"holdfast/ingest/parser/opencanary"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, opencanary.Parser()) }
