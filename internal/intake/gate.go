// Package intake is what all ways in over HTTP share: who sends, how much at
// once, how much a day, and how a body is unpacked and parted. What stands in a
// body, and how a sender is answered, is left to each way in.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

const (
	// maxVisits bounds the requests under way at once, maxOfSender those of one
	// sender, so that none takes all places.
	maxVisits   = 96
	maxOfSender = 32
	// readTime is how long a request may take to arrive.
	readTime = 2 * time.Minute
)

// Sink takes records; Put returns once they are durable. It keeps what is in them,
// not the slice.
type Sink interface {
	Put(ctx context.Context, records []holdfast.Record) error
}

// Sender is who a token stands for.
type Sender struct {
	Name  string
	ID    string  // of the token: what limits are counted by
	Rate  float64 // records a second; 0 is no limit
	Quota int64   // bytes a day; 0 is no limit
}

// ErrBusy says that too many requests are under way.
var ErrBusy = errors.New("too many requests are under way")

// ErrAway says that it cannot be looked up just now who sends. It is an ErrBusy too:
// the same request is to be sent again, and no token is called wrong meanwhile.
var ErrAway error = away{}

type away struct{}

func (away) Error() string { return "who sends cannot be looked up just now; send it again" }

func (away) Is(target error) bool { return target == ErrBusy }

// ErrUnknown says that a token was sent, and nobody knows it.
var ErrUnknown = errors.New("this token is not known; `holdfast inputs token NAME` makes one")

// Told is what a sender hears who is not let in for lack of a valid token: that the
// one it sent is not known, or else how to send one.
func Told(err error, how string) string {
	if errors.Is(err, ErrUnknown) {
		return ErrUnknown.Error()
	}
	return how
}

// Options are what a gate is given.
type Options struct {
	Sink Sink
	// Refused is told of records that a limit turned away. May be nil.
	Refused func([]holdfast.Record)
	// Room returns an error when nothing more can be taken. May be nil.
	Room func() error
	// Authorise names the sender of a secret, or gives an error that wraps
	// holdfast.ErrForbidden for one that may not send, or ErrAway while it cannot
	// be looked up; any other error means that the secret is not valid.
	Authorise func(ctx context.Context, secret string) (Sender, error)
	// AckKey proves what was acknowledged, and should outlive the process. One that
	// does not is made if there is none.
	AckKey []byte
	Clock  clock.Clock
	Log    *slog.Logger
}

// Gate lets senders in. It may be used from many goroutines.
type Gate struct {
	Options
	meter   meter
	run     string
	next    atomic.Uint64
	batches sync.Pool // of []holdfast.Record

	mu  sync.Mutex
	all int
	by  map[string]int
}

// New returns a gate that all ways in of one server share.
func New(o Options) *Gate {
	if len(o.AckKey) == 0 {
		o.AckKey = []byte(holdfast.NewID("ack"))
	}
	return &Gate{Options: o, run: holdfast.NewID("req"), by: map[string]int{}, meter: meter{by: map[string]*spent{}}}
}

// Visit is one request that was let in. It must be left.
type Visit struct {
	Sender
	gate *Gate
	once sync.Once
}

// Known says who a request comes from, without taking a place.
func (g *Gate) Known(r *http.Request) (Sender, error) {
	return g.identify(r.Context(), r.Header.Get("Authorization"))
}

// identify names the sender of an Authorization header.
func (g *Gate) identify(ctx context.Context, header string) (Sender, error) {
	secret := Secret(header)
	s, err := g.Authorise(ctx, secret)
	if err != nil && secret != "" && !errors.Is(err, holdfast.ErrForbidden) && !errors.Is(err, ErrBusy) {
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return s, err
}

// Enter lets a request in, with the secret of its Authorization header.
func (g *Gate) Enter(w http.ResponseWriter, r *http.Request) (*Visit, error) {
	v, err := g.EnterWith(r.Context(), r.Header.Get("Authorization"))
	if err == nil {
		// Not every writer can; then the server's own limits hold.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	}
	return v, err
}

// EnterWith lets in what comes with an Authorization header.
func (g *Gate) EnterWith(ctx context.Context, header string) (*Visit, error) {
	s, err := g.identify(ctx, header)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= maxVisits || g.by[s.ID] >= maxOfSender {
		return nil, ErrBusy
	}
	g.all++
	g.by[s.ID]++
	return &Visit{Sender: s, gate: g}, nil
}

// Leave gives the place back.
func (v *Visit) Leave() {
	v.once.Do(func() {
		g := v.gate
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all--
		if g.by[v.ID]--; g.by[v.ID] <= 0 {
			delete(g.by, v.ID)
		}
	})
}

// Key returns what makes the positions of one request's records, unlike any
// other.
func (g *Gate) Key() string { return g.run + ":" + strconv.FormatUint(g.next.Add(1), 10) }

// Later says that a limit was reached, and when to try again. It wraps
// holdfast.ErrFull.
type Later struct {
	Why string
	In  time.Duration
}

func (e *Later) Error() string { return e.Why }

// Unwrap lets errors.Is(e, holdfast.ErrFull) hold.
func (e *Later) Unwrap() error { return holdfast.ErrFull }

// RetryAfter is how many seconds a sender should wait after an error of Put.
func RetryAfter(err error) int {
	var l *Later
	switch {
	case errors.As(err, &l):
		return max(1, int(math.Ceil(l.In.Seconds())))
	case errors.Is(err, holdfast.ErrFull):
		return 5
	}
	return 1
}

// Said is what a sender hears of an error of Put: nothing of our insides.
func Said(err error) string {
	var l *Later
	switch {
	case errors.As(err, &l):
		return l.Why
	case errors.Is(err, holdfast.ErrFull):
		return "there is no room for more events; send the same again later"
	}
	return "the records could not be stored; send the same again later"
}

// Put makes records durable, within the sender's limits. Its errors are of our
// side: those that wrap holdfast.ErrFull mean later.
func (v *Visit) Put(ctx context.Context, records []holdfast.Record) error {
	g := v.gate
	bytes := int64(0)
	for i := range records {
		bytes += int64(len(records[i].Raw))
	}
	if err := g.meter.take(v.Sender, len(records), bytes, g.Clock.Now()); err != nil {
		if g.Refused != nil {
			g.Refused(records)
		}
		return &PutError{err}
	}
	if err := g.Sink.Put(ctx, records); err != nil {
		g.meter.giveBack(v.Sender, len(records), bytes)
		if !errors.Is(err, holdfast.ErrFull) {
			g.Log.Warn("records were not taken", "sender", v.Name, "error", err)
		}
		return &PutError{err}
	}
	return nil
}

// PutError is a failure on our side, not of what was sent.
type PutError struct{ Err error }

func (e *PutError) Error() string { return fmt.Sprintf("storing: %v", e.Err) }

// Unwrap returns what went wrong.
func (e *PutError) Unwrap() error { return e.Err }
