package s3

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/ingest/input"
)

const (
	// maxPlain bounds what one object may unpack to.
	maxPlain = 4 << 30
	// maxItem bounds one item of a JSON list, or one delivery of CloudWatch Logs.
	maxItem     = 16 << 20
	maxPut      = 1000
	maxPutBytes = 8 << 20
	maxHeader   = 16 << 10
	peek        = 64 << 10
)

// object reads one object to its end.
func (r *reader) object(ctx context.Context, o object) error {
	in := &s3.GetObjectInput{Bucket: &o.bucket, Key: &o.key}
	if o.version != "" && o.version != "null" {
		in.VersionId = &o.version
	}
	got, err := r.files.GetObject(ctx, in)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	t := &taking{
		source: o.source(), key: o.key, dataset: r.cfg.Dataset, now: r.env.Clock.Now,
		put: func(records []holdfast.Record) error { return r.put(ctx, records) },
	}
	return t.take(got.Body)
}

// taking is one object under way. Its records have the place where they stand in
// the unpacked object, so that reading it again gives the same.
type taking struct {
	source, key, dataset string
	now                  func() time.Time
	put                  func([]holdfast.Record) error
	batch                []holdfast.Record
	held                 int
}

// list is the beginning of a list of records, as CloudTrail and Azure write it.
var list = regexp.MustCompile(`^\s*\{\s*"(?:Records|records)"\s*:\s*\[`)

// delivery is the beginning of what CloudWatch Logs hands to a subscriber.
var delivery = regexp.MustCompile(`^\s*\{\s*"(?:messageType|owner)"\s*:\s*"`)

func (t *taking) take(packed io.Reader) error {
	plain, done, err := unpack(packed)
	if err != nil {
		return err
	}
	defer done()
	r := bufio.NewReaderSize(plain, peek)
	head, err := r.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case list.Match(head):
		err = t.list(r)
	case delivery.Match(head) && bytes.Contains(head, []byte(`"logEvents"`)):
		err = t.deliveries(r)
	default:
		err = t.lines(r)
	}
	if err != nil {
		return err
	}
	return t.flush()
}

// unpack tells by the first bytes how the object is packed, not by its name.
func unpack(packed io.Reader) (io.Reader, func(), error) {
	r := bufio.NewReaderSize(packed, peek)
	head, _ := r.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", err)
		}
		return &bounded{z, maxPlain}, func() {}, nil
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		return &bounded{z, maxPlain}, z.Close, nil
	case bytes.HasPrefix(head, []byte("PAR1")):
		return nil, nil, errors.New("it is Parquet, which is not read; choose plain text as the format of the log")
	}
	return &bounded{r, maxPlain}, func() {}, nil
}

// bounded fails, rather than ends, at its limit.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("more than is allowed at once: %w", holdfast.ErrTooLarge)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// list takes the items of the list in a JSON object.
func (t *taking) list(r io.Reader) error {
	room := &bounded{r, maxItem}
	d := json.NewDecoder(room)
	for range 3 { // the brace, the key, the bracket
		if _, err := d.Token(); err != nil {
			return fmt.Errorf("list of records: %w", err)
		}
	}
	for d.More() {
		room.left = maxItem
		at := d.InputOffset()
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("record at byte %d: %w", at, err)
		}
		if err := t.whole(strconv.FormatInt(at, 10), raw); err != nil {
			return err
		}
	}
	room.left = maxItem
	for range 2 { // both ends, so that a list that was cut off is seen
		if _, err := d.Token(); err != nil {
			return fmt.Errorf("end of the list of records: %w", err)
		}
	}
	return nil
}

