package application_test

import (
	"testing"

	"holdfast/ingest/parser/application"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, application.Parser()) }
