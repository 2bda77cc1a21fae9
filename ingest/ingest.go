// Package ingest turns records into events and gathers them into blocks, which
// it publishes and thereby acknowledges. Ways in, parsers and the bus are handed
// to it; what becomes of a published block is left to the bus's readers.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/clock"
	"holdfast/internal/turn"
)

// Publisher makes blocks durable.
type Publisher interface {
	// Publish returns when the block is on disk. doubled says that a block of
	// this id was there already.
	Publish(ctx context.Context, b *holdfast.Block) (seq uint64, doubled bool, err error)
	// Room returns an error that wraps holdfast.ErrFull when nothing more can be
	// taken in.
	Room() error
}

// maxBlockBytes bounds the raw bytes and fields of one block, roughly.
const maxBlockBytes = 16 << 20

// Options are what Ingest works with.
type Options struct {
	Parsers []parser.Parser // in the order in which they are asked
	Bus     Publisher
	// Drill returns the id of the running drill whose marker text is, or "". It
	// is asked about user names. May be nil.
	Drill func(text string) (drill string)
	// Asset returns the id of the asset of a host's name, or "". It is asked for
	// records that come without one. May be nil.
	Asset func(host string) (asset string)
	// Places appends what is known of an address to an event's fields, under names
	// that begin with of: "source" or "destination". May be nil.
	Places func(fields []holdfast.Field, of, address string) []holdfast.Field
	Clock  clock.Clock
	Log    *slog.Logger
	// Turns are taken by what parses while a search runs. May be nil.
	Turns *turn.Turns
}

// Ingest takes records in. It may be used from many goroutines.
type Ingest struct {
	o        Options
	parsers  parser.ByForm
	datasets map[string]holdfast.Dataset
	finders  map[string]*holdfast.Finder // by dataset
	health   *health
	refused  *refused

	ctx  context.Context // of publishing: it outlives the callers
	stop context.CancelFunc

	own     chan struct{} // has a place for each of ownBlocks
	mu      sync.Mutex
	pending queues
	busy    bool // a goroutine is publishing
	closed  bool
	idle    sync.WaitGroup
}

// group is what one call of Put gave, or a part of it that fits a block.
type group struct {
	batch
	block string       // the id of the block that it is alone; "" if it shares one
	done  chan outcome // has room for one
}

// outcome is what became of a group.
type outcome struct {
	seq     uint64
	doubled bool
	err     error
}

// underWay is how long a caller whose context has ended waits for what is on its way
// to the disk and cannot be called back: a server that is told to stop says rightly of
// it that it was taken, so that nobody sends it again.
const underWay = 2 * time.Second

// await hands on what became of groups, in their order.
func await(ctx context.Context, all []*group, each func(*group, outcome)) {
	var late *time.Timer
	for _, g := range all {
		select {
		case o := <-g.done:
			each(g, o)
			continue
		case <-ctx.Done():
		}
		if late == nil {
			late = time.NewTimer(underWay)
			defer late.Stop()
		}
		select {
		case o := <-g.done:
			each(g, o)
		case <-late.C:
			late.Reset(0) // the others had that time as well
			each(g, outcome{err: ctx.Err()})
		}
	}
}

// ownBlocks bounds the blocks of their own that are on their way to the disk at
// once, so that packing them keeps the processors busy and none waits for many.
const ownBlocks = 4

// Accepted is what became of a batch.
type Accepted struct {
	Seq          uint64 `json:"seq"`               // of its block, the last one if it took several
	Doubled      bool   `json:"doubled,omitempty"` // it had been taken before
	Events       int    `json:"events"`            // dead letters included
	DeadLettered int    `json:"dead_lettered"`
}

// New returns an Ingest that takes records until Close.
func New(o Options) *Ingest {
	in := &Ingest{o: o, parsers: parser.NewByForm(o.Parsers), datasets: Datasets(o.Parsers), health: newHealth(o.Clock), refused: newRefused(), pending: newQueues(), own: make(chan struct{}, ownBlocks)}
	in.finders = map[string]*holdfast.Finder{}
	for name, d := range in.datasets {
		in.finders[name] = d.Finder()
	}
	in.ctx, in.stop = context.WithCancel(context.Background())
	return in
}

