package web_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/web"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, web.Parser(), more...) }
