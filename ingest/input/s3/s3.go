// Package s3 reads objects of S3, or of what speaks like it, as notifications in
// an SQS queue name them. Retrying what cannot be read is left to the queue and
// its dead-letter policy, reading the records to the parsers.
package s3

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"holdfast"
	"holdfast/ingest/input"
)

const (
	defaultWorkers    = 2
	defaultVisibility = 2 * time.Minute
	maxSecret         = 4 << 10
)

// Input describes the input.
func Input() input.Input {
	return input.Input{
		Name:  "s3",
		Title: "Objects of S3, named by SQS",
		Description: "Waits at an SQS queue for notifications of new objects, alone, wrapped by SNS or from EventBridge, and reads the objects: " +
			"plain, gzip or zstd; lines, CloudTrail's list of records, tables of flow logs, and what CloudWatch Logs delivers. " +
			"A notification is removed once all of its objects are durable.",
		References: []string{
			"https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html",
			"https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html",
			"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html",
			"https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html",
		},
		Options: map[string]string{
			"region":      "the region, if the queue's address does not say it",
			"endpoint":    "where S3 and SQS are, for what only speaks like them: http://127.0.0.1:9000",
			"path-style":  "true puts the bucket into the path instead of the host's name",
			"access-key":  "the id of an access key; without one the credentials of the environment, the profile or the machine are taken",
			"secret-file": "the file that holds the secret of access-key",
			"workers":     "how many notifications are read at once, 2 unless told otherwise",
			"visibility":  "seconds for which a notification is hidden from others, and by which that is extended while it is read; 120 unless told otherwise",
		},
		Example: input.Config{Kind: "s3", Where: "https://sqs.eu-central-1.amazonaws.com/123456789012/holdfast"},
		Check:   func(cfg input.Config) error { _, err := read(cfg); return err },
		Run:     run,
	}
}

type options struct {
	region, endpoint      string
	pathStyle             bool
	accessKey, secretFile string
	workers               int
	visibility            time.Duration
}

func read(cfg input.Config) (options, error) {
	o := options{workers: defaultWorkers, visibility: defaultVisibility}
	u, err := url.Parse(cfg.Where)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(u.Path) < 2 {
		return o, fmt.Errorf("s3: %q is no address of a queue; write it as https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE: %w", cfg.Where, holdfast.ErrInvalid)
	}
	if parts := strings.Split(u.Hostname(), "."); len(parts) > 3 && parts[0] == "sqs" {
		o.region = parts[1]
	}
	for name, value := range cfg.Options {
		if err := o.set(name, value); err != nil {
			return o, fmt.Errorf("s3: %w: %w", err, holdfast.ErrInvalid)
		}
	}
	switch {
	case (o.accessKey == "") != (o.secretFile == ""):
		return o, fmt.Errorf("s3: access-key and secret-file go together: %w", holdfast.ErrInvalid)
	case o.region == "":
		return o, fmt.Errorf("s3: the queue's address says no region; give it as option region: %w", holdfast.ErrInvalid)
	}
	return o, nil
}

func (o *options) set(name, value string) (err error) {
	number := func(low, high int) int {
		n, bad := strconv.Atoi(value)
		if bad != nil || n < low || n > high {
			err = fmt.Errorf("option %s is %d to %d, not %q", name, low, high, value)
		}
		return n
	}
	switch name {
	case "region":
		o.region = value
	case "endpoint":
		u, bad := url.Parse(value)
		if bad != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("option endpoint is an address such as http://127.0.0.1:9000, not %q", value)
		}
		o.endpoint = value
	case "path-style":
		if o.pathStyle, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("option path-style is true or false, not %q", value)
		}
	case "access-key":
		o.accessKey = value
	case "secret-file":
		o.secretFile = value
	case "workers":
		o.workers = number(1, 16)
	case "visibility":
		o.visibility = time.Duration(number(3, 43200)) * time.Second
	default:
		return fmt.Errorf("there is no option %q, only region, endpoint, path-style, access-key, secret-file, workers and visibility", name)
	}
	return err
}

// connect makes the clients. It does not speak to anybody yet.
func connect(ctx context.Context, o *options) (*s3.Client, *sqs.Client, error) {
	load := []func(*config.LoadOptions) error{config.WithRegion(o.region)}
	if o.accessKey != "" {
		info, err := os.Stat(o.secretFile)
		if err == nil && info.Size() > maxSecret {
			err = fmt.Errorf("%s: %w", o.secretFile, holdfast.ErrTooLarge)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("secret-file: %w", err)
		}
		secret, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, nil, fmt.Errorf("secret-file: %w", err)
		}
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(o.accessKey, strings.TrimSpace(string(secret)), "")))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	// A store that only speaks like S3 may not know the newer checksums.
	c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	files := s3.NewFromConfig(c, func(x *s3.Options) {
		x.UsePathStyle = o.pathStyle
		if o.endpoint != "" {
			x.BaseEndpoint = aws.String(o.endpoint)
		}
	})
	queue := sqs.NewFromConfig(c, func(x *sqs.Options) {
		if o.endpoint != "" {
			x.BaseEndpoint = aws.String(o.endpoint)
		}
	})
	return files, queue, nil
}
