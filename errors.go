package holdfast

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinel errors. They are wrapped with %w by whoever returns them; api maps
// them to HTTP statuses and cmd to exit codes, each in one place.
var (
	ErrNotFound  = errors.New("not found")
	ErrForbidden = errors.New("not allowed")
	ErrConflict  = errors.New("conflict")   // reality has moved since the caller looked
	ErrInvalid   = errors.New("invalid")    // the caller's input is wrong
	ErrRefused   = errors.New("refused")    // a guard said no: never-touch list, reach limit, close gate
	ErrFull      = errors.New("no room")    // disk or quota; try again when there is room
	ErrTooLarge  = errors.New("too large")  // over a stated size limit
	ErrUnsigned  = errors.New("not signed") // a signature is missing or wrong
	ErrAway      = errors.New("away")       // what is needed does not answer; try again later
)

// Fault is one thing wrong in a file that a person wrote. Line and Column
// count from 1; 0 means unknown.
type Fault struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	What   string `json:"what"`
	Do     string `json:"do,omitempty"` // the next step for the person
}

func (f Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
			if f.Column > 0 {
				fmt.Fprintf(&b, ":%d", f.Column)
			}
		}
		b.WriteString(": ")
	}
	b.WriteString(f.What)
	if f.Do != "" {
		b.WriteString("; ")
		b.WriteString(f.Do)
	}
	return b.String()
}

// Unwrap lets errors.Is(f, ErrInvalid) hold.
func (f Fault) Unwrap() error { return ErrInvalid }

// Faults are all the faults of a set of files. What has no fault is loaded all
// the same.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is(fs, ErrInvalid) hold.
func (fs Faults) Unwrap() error { return ErrInvalid }
