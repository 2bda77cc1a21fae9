package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/kafka"
	"holdfast/internal/clock"
)

type sink struct {
	mu    sync.Mutex
	seen  map[holdfast.EventID]string
	after func() error
	full  chan struct{} // closed when want are seen
	want  int
}

func (s *sink) Put(_ context.Context, records []holdfast.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.seen)
	for i := range records {
		r := &records[i]
		s.seen[holdfast.NewEventID(r.Source, r.Position, r.Raw, 0)] = string(r.Raw)
	}
	if s.after != nil {
		return s.after()
	}
	if before < s.want && len(s.seen) >= s.want {
		close(s.full)
	}
	return nil
}

func start(t *testing.T, where string, s *sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- kafka.Input().Run(ctx, input.Config{Kind: "kafka", Where: where, Options: map[string]string{"topics": "logs"}},
			input.Env{Sink: s, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestGroup ends the reader between Put and commit, and finds every message with
// the same id when it reads again.
func TestGroup(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	where := strings.Join(c.ListenAddrs(), ",")
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	const want = 3000
	for i := range want {
		producer.Produce(t.Context(), kgo.StringRecord(fmt.Sprintf("line %d", i)), nil)
	}
	if err := producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := &sink{seen: map[holdfast.EventID]string{}}
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() { close(killed) })
	first.after = func() error { kill(); return errors.New("killed") }
	stop := start(t, where, first)
	<-killed
	stop()
	second := &sink{seen: map[holdfast.EventID]string{}, full: make(chan struct{}), want: want}
	stop = start(t, where, second)
	defer stop()
	<-second.full
	stop()
	if len(first.seen) == 0 {
		t.Error("nothing came before the end")
	}
	for id := range first.seen {
		if second.seen[id] == "" {
			t.Fatal("what was not committed did not come again, or with another id")
		}
	}
	if len(second.seen) != want {
		t.Errorf("%d messages, want %d", len(second.seen), want)
	}
}

// TestListOfRecords reads what Azure's diagnostic settings put into an event hub:
// many records in one message.
func TestListOfRecords(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	message := `{"records": [{"category":"Administrative","n":1}, {"category":"Administrative","n":2}]}`
	if err := producer.ProduceSync(t.Context(), kgo.StringRecord(message), kgo.StringRecord(message)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := &sink{seen: map[holdfast.EventID]string{}, full: make(chan struct{}), want: 4}
	stop := start(t, strings.Join(c.ListenAddrs(), ","), got)
	defer stop()
	<-got.full
	stop()
	for _, raw := range got.seen {
		if raw != `{"category":"Administrative","n":1}` && raw != `{"category":"Administrative","n":2}` {
			t.Error(raw)
		}
	}
}
