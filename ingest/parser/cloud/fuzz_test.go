package cloud_test

import (
	"testing"

	"holdfast/ingest/parser/cloud"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, cloud.Parser()) }
