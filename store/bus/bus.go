// Package bus makes blocks durable and hands them on in order: NATS JetStream,
// one stream, embedded in the process with every write synced before it is
// acknowledged, or a cluster elsewhere that keeps each block on a majority of
// its nodes. What is in a block, and how far each reader has come, is left to
// others.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	unpack "github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"holdfast"
	"holdfast/internal/host"
	"holdfast/internal/zstd"
)

const (
	stream  = "blocks"
	subject = "blocks"
	nothing = "nothing" // no block has this subject
	// maxBlock is the largest compressed block; NATS takes no larger message.
	maxBlock = 60 << 20
	// maxPlain bounds what a block may unpack to.
	maxPlain = 1 << 30
	// twice is how long the bus remembers the id of a block to drop a second
	// copy of it.
	twice = time.Hour
)

// late is when a block that is not acknowledged yet makes one ask what is wrong.
const late = 500 * time.Millisecond

// DefaultReserve is the free space below which nothing is taken in: 64 MiB.
const DefaultReserve = 64 << 20

// Options say where the bus lies: in a folder, or at URL.
type Options struct {
	Dir     string
	URL     string // of a NATS cluster: nats://host:4222,host:4222; see OpenCluster
	Reserve uint64 // free bytes that must stay; DefaultReserve for 0
	// After is the newest block that a reader knows of. One that is new has a higher
	// number, also where the folder was lost or is an older copy. A cluster's numbers
	// are its own.
	After uint64
	Log   *slog.Logger
}

// Bus is the bus. It may be used from many goroutines.
type Bus struct {
	opt Options
	enc *zstd.Packer
	dec *unpack.Decoder

	memory memories
	recent *recent
	newest atomic.Uint64 // block that anybody knows of

	mu sync.RWMutex // held for writing while the server is opened again
	in *inner
}

type inner struct {
	server *server.Server // nil for a cluster
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
}

// Open opens the bus in a folder and makes it if it is not there.
func Open(ctx context.Context, o Options) (*Bus, error) {
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	dec, err := unpack.NewReader(nil, unpack.WithDecoderMaxMemory(maxPlain), unpack.WithDecoderConcurrency(2))
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	b := &Bus{opt: o, enc: zstd.New(zstd.Fast), dec: dec, memory: newMemories(), recent: newRecent()}
	if o.URL != "" {
		b.in, err = join(ctx, o)
	} else {
		b.newest.Store(o.After)
		b.in, err = b.start(ctx)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Bus) start(ctx context.Context) (*inner, error) {
	in, err := start(ctx, b.opt)
	if err != nil {
		return nil, err
	}
	if err := b.goOn(ctx, in); err != nil {
		in.close()
		return nil, fmt.Errorf("bus in %s: %w", b.opt.Dir, err)
	}
	return in, nil
}

func start(ctx context.Context, o Options) (*inner, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "holdfast", DontListen: true, JetStream: true, StoreDir: o.Dir, SyncAlways: true, NoSigs: true, NoLog: true,
		MaxPayload: maxBlock + 1<<20, MaxPending: 4 * maxBlock, JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 50,
	})
	if err != nil {
		return nil, fmt.Errorf("bus in %s: %w", o.Dir, err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("bus in %s did not start within 10 s; is the disk full or very slow?", o.Dir)
	}
	in := &inner{server: s}
	if err := in.connect(ctx); err != nil {
		in.close()
		return nil, fmt.Errorf("bus in %s: %w", o.Dir, err)
	}
	return in, nil
}

func (in *inner) connect(ctx context.Context) (err error) {
	if in.conn, err = nats.Connect("", nats.InProcessServer(in.server), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)); err != nil {
		return err
	}
	return in.open(ctx, 1)
}

// open makes the stream if it is not there.
func (in *inner) open(ctx context.Context, replicas int) (err error) {
	if in.js, err = jetstream.New(in.conn); err != nil {
		return err
	}
	in.stream, err = in.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		Duplicates: twice, MaxMsgSize: maxBlock + 1<<16, Replicas: replicas, AllowDirect: in.server != nil,
	})
	return err
}

func (in *inner) close() {
	if in.conn != nil {
		in.conn.Close()
	}
	if in.server == nil {
		return
	}
	in.server.Shutdown()
	in.server.WaitForShutdown()
}

// Close closes the bus. What was acknowledged is on disk already.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in.close()
	b.dec.Close()
	return nil
}

// Room returns ErrFull when less than the reserve is free. The room of a cluster
// is its own matter: it refuses blocks by itself.
func (b *Bus) Room() error {
	if b.opt.URL != "" {
		return nil
	}
	free, _, err := host.Disk(b.opt.Dir)
	if err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if free < b.opt.Reserve {
		return fmt.Errorf("%d MiB are free in %s and %d MiB are kept in reserve: %w", free>>20, b.opt.Dir, b.opt.Reserve>>20, holdfast.ErrFull)
	}
	return nil
}

// Reserve is the free space below which nothing is taken in.
func (b *Bus) Reserve() uint64 { return b.opt.Reserve }