// Datasets returns the datasets of the parsers, and that of dead letters.
func Datasets(parsers []parser.Parser) map[string]holdfast.Dataset {
	out := map[string]holdfast.Dataset{DeadLetter: {
		Name: DeadLetter, Title: "Records that could not be parsed",
		ECS: map[string]string{"error": "error.message", "parser": "event.module"},
	}}
	for _, p := range parsers {
		for _, d := range p.Datasets {
			out[d.Name] = d
		}
	}
	return out
}

// Datasets returns all datasets by name. The map is the caller's.
func (in *Ingest) Datasets() map[string]holdfast.Dataset { return maps.Clone(in.datasets) }

// Entities returns the entities of an event by its dataset's map.
func (in *Ingest) Entities(e *holdfast.Event) []holdfast.Entity {
	if f := in.finders[e.Dataset]; f != nil {
		return f.Entities(e)
	}
	var d holdfast.Dataset // of a parser that is no more
	return d.Entities(e)
}

// Put implements input.Sink: it returns once the records are durable. Records
// of many callers share a block; a lone record waits for nobody.
func (in *Ingest) Put(ctx context.Context, records []holdfast.Record) error {
	if err := in.room(records); err != nil {
		return err
	}
	var mine []*group
	for _, b := range in.batches(records) {
		mine = append(mine, &group{batch: b, done: make(chan outcome, 1)})
	}
	if len(mine) == 0 {
		return nil
	}
	if err := in.enqueue(records[0].Source, mine); err != nil {
		in.refuse(records)
		return err
	}
	var all error
	await(ctx, mine, func(_ *group, o outcome) { all = errors.Join(all, o.err) })
	return all
}

// PutBatch takes a batch that its sender will send again, under the same id
// and unchanged, until it is acknowledged: it becomes the block of that id, or
// several ("id#1", …) if it is too large for one. It waits its turn among the
// batches of other assets and what Put is given.
func (in *Ingest) PutBatch(ctx context.Context, id string, records []holdfast.Record) (Accepted, error) {
	if strings.HasPrefix(id, holdfast.ReparseBlock) {
		return Accepted{}, fmt.Errorf("a batch's id does not begin with %s: %w", holdfast.ReparseBlock, holdfast.ErrInvalid)
	}
	if id == "" || len(id) > 256 {
		return Accepted{}, fmt.Errorf("a batch's id has 1 to 256 bytes, this has %d: %w", len(id), holdfast.ErrInvalid)
	}
	if err := in.room(records); err != nil {
		return Accepted{}, err
	}
	var mine []*group
	for i, b := range in.batches(records) {
		g := &group{batch: b, block: id, done: make(chan outcome, 1)}
		if i > 0 {
			g.block = fmt.Sprintf("%s#%d", id, i)
		}
		mine = append(mine, g)
	}
	if len(mine) == 0 {
		return Accepted{}, nil
	}
	if err := in.enqueue("agent\x00"+records[0].Asset, mine); err != nil {
		in.refuse(records)
		return Accepted{}, err
	}
	got := Accepted{Doubled: true}
	var all error
	await(ctx, mine, func(g *group, o outcome) {
		all = errors.Join(all, o.err)
		got.Seq, got.Doubled = max(got.Seq, o.seq), got.Doubled && o.doubled
		got.Events += len(g.events)
		got.DeadLettered += g.dead
	})
	if all != nil {
		return Accepted{}, all
	}
	return got, nil
}

// room refuses before any work is done.
func (in *Ingest) room(records []holdfast.Record) error {
	err := in.o.Bus.Room()
	if err != nil {
		in.refuse(records)
	}
	return err
}

func (in *Ingest) enqueue(source string, groups []*group) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return errClosed
	}
	if err := in.pending.add(source, groups); err != nil {
		return err
	}
	if !in.busy {
		in.busy = true
		in.idle.Add(1)
		go in.commit()
	}
	return nil
}

