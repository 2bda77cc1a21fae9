package device_test

import (
	"testing"

	"holdfast/ingest/parser/device"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, device.Parser()) }
