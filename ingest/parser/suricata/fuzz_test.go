package suricata_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/suricata"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, suricata.Parser()) }
