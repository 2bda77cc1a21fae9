package rpcfirewall_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/rpcfirewall"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, rpcfirewall.Parser()) }
