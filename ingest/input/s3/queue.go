package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// reader is one running input.
type reader struct {
	queueURL string
	source   string
	opt      options
	cfg      input.Config
	env      input.Env
	files    *s3.Client
	queue    *sqs.Client

	poison atomic.Int64 // messages that were left to the queue's policy
	mu     sync.Mutex
	last   string
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	opt, err := read(cfg)
	if err != nil {
		return err
	}
	files, queue, err := connect(ctx, &opt)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	r := &reader{queueURL: cfg.Where, source: "s3:" + cfg.Where, opt: opt, cfg: cfg, env: env, files: files, queue: queue}
	var all sync.WaitGroup
	for range opt.workers {
		all.Go(func() { r.work(ctx) })
	}
	all.Wait()
	return nil
}

// work takes one message after the other.
func (r *reader) work(ctx context.Context) {
	for ctx.Err() == nil {
		got, err := r.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &r.queueURL, MaxNumberOfMessages: 1, WaitTimeSeconds: 20,
			VisibilityTimeout: int32(r.opt.visibility / time.Second),
		})
		if err != nil {
			if ctx.Err() == nil {
				r.note("cannot ask the queue: " + err.Error() + "; look at its address and the right sqs:ReceiveMessage")
				intake.Wait(ctx, 5*time.Second)
			}
			continue
		}
		if r.poison.Load() == 0 {
			r.note("")
		}
		for i := range got.Messages {
			r.message(ctx, &got.Messages[i])
		}
	}
}

// message reads all objects that one message names, and removes it once they are
// durable. What cannot be read is left where it is: the queue gives it again,
// and moves it to its dead-letter queue when it was given too often.
func (r *reader) message(ctx context.Context, m *types.Message) {
	if m.ReceiptHandle == nil {
		return
	}
	err := r.held(ctx, m, func(ctx context.Context) error {
		list, err := objects(aws.ToString(m.Body))
		if err != nil {
			return err
		}
		for _, o := range list {
			if strings.Contains(o.key, "/CloudTrail-Digest/") {
				continue // hashes of log files, no events
			}
			if err := r.object(ctx, o); err != nil {
				return fmt.Errorf("object %s of bucket %s: %w", o.key, o.bucket, err)
			}
		}
		return nil
	})
	if err == nil {
		_, err = r.queue.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &r.queueURL, ReceiptHandle: m.ReceiptHandle})
		if err != nil && ctx.Err() == nil {
			r.note("cannot remove a message that was read, it will be read again: " + err.Error())
		}
		if err == nil {
			r.note("")
		}
		return
	}
	if ctx.Err() != nil {
		return
	}
	n := r.poison.Add(1)
	r.env.Log.Warn("a message was left in the queue", "message", aws.ToString(m.MessageId), "error", err)
	r.note(fmt.Sprintf("%d messages could not be read and were left to the queue's dead-letter policy; the last, %s: %v", n, aws.ToString(m.MessageId), err))
}

// held calls do, and keeps the message hidden from others for as long. If that
// fails, do is told to stop: another reader may have the message by then.
func (r *reader) held(ctx context.Context, m *types.Message, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var extending sync.WaitGroup
	extending.Go(func() {
		for intake.Wait(ctx, r.opt.visibility/3) {
			_, err := r.queue.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
				QueueUrl: &r.queueURL, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(r.opt.visibility / time.Second),
			})
			if err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("cannot hold the message any longer: %w", err))
			}
		}
	})
	err := do(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cancel(nil)
	extending.Wait()
	return err
}

// put hands records on, and waits while there is no room.
func (r *reader) put(ctx context.Context, records []holdfast.Record) error {
	for {
		err := r.env.Sink.Put(ctx, records)
		if !errors.Is(err, holdfast.ErrFull) {
			return err
		}
		if !intake.Wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

func (r *reader) note(trouble string) {
	r.mu.Lock()
	same := r.last == trouble
	r.last = trouble
	r.mu.Unlock()
	if !same && r.env.Note != nil {
		r.env.Note(r.source, trouble)
	}
}
