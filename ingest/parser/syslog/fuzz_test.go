package syslog_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/syslog"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, syslog.Parser()) }
