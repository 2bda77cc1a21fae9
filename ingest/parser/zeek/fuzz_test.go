package zeek_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/zeek"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, zeek.Parser(), more...) }
