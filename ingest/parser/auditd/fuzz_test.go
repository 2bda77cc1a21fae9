package auditd_test

import (
	"testing"

	"holdfast/ingest/parser/auditd"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, auditd.Parser(), more...) }
