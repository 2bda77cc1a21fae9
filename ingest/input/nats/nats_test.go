package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/nats"
	"holdfast/internal/clock"
)

type sink struct {
	mu    sync.Mutex
	seen  map[holdfast.EventID]string
	after func() error
	full  chan struct{} // closed when want are seen
	want  int
}

func newSink(want int) *sink {
	return &sink{seen: map[holdfast.EventID]string{}, full: make(chan struct{}), want: want}
}

func (s *sink) Put(_ context.Context, records []holdfast.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range records {
		r := &records[i]
		s.seen[holdfast.NewEventID(r.Source, r.Position, r.Raw, 0)] = string(r.Raw)
	}
	if s.after != nil {
		return s.after()
	}
	if len(s.seen) >= s.want {
		select {
		case <-s.full:
		default:
			close(s.full)
		}
	}
	return nil
}

func serve(t *testing.T) (url string, conn *natsgo.Conn) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server did not come up")
	}
	conn, err = natsgo.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return s.ClientURL(), conn
}

func start(t *testing.T, url string, s *sink, options map[string]string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- nats.Input().Run(ctx, input.Config{Kind: "nats", Where: url, Options: options},
			input.Env{Sink: s, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestStream ends the reader between Put and the acknowledgement, and finds
// every line once with the next one.
func TestStream(t *testing.T) {
	url, conn := serve(t)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	st, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "logs", Subjects: []string{"logs.>"}})
	if err != nil {
		t.Fatal(err)
	}
	// A consumer that gives again soon what was not acknowledged.
	_, err = st.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "mine", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxAckPending: 2000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if _, err := js.Publish(t.Context(), "logs.a", fmt.Appendf(nil, "a %d\nb %d\n", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	s := newSink(2000)
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() { close(killed) })
	s.after = func() error { kill(); return errors.New("killed") }
	stop := start(t, url, s, map[string]string{"stream": "logs", "consumer": "mine"})
	<-killed
	stop()
	if len(s.seen) == 0 || len(s.seen) == 2000 {
		t.Fatalf("%d lines before the end", len(s.seen))
	}
	before := s.seen
	s = newSink(2000)
	stop = start(t, url, s, map[string]string{"stream": "logs", "consumer": "mine"})
	defer stop()
	<-s.full
	stop()
	for id := range before {
		if s.seen[id] == "" {
			t.Fatal("read again, a line has another id")
		}
	}
	if len(s.seen) != 2000 {
		t.Errorf("%d lines, want 2000", len(s.seen))
	}
}

func TestSubject(t *testing.T) {
	url, conn := serve(t)
	s := newSink(1)
	stop := start(t, url, s, map[string]string{"subject": "logs"})
	defer stop()
	for { // until it listens
		if err := conn.Publish("logs", []byte("one")); err != nil {
			t.Fatal(err)
		}
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.full:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