// Publish makes a block durable. When it returns nil the block is synced to
// disk, or kept by a majority of the cluster; doubled says that a block of the
// same ID was there already, and seq is then that one's. Nobody changes the block
// from here on.
func (b *Bus) Publish(ctx context.Context, block *holdfast.Block) (seq uint64, doubled bool, err error) {
	if err := b.Room(); err != nil {
		return 0, false, err
	}
	mem := b.memory.Get().(*memory)
	defer b.memory.give(mem) // what is published is copied on its way
	if err := mem.pack(block, b.enc); err != nil {
		return 0, false, fmt.Errorf("bus: %w", err)
	}
	packed := mem.packed
	if len(packed) > maxBlock {
		return 0, false, fmt.Errorf("a block of %d bytes packed: %w", len(packed), holdfast.ErrTooLarge)
	}
	size := sizeOf(block)
	b.recent.wait(ctx, size)
	b.recent.put(packed, block, size)
	in := b.current()
	if in.server == nil {
		return in.publish(ctx, block.ID, packed)
	}
	ack, err := in.offer(ctx, block.ID, packed)
	if err == nil {
		b.know(ack.Sequence)
		return ack.Sequence, ack.Duplicate, nil
	}
	if ctx.Err() == nil && in.broken(ctx) {
		b.reopen(ctx, in)
	}
	if rerr := b.Room(); rerr != nil {
		return 0, false, rerr
	}
	return 0, false, fmt.Errorf("bus: %w", err)
}

// offer publishes one block, and waits no longer for an answer than there may be
// one.
func (in *inner) offer(ctx context.Context, id string, packed []byte) (*jetstream.PubAck, error) {
	asked, cancel := context.WithCancel(ctx)
	defer cancel()
	look := time.AfterFunc(late, func() {
		if in.broken(asked) {
			cancel()
		}
	})
	defer look.Stop()
	return in.js.PublishMsg(asked, &nats.Msg{Subject: subject, Data: packed}, jetstream.WithMsgID(id))
}

// broken reports whether a write has failed. JetStream takes nothing from then on:
// it switches itself off when there was no room, and after any other fault it
// does not even answer. Only what would write is told of it, so it is asked to
// drop what is not there.
func (in *inner) broken(ctx context.Context) bool {
	if !in.server.JetStreamEnabled() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, try)
	defer cancel()
	var fault *jetstream.APIError
	return errors.As(in.stream.Purge(ctx, jetstream.WithPurgeSubject(nothing)), &fault)
}

// reopen starts the server anew after a write has failed.
func (b *Bus) reopen(ctx context.Context, failed *inner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.in != failed {
		return
	}
	b.opt.Log.Warn("the bus takes nothing any more, for a write has failed; opening it again")
	failed.close()
	in, err := b.start(ctx)
	if err != nil {
		b.opt.Log.Error("opening the bus again", "error", err)
		return
	}
	b.in = in
}

// Last returns the number of the newest block, 0 for an empty bus, and the
// bytes on disk.
func (b *Bus) Last(ctx context.Context) (seq, size uint64, err error) {
	info, err := b.current().stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("bus: %w", err)
	}
	return info.State.LastSeq, info.State.Bytes, nil
}

// Made is when the stream was made. The numbers of blocks mean nothing on a
// stream that was made at another time.
func (b *Bus) Made() time.Time { return b.current().stream.CachedInfo().Created }

func (b *Bus) current() *inner {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.in
}

// Release drops all blocks up to and with seq: every reader is done with them.
func (b *Bus) Release(ctx context.Context, upto uint64) error {
	if err := b.current().stream.Purge(ctx, jetstream.WithPurgeSequence(upto+1)); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}

// Consume calls fn for each block after a place, in order, until ctx is done. fn
// must not change the block, which it shares with other readers.
// An error of fn is tried again, at first soon, then every five seconds. A
// block that is damaged is logged, and handed on as one that is unreadable.
func (b *Bus) Consume(ctx context.Context, after uint64, fn func(seq uint64, block *holdfast.Block) error) error {
	defer b.recent.reading()()
	read := b.consume
	if b.opt.URL != "" {
		read = b.follow
	}
	for ctx.Err() == nil {
		if err := read(ctx, &after, fn); err != nil && ctx.Err() == nil {
			b.opt.Log.Warn("reading the bus", "after", after, "error", err)
			wait(ctx, 200*time.Millisecond)
		}
	}
	return ctx.Err()
}

func (b *Bus) consume(ctx context.Context, after *uint64, fn func(uint64, *holdfast.Block) error) error {
	c, err := b.current().js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *after + 1,
	})
	if err != nil {
		return err
	}
	msgs, err := c.Messages(jetstream.PullMaxMessages(64))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, msgs.Stop)
	defer func() { stop(); msgs.Stop() }()
	for {
		m, err := msgs.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		seq := meta.Sequence.Stream
		if seq <= *after {
			continue
		}
		if err := b.deliver(ctx, seq, m.Data(), fn); err != nil {
			return err
		}
		*after = seq
	}
}

// deliver calls fn with a block until it is taken.
func (b *Bus) deliver(ctx context.Context, seq uint64, data []byte, fn func(uint64, *holdfast.Block) error) error {
	block, err := b.unpack(data)
	if err != nil {
		b.opt.Log.Error("a block on the bus is damaged: its events are lost, and `holdfast store verify` names it from now on", "seq", seq, "error", err)
		block = &holdfast.Block{Unreadable: true}
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		if err = fn(seq, block); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.opt.Log.Warn("a block waits", "seq", seq, "error", err)
		wait(ctx, pause)
	}
}

func (b *Bus) unpack(data []byte) (*holdfast.Block, error) {
	if block := b.recent.take(data); block != nil {
		return block, nil
	}
	plain, err := b.dec.DecodeAll(data, nil)
	if err != nil {
		return nil, err
	}
	block := &holdfast.Block{}
	return block, block.UnmarshalBinary(plain)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
