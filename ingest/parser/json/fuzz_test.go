package json_test

import (
	"testing"

	"holdfast/ingest/parser/json"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, json.Parser()) }