// deliveries takes the messages out of what CloudWatch Logs delivers, one
// delivery after the other.
func (t *taking) deliveries(r io.Reader) error {
	room := &bounded{r, maxItem}
	d := json.NewDecoder(room)
	for {
		room.left = maxItem
		at := d.InputOffset()
		var one struct {
			Type   string `json:"messageType"`
			Events []struct {
				Message string `json:"message"`
			} `json:"logEvents"`
		}
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("delivery at byte %d: %w", at, err)
		case one.Type != "" && one.Type != "DATA_MESSAGE":
			continue
		}
		for i := range one.Events {
			if err := t.whole(fmt.Sprintf("%d:%d", at, i), []byte(one.Events[i].Message)); err != nil {
				return err
			}
		}
	}
}

// lines takes the object line by line. A table of flow logs gives its header to
// each line, so that a line can be read by itself.
func (t *taking) lines(r *bufio.Reader) error {
	var header []byte
	part := 0
	for at := int64(0); ; {
		line, n, more, err := piece(r)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("line at byte %d: %w", at, err)
		}
		here, number := at, part
		at += n
		if part++; !more {
			part = 0
		}
		if number == 0 && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if here == 0 && !more && len(line) < maxHeader && isTable(line) {
			header = append(line, '\n')
			continue
		}
		if len(header) > 0 && number == 0 && len(header)+len(line) <= input.MaxRecord {
			line = append(bytes.Clone(header), line...)
		}
		if err := t.record(strconv.FormatInt(here, 10), line, number, more); err != nil {
			return err
		}
	}
}

// isTable tells the header of a flow log: names of at least four columns in
// small letters, among them one that every such log has.
func isTable(line []byte) bool {
	names := bytes.Fields(line)
	if len(names) < 4 {
		return false
	}
	known := false
	for _, n := range names {
		for _, c := range n {
			if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return false
			}
		}
		switch string(n) {
		case "srcaddr", "pkt-srcaddr", "interface-id", "account-id":
			known = true
		}
	}
	return known
}

// piece returns a copy of the next line without its end, or of its next
// input.MaxRecord bytes if there are more, and how far it went.
func piece(r *bufio.Reader) (raw []byte, n int64, more bool, err error) {
	for {
		if _, err := r.Peek(1); err != nil {
			if errors.Is(err, io.EOF) && len(raw) > 0 {
				err = nil
			}
			return raw, int64(len(raw)), false, err
		}
		text, _ := r.Peek(r.Buffered())
		i := bytes.IndexByte(text, '\n')
		end := i >= 0
		if !end {
			i = len(text)
		}
		if room := input.MaxRecord - len(raw); i > room {
			raw = append(raw, text[:room]...)
			_, err := r.Discard(room)
			return raw, int64(len(raw)), true, err
		}
		raw = append(raw, text[:i]...)
		n := int64(len(raw))
		if end {
			i, n = i+1, n+1
		}
		if _, err := r.Discard(i); err != nil || end {
			return bytes.TrimSuffix(raw, []byte("\r")), n, false, err
		}
	}
}

// whole takes one record of any length, in pieces if it is long.
func (t *taking) whole(at string, raw []byte) error {
	for part := 0; ; part++ {
		cut := raw[:min(len(raw), input.MaxRecord)]
		raw = raw[len(cut):]
		position := at
		if part > 0 {
			position += ":" + strconv.Itoa(part)
		}
		if err := t.record(position, cut, part, len(raw) > 0); err != nil || len(raw) == 0 {
			return err
		}
	}
}

// record takes one record or a piece of one.
func (t *taking) record(at string, raw []byte, part int, more bool) error {
	t.batch = append(t.batch, holdfast.Record{
		Source: t.source, Position: t.key + ":" + at, Dataset: t.dataset, Received: t.now(),
		Raw: raw, Truncated: more, Part: part,
	})
	t.held += len(raw)
	if len(t.batch) >= maxPut || t.held >= maxPutBytes {
		return t.flush()
	}
	return nil
}

func (t *taking) flush() error {
	if len(t.batch) == 0 {
		return nil
	}
	if err := t.put(t.batch); err != nil {
		return err
	}
	t.batch, t.held = nil, 0
	return nil
}
