// Package nats takes the messages of a consumer of NATS JetStream, or of a plain
// subject. Splitting them into records is by lines; reading these is left to the
// parsers.
package nats

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

const (
	maxPull    = 500
	maxPending = 64 << 20 // bytes of a plain subject that may wait here
)

// Input describes the input.
func Input() input.Input {
	return input.Input{
		Name:  "nats",
		Title: "NATS",
		Description: "Takes one or more lines from each message. With a stream it uses a durable consumer of JetStream and acknowledges a message once it is durable here; " +
			"with a subject it takes what is sent while it listens.",
		References: []string{"https://docs.nats.io/nats-concepts/jetstream/consumers", "https://docs.nats.io/reference/reference-protocols/nats-protocol"},
		Options: map[string]string{
			"stream":      "the stream of JetStream to read",
			"consumer":    "the durable consumer's name, holdfast unless told otherwise; it is made if it is not there",
			"subject":     "the subject: alone, or to choose from the stream when the consumer is made",
			"queue":       "the queue group that shares a plain subject",
			"credentials": "the file that holds the credentials (.creds)",
		},
		Lossy:   "a plain subject keeps nothing while nobody listens; name a stream to lose nothing",
		Example: input.Config{Kind: "nats", Where: "nats://127.0.0.1:4222", Options: map[string]string{"stream": "logs"}},
		Check:   check,
		Run:     run,
	}
}

func check(cfg input.Config) error {
	u, err := url.Parse(cfg.Where)
	if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
		return fmt.Errorf("nats: %q is no address of a server; write it as nats://127.0.0.1:4222: %w", cfg.Where, holdfast.ErrInvalid)
	}
	if u.User != nil {
		return fmt.Errorf("nats: give credentials as a file (option credentials), not in the address: %w", holdfast.ErrInvalid)
	}
	for name := range cfg.Options {
		switch name {
		case "stream", "consumer", "subject", "queue", "credentials":
		default:
			return fmt.Errorf("nats: there is no option %q, only stream, consumer, subject, queue and credentials: %w", name, holdfast.ErrInvalid)
		}
	}
	o := cfg.Options
	switch {
	case o["stream"] == "" && o["subject"] == "":
		return fmt.Errorf("nats: name a stream or a subject: %w", holdfast.ErrInvalid)
	case o["stream"] != "" && o["queue"] != "":
		return fmt.Errorf("nats: option queue is for a plain subject; readers of a stream share its consumer: %w", holdfast.ErrInvalid)
	}
	return nil
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	if err := check(cfg); err != nil {
		return err
	}
	source, last := "nats:"+cfg.Where, ""
	note := func(trouble string) {
		if trouble != last && env.Note != nil {
			env.Note(source, trouble)
		}
		last = trouble
	}
	for ctx.Err() == nil {
		err := session(ctx, cfg, env, func() { note("") })
		if ctx.Err() != nil {
			break
		}
		note("cannot read: " + err.Error() + "; it is tried again")
		intake.Wait(ctx, 2*time.Second)
	}
	return nil
}

// session is one connection, as long as it lasts. well is called whenever all is
// well.
func session(ctx context.Context, cfg input.Config, env input.Env, well func()) error {
	opts := []nats.Option{nats.Name("holdfast"), nats.MaxReconnects(0), nats.Timeout(5 * time.Second)}
	if f := cfg.Options["credentials"]; f != "" {
		opts = append(opts, nats.UserCredentials(f))
	}
	conn, err := nats.Connect(cfg.Where, opts...)
	if err != nil {
		return err
	}
	defer conn.Close()
	if cfg.Options["stream"] == "" {
		return plain(ctx, conn, cfg, env, well)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	stream, name := cfg.Options["stream"], cfg.Options["consumer"]
	if name == "" {
		name = "holdfast"
	}
	consumer, err := js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: name, AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: cfg.Options["subject"],
			AckWait: time.Minute, MaxAckPending: 4 * maxPull,
		})
	}
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", name, stream, err)
	}
	for ctx.Err() == nil {
		if err := pull(ctx, conn, consumer, "nats:"+stream, cfg, env); err != nil {
			return err
		}
		well()
	}
	return ctx.Err()
}

// pull takes what is there, puts it, and then acknowledges it.
func pull(ctx context.Context, conn *nats.Conn, c jetstream.Consumer, source string, cfg input.Config, env input.Env) error {
	first, err := c.Next(jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(5*time.Second))
	if err != nil {
		if ctx.Err() == nil && (errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoMessages)) {
			return nil
		}
		return err
	}
	held := []jetstream.Msg{first}
	more, err := c.FetchNoWait(maxPull - 1)
	if err != nil {
		return err
	}
	for m := range more.Messages() {
		held = append(held, m)
	}
	var records []holdfast.Record
	for _, m := range held {
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		records = intake.Message(records, m.Data(), holdfast.Record{
			Source: source, Position: strconv.FormatUint(meta.Sequence.Stream, 10), Dataset: cfg.Dataset, Received: env.Clock.Now(),
		}, true, input.MaxRecord)
	}
	busy := func() {
		for _, m := range held {
			_ = m.InProgress()
		}
	}
	if err := intake.PutWhenRoom(ctx, env.Sink, records, busy); err != nil {
		return err
	}
	for _, m := range held {
		if err := m.Ack(); err != nil {
			return err
		}
	}
	return conn.FlushWithContext(ctx)
}

// plain takes what is sent to a subject.
func plain(ctx context.Context, conn *nats.Conn, cfg input.Config, env input.Env, well func()) error {
	subject := cfg.Options["subject"]
	sub, err := conn.QueueSubscribeSync(subject, cfg.Options["queue"])
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, maxPending); err != nil {
		return err
	}
	session := holdfast.NewID("nats")
	for n := uint64(0); ; {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return err
		}
		well()
		var records []holdfast.Record
		for ok := true; ok; {
			n++
			records = intake.Message(records, m.Data, holdfast.Record{
				Source: "nats:" + subject, Position: session + ":" + strconv.FormatUint(n, 10), Dataset: cfg.Dataset, Received: env.Clock.Now(),
			}, true, input.MaxRecord)
			if waiting, _, err := sub.Pending(); err != nil || waiting == 0 || len(records) >= maxPull {
				break
			}
			m, err = sub.NextMsgWithContext(ctx)
			ok = err == nil
		}
		if err := intake.PutWhenRoom(ctx, env.Sink, records, nil); err != nil {
			return err
		}
	}
}