var errClosed = errors.New("ingest is closed")

// commit publishes what is pending until nothing is. While a block is on its
// way to the disk the next one gathers, so blocks grow with the load.
func (in *Ingest) commit() {
	defer in.idle.Done()
	for {
		groups := in.take()
		if len(groups) == 0 {
			return
		}
		if groups[0].block != "" {
			in.alone(groups[0])
			continue
		}
		parts := make([]batch, len(groups))
		for i, g := range groups {
			parts[i] = g.batch
		}
		_, _, err := in.publish(in.ctx, blockID(parts), parts)
		for _, g := range groups {
			g.done <- outcome{err: err}
		}
	}
}

// alone publishes a group that is a block of its own beside what comes after it,
// as soon as not too many are under way.
func (in *Ingest) alone(g *group) {
	in.own <- struct{}{}
	in.idle.Go(func() {
		seq, doubled, err := in.publish(in.ctx, g.block, []batch{g.batch})
		<-in.own
		g.done <- outcome{seq, doubled, err}
	})
}

// take returns the pending groups that fit one block; none ends commit.
func (in *Ingest) take() []*group {
	in.mu.Lock()
	defer in.mu.Unlock()
	out := in.pending.take()
	in.busy = len(out) > 0
	return out
}

// publish makes one block of parts durable.
func (in *Ingest) publish(ctx context.Context, id string, parts []batch) (uint64, bool, error) {
	now := in.o.Clock.Now()
	b := &holdfast.Block{ID: id, Made: now}
	counts := newTally()
	for _, p := range parts {
		if len(parts) == 1 {
			b.Events = p.events
		} else {
			b.Events = append(b.Events, p.events...)
		}
		in.refused.forget(p.opened) // from here on they are known by their events
	}
	for i := range b.Events {
		if !strings.HasPrefix(id, holdfast.ReparseBlock) {
			counts.event(&b.Events[i])
		}
	}
	carried := in.refused.due(now)
	for source, n := range carried {
		counts.rejected(source, n, now)
	}
	b.Counts = counts.list()
	seq, doubled, err := in.o.Bus.Publish(ctx, b)
	if err != nil || doubled {
		in.refused.back(carried) // they are in no block yet
	}
	if err != nil {
		for i := range b.Events {
			if strings.HasPrefix(id, holdfast.ReparseBlock) {
				break // they are dead letters still
			}
			e := &b.Events[i]
			in.refused.add(e.ID, e.Source, now)
			in.health.rejected(e.Source)
		}
		in.o.Log.Warn("a block was not taken", "block", id, "events", len(b.Events), "error", err)
		return 0, false, fmt.Errorf("block %s: %w", id, err)
	}
	if !doubled {
		in.health.taken(b, now)
	}
	in.refused.taken(b.Events)
	return seq, doubled, nil
}

// Refuse notes records that their way in turned away, over a limit of their
// sender: they count as rejected unless they come again.
func (in *Ingest) Refuse(records []holdfast.Record) { in.refuse(records) }

// refuse notes records that were turned away unread.
func (in *Ingest) refuse(records []holdfast.Record) {
	now := in.o.Clock.Now()
	for i := range records {
		r := &records[i]
		in.refused.add(eventID(r), r.Source, now)
		in.health.rejected(r.Source)
	}
}

// Note keeps what an input says of its health; empty trouble means well again.
func (in *Ingest) Note(source, trouble string) { in.health.note(source, trouble) }

// Health returns what is known of every source since the start, by name.
func (in *Ingest) Health() []Health { return in.health.list() }

// Close takes nothing more and returns when what was pending is durable or has
// failed; it is cut short when ctx ends.
func (in *Ingest) Close(ctx context.Context) error {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	done := make(chan struct{})
	go func() { in.idle.Wait(); close(done) }()
	defer in.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ingest is still publishing: %w", ctx.Err())
	}
}

// earliest is the oldest clock that is believed.
func earliest() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
