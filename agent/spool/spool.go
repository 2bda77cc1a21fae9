// Package spool is an agent's bounded queue on disk: records go in, durable
// when Put returns, and come out in order as immutable batches that stay until
// they are acknowledged. It also keeps the inputs' positions, in the same
// files. Sending is left to package agent.
//
// A segment is a file of frames, each with a checksum; what a crash tore off
// its end was never acknowledged to an input and is cut away. Records that an
// input offers again, because a crash came between Put and Save, are known by
// their event ids and left out.
package spool

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/clock"
)

// DefaultMax is how much a spool holds unless told otherwise.
const DefaultMax = 256 << 20

// DefaultReserve is the free space below which no records are taken, unless
// told otherwise: undoing a change and keeping its result must find room.
const DefaultReserve = 64 << 20

const (
	segmentMax = 8 << 20
	knownMax   = 50_000 // ids remembered against doubles
	putQueue   = 64
)

// Options are what Open needs.
type Options struct {
	Dir     string
	Max     int64  // bytes on disk; 0 for DefaultMax
	Reserve uint64 // free bytes that must stay; 0 for DefaultReserve
	Clock   clock.Clock
	Log     *slog.Logger
}

// Spool is a queue. Put, Load and Save may be called from many goroutines;
// Next and Ack from one.
type Spool struct {
	o Options

	mu        sync.Mutex
	segs      []segment // oldest first; the last is written to
	f         *os.File  // the last segment
	last      uint64    // newest frame on disk
	cur       cursor
	positions map[string]string
	unsaved   map[string]string // positions not yet in a file
	known     map[holdfast.EventID]struct{}
	knownRing []holdfast.EventID
	knownAt   int
	pending   int       // records not acknowledged
	oldest    time.Time // when the first of them was received
	bytes     int64
	full      bool
	closed    bool
	readSeg   uint64 // where Next goes on: segment and offset
	readOff   int64

	puts chan put
	more chan struct{} // something was written
	wake chan struct{} // positions to be written
	stop chan struct{}
	done chan struct{}
}

type put struct {
	records []holdfast.Record
	done    chan error
}

// segment is a file, named by its first frame's number.
type segment struct {
	first   uint64
	last    uint64 // 0 while it has no records
	size    int64
	records int
}

// cursor is what has been sent: all up to Acked is acknowledged; a batch that
// ends with To may be under way, and keeps its bounds when it is sent again.
type cursor struct {
	Birth string `json:"birth"`
	Acked uint64 `json:"acked"`
	To    uint64 `json:"to"`
}

// Batch is a run of records under one id.
type Batch struct {
	First, Last uint64
	Birth       string
	Records     []holdfast.Record
}

// ID is the batch's id for an asset.
func (b Batch) ID(asset string) string {
	return fmt.Sprintf("agent-%s-%s-%d-%d", asset, b.Birth, b.First, b.Last)
}

// Open opens the spool in o.Dir, makes it if it is new, and repairs what a
// crash left.
func Open(o Options) (*Spool, error) {
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{
		o: o, positions: map[string]string{}, unsaved: map[string]string{}, known: map[holdfast.EventID]struct{}{},
		puts: make(chan put, putQueue), more: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("spool %s: %w", o.Dir, err)
	}
	go s.commitLoop()
	return s, nil
}

// Close writes what is under way and closes the files.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	<-s.done
	return s.f.Close()
}

// Put is input.Sink: it returns once the records are on disk. Calls that come
// together share one fsync. When the spool is full it returns
// holdfast.ErrFull and takes nothing.
func (s *Spool) Put(ctx context.Context, records []holdfast.Record) error {
	if len(records) == 0 {
		return nil
	}
	p := put{records, make(chan error, 1)}
	select {
	case s.puts <- p:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return os.ErrClosed
	}
	select {
	case err := <-p.done:
		return err
	case <-s.done:
		select {
		case err := <-p.done:
			return err
		default:
			return os.ErrClosed
		}
	}
}

// Load is input.Positions.
func (s *Spool) Load(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.positions[key]
	return v, ok
}

// Save is input.Positions. The position goes into the file with the next
// commit, at once; Save does not wait for it.
func (s *Spool) Save(key, position string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	if s.positions[key] == position {
		return nil
	}
	s.positions[key] = position
	s.unsaved[key] = position
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// Stats says how much waits.
func (s *Spool) Stats() wire.Spool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Spool{Bytes: s.bytes, Max: s.o.Max, Records: s.pending, Oldest: s.oldest, Full: s.full}
}

// oldestOf is the earliest time at which one of the records was received.
func oldestOf(rs []holdfast.Record) time.Time {
	var t time.Time
	for i := range rs {
		if at := rs[i].Received; t.IsZero() || !at.IsZero() && at.Before(t) {
			t = at
		}
	}
	return t
}

// Next waits for records that are not acknowledged and returns the first of
// them as a batch. Until Ack it returns the same batch, also after a crash.
func (s *Spool) Next(ctx context.Context) (Batch, error) {
	for {
		b, err := s.next()
		if err != nil || len(b.Records) > 0 {
			return b, err
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-s.stop:
			return Batch{}, os.ErrClosed
		case <-s.more:
		}
	}
}

func (s *Spool) path(first uint64) string {
	return filepath.Join(s.o.Dir, fmt.Sprintf("%020d.seg", first))
}

// remember notes the ids of records that are in the spool; the oldest fall
// out. The caller holds mu, or is the only one yet.
func (s *Spool) remember(records []holdfast.Record) {
	for i := range records {
		id := idOf(&records[i])
		if _, ok := s.known[id]; ok {
			continue
		}
		s.known[id] = struct{}{}
		if len(s.knownRing) < knownMax {
			s.knownRing = append(s.knownRing, id)
			continue
		}
		delete(s.known, s.knownRing[s.knownAt])
		s.knownRing[s.knownAt] = id
		s.knownAt = (s.knownAt + 1) % knownMax
	}
}

func idOf(r *holdfast.Record) holdfast.EventID {
	return holdfast.NewEventID(r.Source, r.Position, r.Raw, 0)
}
