// Package kafka takes the messages of Kafka topics as a member of a consumer
// group. The group's offsets are the position; reading the records is left to
// the parsers.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

const (
	maxPoll   = 2000
	maxFetch  = 32 << 20
	maxSecret = 4 << 10
)

// Input describes the input.
func Input() input.Input {
	return input.Input{
		Name:        "kafka",
		Title:       "Kafka",
		Description: "Takes one record from each message of the topics, as a member of a consumer group, and commits the group's offsets once they are durable. A new group starts at the oldest message.",
		References:  []string{"https://kafka.apache.org/documentation/#consumerconfigs", "https://kafka.apache.org/protocol.html"},
		Options: map[string]string{
			"topics":        "the topics, with commas between them",
			"group":         "the consumer group, holdfast unless told otherwise",
			"tls":           "true for TLS, by the system's certificates",
			"mechanism":     "plain, scram-sha-256 or scram-sha-512 (the default), if there is a user",
			"user":          "the user's name",
			"password-file": "the file that holds the password",
		},
		Example: input.Config{Kind: "kafka", Where: "127.0.0.1:9092", Options: map[string]string{"topics": "logs"}},
		Check:   func(cfg input.Config) error { _, err := read(cfg); return err },
		Run:     run,
	}
}

type options struct {
	seeds, topics                        []string
	group, mechanism, user, passwordFile string
	tls                                  bool
}

func read(cfg input.Config) (options, error) {
	o := options{group: "holdfast", mechanism: "scram-sha-512", seeds: strings.Split(cfg.Where, ",")}
	for _, s := range o.seeds {
		if host, _, err := net.SplitHostPort(s); err != nil || host == "" {
			return o, fmt.Errorf("kafka: %q is no address of a broker; write it as 127.0.0.1:9092, several with commas: %w", s, holdfast.ErrInvalid)
		}
	}
	for name, value := range cfg.Options {
		switch name {
		case "topics":
			o.topics = strings.Split(value, ",")
		case "group":
			o.group = value
		case "tls":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return o, fmt.Errorf("kafka: option tls is true or false, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.tls = on
		case "mechanism":
			o.mechanism = value
		case "user":
			o.user = value
		case "password-file":
			o.passwordFile = value
		default:
			return o, fmt.Errorf("kafka: there is no option %q, only topics, group, tls, mechanism, user and password-file: %w", name, holdfast.ErrInvalid)
		}
	}
	switch {
	case len(o.topics) == 0 || slices.Contains(o.topics, "") || o.group == "":
		return o, fmt.Errorf("kafka: name the topics (option topics) and no empty group: %w", holdfast.ErrInvalid)
	case !slices.Contains([]string{"plain", "scram-sha-256", "scram-sha-512"}, o.mechanism):
		return o, fmt.Errorf("kafka: option mechanism is plain, scram-sha-256 or scram-sha-512, not %q: %w", o.mechanism, holdfast.ErrInvalid)
	case (o.user == "") != (o.passwordFile == ""):
		return o, fmt.Errorf("kafka: user and password-file go together: %w", holdfast.ErrInvalid)
	}
	return o, nil
}

func (o *options) client() (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.seeds...), kgo.ConsumeTopics(o.topics...), kgo.ConsumerGroup(o.group), kgo.ClientID("holdfast"),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.FetchMaxBytes(maxFetch), kgo.BrokerMaxReadBytes(2 * maxFetch),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if o.tls {
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if o.user != "" {
		password, err := secret(o.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("password-file: %w", err)
		}
		switch o.mechanism {
		case "plain":
			opts = append(opts, kgo.SASL(plain.Auth{User: o.user, Pass: password}.AsMechanism()))
		case "scram-sha-256":
			opts = append(opts, kgo.SASL(scram.Auth{User: o.user, Pass: password}.AsSha256Mechanism()))
		default:
			opts = append(opts, kgo.SASL(scram.Auth{User: o.user, Pass: password}.AsSha512Mechanism()))
		}
	}
	return kgo.NewClient(opts...)
}

func secret(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return strings.TrimSpace(string(b)), err
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	opt, err := read(cfg)
	if err != nil {
		return err
	}
	source, last := "kafka:"+cfg.Where, ""
	note := func(trouble string) {
		if trouble != last && env.Note != nil {
			env.Note(source, trouble)
		}
		last = trouble
	}
	for ctx.Err() == nil {
		err := session(ctx, &opt, cfg, env, note)
		if ctx.Err() != nil {
			break
		}
		note("cannot read: " + err.Error() + "; it is tried again")
		intake.Wait(ctx, 2*time.Second)
	}
	return nil
}

// session is one membership in the group. After a Put that failed it ends
// without a commit, so that the next one reads the same again.
func session(ctx context.Context, opt *options, cfg input.Config, env input.Env, note func(string)) error {
	client, err := opt.client()
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	for {
		got := client.PollRecords(ctx, maxPoll)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		trouble := ""
		got.EachError(func(topic string, _ int32, err error) {
			trouble = fmt.Sprintf("cannot read topic %s: %v", topic, err)
		})
		note(trouble)
		messages := got.Records()
		if len(messages) > 0 {
			if err := intake.PutWhenRoom(ctx, env.Sink, records(messages, cfg, env.Clock.Now()), nil); err != nil {
				return err
			}
			if err := client.CommitRecords(ctx, messages...); err != nil {
				return fmt.Errorf("commit: %w", err)
			}
		}
		client.AllowRebalance()
		if trouble != "" {
			intake.Wait(ctx, time.Second)
		}
	}
}

// records makes records of each message: one, in pieces if it is long, or those of
// the list that it is. Topic, partition and offset are its place.
func records(messages []*kgo.Record, cfg input.Config, now time.Time) []holdfast.Record {
	out := make([]holdfast.Record, 0, len(messages))
	for _, m := range messages {
		out = intake.Message(out, m.Value, holdfast.Record{
			Source: "kafka:" + m.Topic, Position: strconv.Itoa(int(m.Partition)) + ":" + strconv.FormatInt(m.Offset, 10), Dataset: cfg.Dataset, Received: now,
		}, false, input.MaxRecord)
	}
	return out
}
