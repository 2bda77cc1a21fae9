package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast"
)

const (
	deadWanted = "wanted" // the dataset that the input said
	deadPiece  = "piece"  // the number of a piece of a record that was cut
)

// Reparse gives a dead letter to today's parsers. What they can read becomes
// events, mostly one, with ids of their own, which are the same each time, and the
// name of the dead letter; else the error says why it stays one. If a record holds
// several events, those that still cannot be read are dead letters of their own.
// The last of them is the one with which the dead letter is done, and they have to
// be put in this order.
func (in *Ingest) Reparse(dead *holdfast.Event) ([]holdfast.Event, error) {
	if _, piece := dead.Get(deadPiece); piece || strings.HasPrefix(dead.Text("error"), "piece ") {
		return nil, errors.New("it is a piece of a longer record, which is kept and not parsed")
	}
	out := in.events(nil, &holdfast.Record{
		Source: dead.Source, Asset: dead.Asset, Dataset: dead.Text(deadWanted), Received: dead.Received, Raw: dead.Raw,
		Truncated: strings.HasPrefix(dead.Trouble, "cut at "),
	}, &call{now: in.o.Clock.Now()})
	read := slices.IndexFunc(out, func(e holdfast.Event) bool { return e.Dataset != DeadLetter })
	if read < 0 {
		return nil, errors.New(out[0].Text("error"))
	}
	last := len(out) - 1
	out[read], out[last] = out[last], out[read]
	for i := range out {
		e := &out[i]
		e.Fields = append(e.Fields, holdfast.Field{Name: holdfast.ReparsedFrom, Text: dead.ID.String()})
		if n := last - i; n > 0 {
			e.Fields = append(e.Fields, holdfast.Field{Name: holdfast.ReparsedPart, Text: strconv.Itoa(n), Kind: holdfast.Number})
		}
		e.ID = holdfast.ReparsedID(dead.ID, e.Raw, last-i)
	}
	return out, nil
}

// PutReparsed makes events that Reparse made durable, and returns the number
// of their newest block. They count as received once, with their dead letters.
func (in *Ingest) PutReparsed(ctx context.Context, events []holdfast.Event) (last uint64, err error) {
	if err := in.o.Bus.Room(); err != nil {
		return 0, err
	}
	for len(events) > 0 {
		b := batch{}
		for len(b.events) < min(len(events), holdfast.MaxBlockEvents) {
			size := sizeOf(&events[len(b.events)])
			if len(b.events) > 0 && b.bytes+size > maxBlockBytes {
				break
			}
			b.events, b.bytes = events[:len(b.events)+1], b.bytes+size
		}
		events = events[len(b.events):]
		id := holdfast.ReparseBlock + strings.TrimPrefix(blockID([]batch{b}), "blk-")
		if last, _, err = in.publish(ctx, id, []batch{b}); err != nil {
			return last, fmt.Errorf("reparsed events: %w", err)
		}
	}
	return last, nil
}
