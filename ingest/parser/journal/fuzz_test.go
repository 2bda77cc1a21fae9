package journal_test

import (
	"testing"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/journal"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) {
	parsertest.Fuzz(f, journal.Parser(parser.Grammar{Programs: []string{"sshd"}, Read: func(string, string) (string, []holdfast.Field) {
		return "linux.sshd", nil
	}}))
}
