package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/parser"
	"holdfast/internal/turn"
)

// DeadLetter is the dataset of records that could not be parsed.
const DeadLetter = holdfast.DeadLetter

// OriginalTime is the field that keeps a clock that was not believed.
const OriginalTime = "event.original_time"

// aheadMost is how far a source's clock may be ahead and still be believed.
const aheadMost = 24 * time.Hour

// turnRecords are parsed in one turn.
const turnRecords = 100

// batch is events that stay together in one block.
type batch struct {
	events []holdfast.Event
	dead   int
	bytes  int
	// opened are the ids under which records that hold several events are refused,
	// before anybody knows that they do.
	opened []holdfast.EventID
}

// batches makes the events of records, parted so that each part fits a block.
// The same records give the same parts.
func (in *Ingest) batches(records []holdfast.Record) []batch {
	var out []batch
	b := batch{events: make([]holdfast.Event, 0, min(len(records), holdfast.MaxBlockEvents))}
	var several []holdfast.Event
	var mem *slab
	if len(records) >= slabLeast {
		mem = &slab{}
	}
	t := in.o.Turns.Begin(turn.Intake)
	defer t.End()
	for i := range records {
		if i%turnRecords == turnRecords-1 {
			t.Next()
		}
		one := several[:0]
		if one = in.events(one, &records[i], mem); len(one) > 1 {
			b.opened = append(b.opened, eventID(&records[i]))
		}
		for j := range one {
			size := sizeOf(&one[j])
			if len(b.events) >= holdfast.MaxBlockEvents || len(b.events) > 0 && b.bytes+size > maxBlockBytes {
				out = append(out, b)
				b = batch{}
			}
			b.events = append(b.events, one[j])
			b.bytes += size
			if one[j].Dataset == DeadLetter {
				b.dead++
			}
		}
		several = one
	}
	if len(b.events) > 0 {
		out = append(out, b)
	}
	return out
}

func sizeOf(e *holdfast.Event) int {
	n := 128 + len(e.Raw)
	for i := range e.Fields {
		n += 4 + len(e.Fields[i].Name) + len(e.Fields[i].Text)
	}
	return n
}

// eventID covers the asset too: two hosts may have files of the same name, with
// the same line at the same place.
func eventID(r *holdfast.Record) holdfast.EventID {
	return idOf(r, r.Raw[:min(len(r.Raw), input.MaxRecord)], 0)
}

func idOf(r *holdfast.Record, raw []byte, index int) holdfast.EventID {
	if r.Once {
		raw = nil
	}
	return holdfast.NewEventID(r.Asset+"\x00"+r.Source, r.Position, raw, index)
}

// blockID is stable for the same events in the same order.
func blockID(parts []batch) string {
	var all []byte
	for _, p := range parts {
		for i := range p.events {
			all = append(all, p.events[i].ID[:]...)
		}
	}
	return holdfast.StableID("blk", string(all))
}

// events appends the events of a record, mostly one. It never fails: what cannot
// be parsed is a dead letter. Of a record that holds several, each is kept with
// the part of the record that is its own, and has an id of its own.
func (in *Ingest) events(out []holdfast.Event, r *holdfast.Record, mem *slab) []holdfast.Event {
	raw := r.Raw[:min(len(r.Raw), input.MaxRecord)]
	e := holdfast.Event{Source: r.Source, Asset: r.Asset, Raw: raw, Received: r.Received}
	var trouble []string
	if now := in.o.Clock.Now(); e.Received.Before(earliest()) || e.Received.After(now.Add(aheadMost)) {
		if !e.Received.IsZero() {
			trouble = append(trouble, "the receiver's clock said "+e.Received.UTC().Format(time.RFC3339)+" and was repaired")
		}
		e.Received = now
	}
	if (r.Truncated || len(raw) < len(r.Raw)) && r.Part == 0 {
		trouble = append(trouble, fmt.Sprintf("cut at %d bytes", len(raw)))
	}
	p, by, err := in.parseWhole(r, raw, e.Received, mem)
	if err == nil && len(p.Parts) > 0 {
		for i := range p.Parts {
			one, part := e, &p.Parts[i]
			one.Raw = part.Raw
			one.ID = idOf(r, part.Raw, i)
			var err error
			if part.Err != nil {
				err = &deadError{by, part.Err.Error()}
			}
			out = append(out, in.finish(one, r, part.Parsed, err, trouble[:len(trouble):len(trouble)]))
		}
		return out
	}
	e.ID = eventID(r)
	return append(out, in.finish(e, r, p, err, trouble))
}

// finish fills an event with what was found in its record.
func (in *Ingest) finish(e holdfast.Event, r *holdfast.Record, p parser.Parsed, err error, trouble []string) holdfast.Event {
	if err != nil {
		var dead *deadError
		if errors.As(err, &dead) {
			trouble = append(trouble, dead.why)
			p = parser.Parsed{Dataset: DeadLetter, Fields: deadFields(r, dead)}
		}
	}
	if p.Trouble != "" {
		trouble = append(trouble, p.Trouble)
	}
	e.Dataset, e.Fields = p.Dataset, p.Fields
	if !utf8.Valid(e.Raw) {
		clean(e.Fields)
		trouble = append(trouble, "bytes that are no UTF-8")
	}
	trouble = in.setTime(&e, p.Time, trouble)
	if e.Asset == "" && p.Host != "" && in.o.Asset != nil {
		e.Asset = in.o.Asset(p.Host)
	}
	if in.o.Places != nil {
		in.place(&e)
	}
	e.Drill = in.drill(&e)
	e.Trouble = strings.Join(trouble, "; ")
	return e
}

