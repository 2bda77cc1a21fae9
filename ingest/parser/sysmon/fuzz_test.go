package sysmon_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/sysmon"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, sysmon.Parser()) }
