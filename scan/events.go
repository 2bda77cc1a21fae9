package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// Events reads records as they would stand in a file: whole ones, a log with its
// header, or lines. The events are the caller's to keep; their time is zero if
// the record has none. What cannot be read is an error.
func Events(parsers []parser.Parser, raw []byte) ([]holdfast.Event, error) {
	var out []holdfast.Event
	s := newScan(Options{Parsers: parsers, Each: func(_ string, _ uint64, e *holdfast.Event, _ holdfast.Dataset) {
		out = append(out, lasting(e))
	}})
	w := &worker{s: s}
	w.records(context.Background(), "", bufio.NewReaderSize(bytes.NewReader(raw), headSize))
	if len(s.sum.Left) > 0 {
		return nil, fmt.Errorf("the record cannot be read: %s", s.sum.Left[0].What)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no record")
	}
	return out, nil
}

// lasting copies an event into memory of its own.
func lasting(e *holdfast.Event) holdfast.Event {
	out := *e
	out.Raw = bytes.Clone(e.Raw)
	out.Fields = slices.Clone(e.Fields)
	for i := range out.Fields {
		out.Fields[i].Text = strings.Clone(out.Fields[i].Text)
	}
	return out
}
