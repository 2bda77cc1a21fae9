package sudo_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/sudo"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, sudo.Parser()) }