// deadFields keep what it takes to parse the record again.
func deadFields(r *holdfast.Record, dead *deadError) []holdfast.Field {
	out := parser.Add([]holdfast.Field{{Name: "error", Text: dead.why}}, "parser", dead.parser)
	out = parser.Add(out, deadWanted, strings.ToValidUTF8(r.Dataset, "\ufffd"))
	if r.Part > 0 {
		out = append(out, holdfast.Field{Name: deadPiece, Text: fmt.Sprint(r.Part), Kind: holdfast.Number})
	}
	return out
}

// parseWhole parses a record. A further piece of one that was cut is a dead
// letter whatever it says: whoever wrote the line chose where the piece begins.
// Its fields may lie in mem, if that is set.
func (in *Ingest) parseWhole(r *holdfast.Record, raw []byte, received time.Time, mem *slab) (p parser.Parsed, by string, err error) {
	if r.Part > 0 {
		return p, "", &deadError{why: fmt.Sprintf("piece %d of a record longer than %d bytes", r.Part+1, input.MaxRecord)}
	}
	hint := parser.Hint{Received: received, Dataset: r.Dataset, Source: r.Source}
	if mem == nil {
		return in.parse(raw, hint)
	}
	hint.Into = mem.memory(len(raw))
	p, by, err = in.parse(raw, hint)
	switch {
	case err != nil:
	case len(p.Parts) > 0:
		*mem = slab{} // whatever lies there stays
	default:
		p.Fields = mem.keep(p.Fields)
	}
	return p, by, err
}

// setTime takes the source's clock if it can be believed, and keeps it as a
// field if not.
func (in *Ingest) setTime(e *holdfast.Event, t time.Time, trouble []string) []string {
	e.Received = e.Received.UTC()
	switch {
	case t.IsZero():
		e.Time = e.Received
	case t.Before(earliest()) || t.After(e.Received.Add(aheadMost)):
		said := t.UTC().Format(time.RFC3339Nano)
		e.Time = e.Received
		e.Fields = append(e.Fields, holdfast.Field{Name: OriginalTime, Text: said})
		trouble = append(trouble, "clock "+said+" repaired")
	default:
		e.Time = t.UTC()
	}
	return trouble
}

// deadError is why a record is a dead letter, and by whose word.
type deadError struct{ parser, why string }

func (e *deadError) Error() string { return e.why }

// parse asks the parsers in turn, those of the dataset that was asked for
// first, and says which one it was.
func (in *Ingest) parse(raw []byte, hint parser.Hint) (found parser.Parsed, by string, err error) {
	if len(raw) == 0 {
		return found, "", &deadError{"", "an empty record"}
	}
	for _, wanted := range [...]bool{true, false} {
		if wanted && hint.Dataset == "" {
			continue
		}
		for i := range in.o.Parsers {
			p := &in.o.Parsers[i]
			if hint.Dataset != "" && makes(p, hint.Dataset) != wanted {
				continue
			}
			got, err := run(p, raw, hint)
			switch {
			case errors.Is(err, parser.ErrOther):
				continue
			case err == nil:
				err = got.Check()
			}
			if err != nil {
				return got, p.Name, &deadError{p.Name, err.Error()}
			}
			return got, p.Name, nil
		}
	}
	return found, "", &deadError{"", "no parser knows this kind of record"}
}

func makes(p *parser.Parser, dataset string) bool {
	for i := range p.Datasets {
		if p.Datasets[i].Name == dataset {
			return true
		}
	}
	return false
}

// run keeps a parser's fault to the one record that met it.
func run(p *parser.Parser, raw []byte, hint parser.Hint) (got parser.Parsed, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser failed: %v", r)
		}
	}()
	return p.Parse(raw, hint)
}

func clean(fields []holdfast.Field) {
	for i := range fields {
		fields[i].Name = strings.ToValidUTF8(fields[i].Name, "\ufffd")
		fields[i].Text = strings.ToValidUTF8(fields[i].Text, "\ufffd")
	}
}

// drill finds the drill whose marker one of the event's user names is.
func (in *Ingest) drill(e *holdfast.Event) string {
	if in.o.Drill == nil {
		return ""
	}
	finder := in.finders[e.Dataset]
	if finder == nil {
		return ""
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.Text != "" && (f.Name == holdfast.EntityUser || finder.Kind(f.Name) == holdfast.EntityUser) {
			if id := in.o.Drill(f.Text); id != "" {
				return id
			}
		}
	}
	return ""
}

// place adds what is known of the event's addresses, behind the source's own
// fields. A name that the source uses itself stays the source's.
func (in *Ingest) place(e *holdfast.Event) {
	ecs := in.datasets[e.Dataset].ECS
	own := len(e.Fields)
	var source, destination bool
	for i := range own {
		kind := e.Fields[i].Name
		if to, ok := ecs[kind]; ok {
			kind = to
		}
		switch {
		case e.Fields[i].Text == "":
			continue
		case kind == holdfast.EntitySource && !source:
			source = true
		case kind == holdfast.EntityDestination && !destination:
			destination = true
		default:
			continue
		}
		e.Fields = in.o.Places(e.Fields[:len(e.Fields):len(e.Fields)], strings.TrimSuffix(kind, ".ip"), e.Fields[i].Text)
	}
	kept := e.Fields[:own]
	for _, f := range e.Fields[own:] {
		if !slices.ContainsFunc(e.Fields[:own], func(o holdfast.Field) bool { return o.Name == f.Name }) {
			kept = append(kept, f)
		}
	}
	e.Fields = kept
}
