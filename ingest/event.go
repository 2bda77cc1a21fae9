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

// call is what the records of one call of Put share.
type call struct {
	now time.Time
	mem *slab // nil for few
	ids ids
}

// batches makes the events of records, parted so that each part fits a block.
// The same records give the same parts.
func (in *Ingest) batches(records []holdfast.Record) []batch {
	var out []batch
	b := batch{events: make([]holdfast.Event, 0, min(len(records), holdfast.MaxBlockEvents))}
	c := call{now: in.o.Clock.Now()}
	if len(records) >= slabLeast {
		c.mem = &slab{}
	}
	t := in.o.Turns.Begin(turn.Intake)
	defer t.End()
	for i := range records {
		if i%turnRecords == turnRecords-1 {
			t.Next()
		}
		at := len(b.events)
		if b.events = in.events(b.events, &records[i], &c); len(b.events)-at > 1 {
			b.opened = append(b.opened, c.ids.record(&records[i]))
		}
		for ; at < len(b.events); at++ {
			size := sizeOf(&b.events[at])
			if at >= holdfast.MaxBlockEvents || at > 0 && b.bytes+size > maxBlockBytes {
				rest := batch{events: append(make([]holdfast.Event, 0, min(len(records), holdfast.MaxBlockEvents)), b.events[at:]...)}
				b.events = b.events[:at:at]
				out = append(out, b)
				b, at = rest, 0
			}
			b.bytes += size
			if b.events[at].Dataset == DeadLetter {
				b.dead++
			}
		}
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
func (in *Ingest) events(out []holdfast.Event, r *holdfast.Record, c *call) []holdfast.Event {
	raw := r.Raw[:min(len(r.Raw), input.MaxRecord)]
	e := holdfast.Event{Source: r.Source, Asset: r.Asset, Raw: raw, Received: r.Received}
	var trouble []string
	if e.Received.Before(earliest()) || e.Received.After(c.now.Add(aheadMost)) {
		if !e.Received.IsZero() {
			trouble = append(trouble, "the receiver's clock said "+e.Received.UTC().Format(time.RFC3339)+" and was repaired")
		}
		e.Received = c.now
	}
	if (r.Truncated || len(raw) < len(r.Raw)) && r.Part == 0 {
		trouble = append(trouble, fmt.Sprintf("cut at %d bytes", len(raw)))
	}
	p, by, err := in.parseWhole(r, raw, e.Received, c.mem)
	if err == nil && len(p.Parts) > 0 {
		for i := range p.Parts {
			part := &p.Parts[i]
			var err error
			if part.Err != nil {
				err = &deadError{by, part.Err.Error()}
			}
			out = append(out, e)
			one := &out[len(out)-1]
			one.Raw, one.ID = part.Raw, c.ids.of(r, part.Raw, i)
			in.finish(one, r, &part.Parsed, err, trouble[:len(trouble):len(trouble)])
		}
		return out
	}
	e.ID = c.ids.record(r)
	out = append(out, e)
	in.finish(&out[len(out)-1], r, &p, err, trouble)
	return out
}

// finish fills an event with what was found in its record.
func (in *Ingest) finish(e *holdfast.Event, r *holdfast.Record, p *parser.Parsed, err error, trouble []string) {
	if err != nil {
		var dead *deadError
		if errors.As(err, &dead) {
			trouble = append(trouble, dead.why)
			p = &parser.Parsed{Dataset: DeadLetter, Fields: deadFields(r, dead)}
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
	trouble = in.setTime(e, p.Time, trouble)
	if e.Asset == "" && p.Host != "" && in.o.Asset != nil {
		e.Asset = in.o.Asset(p.Host)
	}
	if in.o.Places != nil {
		in.place(e)
	}
	e.Drill = in.drill(e)
	e.Trouble = strings.Join(trouble, "; ")
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
		for _, p := range in.parsers.For(raw) {
			if hint.Dataset != "" && makes(p, hint.Dataset) != wanted {
				continue
			}
			err = run(p, raw, &hint, &found)
			switch {
			case err == nil:
				err = found.Check()
			case err == parser.ErrOther || errors.Is(err, parser.ErrOther): //nolint:errorlint // mostly it is just that
				continue
			}
			if err != nil {
				return found, p.Name, &deadError{p.Name, err.Error()}
			}
			return found, p.Name, nil
		}
	}
	return parser.Parsed{}, "", &deadError{"", "no parser knows this kind of record"}
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
func run(p *parser.Parser, raw []byte, hint *parser.Hint, got *parser.Parsed) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser failed: %v", r)
		}
	}()
	*got, err = p.Parse(raw, *hint)
	return err
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
	var most [16]holdfast.Place
	for _, p := range finder.Places(e.Fields, most[:]) {
		if f := &e.Fields[p.Field]; f.Text != "" && p.Kind == holdfast.EntityUser {
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
