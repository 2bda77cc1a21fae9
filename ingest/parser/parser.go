// Package parser is the contract and catalogue of parsers: bytes of a known
// kind to fields under their native names. It leaves ids, clocks, dead letters
// and the ledger to package ingest.
package parser

import (
	"errors"
	"fmt"
	"time"

	"holdfast"
)

// Parsed is what a parser found in one record.
type Parsed struct {
	Time    time.Time // zero if the record has no clock
	Host    string    // the host the record names itself, if it does
	Dataset string    // one that this parser or another of the catalogue describes
	Fields  []holdfast.Field
	Trouble string // what is wrong with the record although it was read: a guessed year
}

// Parser describes one parser. Parse may be called from many goroutines, keeps
// nothing, does not change raw, and returns fields that do not share memory
// with raw (but see Hint.Into). It returns ErrOther for a record that is not of its kind (the next
// parser is asked), and any other error for one that is, but is damaged: that
// one becomes a dead letter.
type Parser struct {
	Name        string
	Title       string
	Description string
	References  []string // specification and section, or the source file whose messages it reads
	Datasets    []holdfast.Dataset
	Parse       func(raw []byte, hint Hint) (Parsed, error)
}

// Check reports what is wrong with p by this contract: too many fields, or one
// without a name or with a name that is too long.
func (p *Parsed) Check() error {
	if p.Dataset == "" {
		return errors.New("the parser named no dataset")
	}
	if len(p.Fields) > MaxFields {
		return fmt.Errorf("%d fields, %d are allowed", len(p.Fields), MaxFields)
	}
	for i := range p.Fields {
		switch n := len(p.Fields[i].Name); {
		case n == 0:
			return errors.New("a field without a name")
		case n > MaxName:
			return fmt.Errorf("a field's name has %d bytes, %d are allowed", n, MaxName)
		}
	}
	return nil
}

// Hint is what is known before parsing.
type Hint struct {
	Received time.Time // repairs clocks without year or zone
	Dataset  string    // as the user configured the input, or ""
	Source   string
	// Into, if set, is memory that a parser may put the fields into, instead of
	// allocating. They are valid until it is used again.
	Into *Memory
}

// Memory holds the fields of one record and their texts. It serves one
// goroutine.
type Memory struct {
	Fields []holdfast.Field
	Text   []byte
}

// ErrOther says that a record is not of this parser's kind.
var ErrOther = errOther{}

type errOther struct{}

func (errOther) Error() string { return "not a record of this kind" }

// Limits on what one record may hold; beyond them the record is a dead letter.
const (
	MaxFields = 2000
	MaxName   = 512
	MaxDepth  = 32
)
