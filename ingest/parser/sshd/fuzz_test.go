package sshd_test

import (
	"testing"

	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/sshd"
)

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, sshd.Parser()) }
