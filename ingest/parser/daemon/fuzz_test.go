package daemon_test

import (
	"testing"

	"holdfast/ingest/parser/daemon"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, daemon.Parser()) }
