package cef_test

import (
	"testing"

	"holdfast/ingest/parser/cef"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, cef.Parser()) }
