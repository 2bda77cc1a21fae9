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
	// Parts, if there are any, are the events that one record holds, two or more, in
	// its order; the other members mean nothing then.
	Parts []Part
}

// Part is one of several events of a record.
type Part struct {
	Parsed
	// Raw is what is kept of the record for this event: a record of the same form
	// that holds it alone, which the parser of that form reads as this event and no
	// other. It stands here also where Err is set, for the dead letter.
	Raw []byte
	Err error // why this one is a dead letter
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
	// Form is what records of this kind begin with, so that the parser need not be
	// asked about others.
	Form  Form
	Parse func(raw []byte, hint Hint) (Parsed, error)
}

// Check reports what is wrong with p by this contract: too many fields, or one
// without a name or with a name that is too long.
func (p *Parsed) Check() error {
	if len(p.Parts) > 0 {
		return p.checkParts()
	}
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

func (p *Parsed) checkParts() error {
	if n := len(p.Parts); n < 2 || n > MaxParts {
		return fmt.Errorf("%d events in one record, 2 to %d are allowed", n, MaxParts)
	}
	bytes := 0
	for i := range p.Parts {
		one := &p.Parts[i]
		if bytes += len(one.Raw); bytes > MaxPartBytes {
			return fmt.Errorf("its events would take more than %d bytes", MaxPartBytes)
		}
		switch {
		case len(one.Raw) == 0 || len(one.Parts) > 0:
			return errors.New("the parser gave an event without its record, or with others in it")
		case one.Err != nil:
			continue
		}
		if err := one.Check(); err != nil {
			return fmt.Errorf("event %d: %w", i+1, err)
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
	// allocating: from its beginning, with as much room as there is. They are valid
	// until it is used again.
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
	// MaxParts bounds the events of one record, MaxPartBytes the records of all of
	// them together.
	MaxParts     = 50_000
	MaxPartBytes = 24 << 20
)
