package intake

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"holdfast"
)

// Message appends a record like one for what stands in a message of a broker: the
// message itself, each line of it if it is of lines, or each of a list of records
// ({"records": […]}, as Azure puts them into Event Hubs). Those longer than max
// bytes come in pieces.
// Their places are that of one with a number behind it, from 1; that of a whole
// message is its own. Raw is a copy.
func Message(to []holdfast.Record, data []byte, one holdfast.Record, lines bool, max int) []holdfast.Record {
	base := one.Position
	switch {
	case IsList(data):
		values := NewValues(bytes.NewReader(data), max, true)
		for n, part := 1, 0; ; {
			raw, more, err := values.Next()
			if len(raw) > 0 {
				one.Position = placeOf(base, n, part)
				one.Raw, one.Part, one.Truncated = raw, part, more
				to = append(to, one)
			}
			switch {
			case err != nil:
				return to
			case more:
				part++
			default:
				n, part = n+1, 0
			}
		}
	case lines:
		n := 0
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			n++
			if line = bytes.TrimSuffix(line, []byte("\r")); len(bytes.TrimSpace(line)) > 0 {
				to = pieces(to, line, one, max, func(part int) string { return placeOf(base, n, part) })
			}
		}
		return to
	}
	return pieces(to, data, one, max, func(part int) string {
		if part == 0 {
			return base
		}
		return base + ":" + strconv.Itoa(part)
	})
}

func placeOf(base string, n, part int) string {
	at := base + ":" + strconv.Itoa(n)
	if part > 0 {
		at += ":" + strconv.Itoa(part)
	}
	return at
}

func pieces(to []holdfast.Record, text []byte, one holdfast.Record, most int, place func(part int) string) []holdfast.Record {
	for part := 0; len(text) > 0; part++ {
		cut := text[:min(len(text), most)]
		text = text[len(cut):]
		one.Position = place(part)
		one.Raw, one.Part, one.Truncated = bytes.Clone(cut), part, len(text) > 0
		to = append(to, one)
	}
	return to
}

// PutWhenRoom hands records on; while there is no room it waits, and says with
// busy, which may be nil, that they are still held.
func PutWhenRoom(ctx context.Context, sink Sink, records []holdfast.Record, busy func()) error {
	for len(records) > 0 {
		err := sink.Put(ctx, records)
		if !errors.Is(err, holdfast.ErrFull) {
			return err
		}
		if busy != nil {
			busy()
		}
		if !Wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
	return nil
}

// Wait reports whether the time has passed before ctx was done.
func Wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
