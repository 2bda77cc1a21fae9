package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"holdfast"
)

const (
	// replicasOfThree is how many nodes of a cluster keep each block.
	replicasOfThree = 3
	// leastPayload is the largest message that a cluster must take: a full block
	// that does not compress.
	leastPayload = 32 << 20
	// try is how long one node has to acknowledge, and patience how long a block
	// is offered: a new leader is elected within a few seconds.
	try      = 3 * time.Second
	patience = 20 * time.Second
)

// parse reads nats://a:4222,b:4222,c:4222?replicas=3. Without replicas, three
// nodes keep each block if three or more are named, else one does.
func parse(text string) (servers []string, replicas int, err error) {
	rest, query, _ := strings.Cut(text, "?")
	scheme, hosts, ok := strings.Cut(rest, "://")
	q, qerr := url.ParseQuery(query)
	if !ok || scheme != "nats" && scheme != "tls" || hosts == "" || qerr != nil {
		return nil, 0, fmt.Errorf("the bus's address should look like nats://a:4222,b:4222,c:4222: %w", holdfast.ErrInvalid)
	}
	for h := range strings.SplitSeq(hosts, ",") {
		servers = append(servers, scheme+"://"+strings.TrimSpace(h))
	}
	replicas = 1
	if len(servers) >= replicasOfThree {
		replicas = replicasOfThree
	}
	if v := q.Get("replicas"); v != "" {
		if replicas, err = strconv.Atoi(v); err != nil || replicas != 1 && replicas != 3 && replicas != 5 {
			return nil, 0, fmt.Errorf("replicas are 1, 3 or 5, not %q: %w", v, holdfast.ErrInvalid)
		}
	}
	return servers, replicas, nil
}

// CheckAddress says what is wrong with the address of a cluster.
func CheckAddress(text string) error {
	_, _, err := parse(text)
	return err
}

// join connects to a cluster and makes the stream there.
func join(ctx context.Context, o Options) (*inner, error) {
	servers, replicas, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	in := &inner{}
	in.conn, err = nats.Connect(strings.Join(servers, ","), nats.Name("holdfast"), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
		nats.Timeout(3*time.Second), nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2), nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, fmt.Errorf("the bus at %s: %w; are the servers up?", strings.Join(servers, ","), err)
	}
	if most := in.conn.MaxPayload(); most < leastPayload {
		in.conn.Close()
		return nil, fmt.Errorf("the NATS servers take messages of %d bytes, and blocks need %d; set max_payload: 64MB in their configuration: %w", most, leastPayload, holdfast.ErrRefused)
	}
	// The servers may just have started, without a leader yet.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		one, stop := context.WithTimeout(ctx, try)
		err = in.open(one, replicas)
		stop()
		if err == nil {
			return in, nil
		}
		wait(ctx, 300*time.Millisecond)
		if ctx.Err() != nil {
			in.conn.Close()
			return nil, fmt.Errorf("the bus at %s: %w; is JetStream on, and are %d servers up?", strings.Join(servers, ","), err, replicas)
		}
	}
}

// publish offers a block until it is taken, for as long as a change of leader
// may last. The id makes sure that it is there once.
func (in *inner) publish(ctx context.Context, id string, packed []byte) (uint64, bool, error) {
	if most := in.conn.MaxPayload(); int64(len(packed)) > most-1<<10 {
		return 0, false, fmt.Errorf("a block of %d bytes packed, where the servers take %d: %w", len(packed), most, holdfast.ErrTooLarge)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tries, pause := 1, 50*time.Millisecond; ; tries, pause = tries+1, min(2*pause, time.Second) {
		one, stop := context.WithTimeout(ctx, try)
		ack, err := in.js.PublishMsg(one, &nats.Msg{Subject: subject, Data: packed}, jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0))
		stop()
		if err == nil {
			return ack.Sequence, ack.Duplicate && tries == 1, nil // else it is most likely our own, unanswered
		}
		var refused *jetstream.APIError
		if errors.As(err, &refused) && refused.ErrorCode == noStorage {
			return 0, false, fmt.Errorf("bus: %w: %w", err, holdfast.ErrFull)
		}
		wait(ctx, pause)
		if ctx.Err() != nil {
			return 0, false, fmt.Errorf("bus: %w", err)
		}
	}
}

const (
	// A server says so often that it is there; a reader looks for another one
	// after two times of silence.
	heartbeat = time.Second
	// stuck is how long a reader may stand still where there is more to read.
	stuck = 4 * time.Second
)

// pulling are the options of a reader.
func (b *Bus) pulling() []jetstream.PullMessagesOpt {
	if b.opt.URL == "" {
		return nil
	}
	return []jetstream.PullMessagesOpt{jetstream.PullExpiry(5 * time.Second), jetstream.PullHeartbeat(heartbeat)}
}

// reached is how far a reader has come.
type reached struct {
	seq  atomic.Uint64
	busy atomic.Bool // a block is being worked on, which may take any time
}

func newReached(seq uint64) *reached {
	r := &reached{}
	r.seq.Store(seq)
	return r
}

func (r *reached) begin() { r.busy.Store(true) }

func (r *reached) set(seq uint64) {
	r.seq.Store(seq)
	r.busy.Store(false)
}

// watch stops a reader of a cluster that stands still although there are more
// blocks, as happens when the server that fed it dies at a bad moment; it is
// then begun anew. The watch ends with the context.
func (b *Bus) watch(ctx context.Context, r *reached, stop func()) {
	if b.opt.URL == "" {
		return
	}
	go func() {
		for before := r.seq.Load(); ; {
			wait(ctx, stuck)
			if ctx.Err() != nil {
				return
			}
			at := r.seq.Load()
			if at == before && !r.busy.Load() {
				one, done := context.WithTimeout(ctx, try)
				last, _, err := b.Last(one)
				done()
				if err == nil && last > at && r.seq.Load() == at && !r.busy.Load() {
					b.opt.Log.Warn("the reader of the bus stands still and is begun anew", "at", at, "last", last)
					stop()
					return
				}
			}
			before = at
		}
	}()
}

// noStorage is JSStorageResourcesExceededErr of the server's list of errors.
const noStorage = 10047
