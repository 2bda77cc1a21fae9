package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
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

// look is how often a reader that has read everything asks for more.
const look = 50 * time.Millisecond

// follow asks the leader of the stream for one block after the other. It keeps
// no consumer on the servers, which would die with the server that has it.
func (b *Bus) follow(ctx context.Context, after *uint64, fn func(uint64, *holdfast.Block) error) error {
	for {
		one, stop := context.WithTimeout(ctx, try)
		m, err := b.current().stream.GetMsg(one, *after+1, jetstream.WithGetMsgSubject(subject))
		stop()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, jetstream.ErrMsgNotFound):
			wait(ctx, look)
			continue
		case err != nil:
			return err
		}
		if err := b.deliver(ctx, m.Sequence, m.Data, fn); err != nil {
			return err
		}
		*after = m.Sequence
	}
}

// noStorage is JSStorageResourcesExceededErr of the server's list of errors.
const noStorage = 10047
