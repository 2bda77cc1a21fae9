package account_test

import (
	"testing"

	"holdfast/ingest/parser/account"
	"holdfast/ingest/parser/parsertest"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, account.Parser()) }
