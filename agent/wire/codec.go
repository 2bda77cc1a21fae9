package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"holdfast"
)

// Codec writes and reads bodies. The zero value is ready; it may be used from
// many goroutines.
type Codec struct {
	once sync.Once
	enc  *zstd.Encoder
	err  error
}

func (c *Codec) encoder() (*zstd.Encoder, error) {
	c.once.Do(func() {
		c.enc, c.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10))
	})
	return c.enc, c.err
}

// Encode returns v as compressed JSON, or ErrTooLarge if the JSON is over
// limit.
func (c *Codec) Encode(v any, limit int) ([]byte, error) {
	enc, err := c.encoder()
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	if len(b) > limit {
		return nil, fmt.Errorf("%T has %d bytes, the limit is %d: %w", v, len(b), limit, holdfast.ErrTooLarge)
	}
	return enc.EncodeAll(b, nil), nil
}

// Decode reads one compressed JSON value from r into v. Neither the compressed
// nor the plain form may be over limit; unknown fields are left out, so that
// newer agents can speak to older servers; anything after the value is wrong.
func Decode(r io.Reader, v any, limit int) error {
	zr, err := zstd.NewReader(io.LimitReader(r, int64(limit)), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(uint64(limit)+8<<20))
	if err != nil {
		return fmt.Errorf("zstd: %w: %w", err, holdfast.ErrInvalid)
	}
	defer zr.Close()
	plain := &io.LimitedReader{R: zr, N: int64(limit) + 1}
	d := json.NewDecoder(plain)
	err = d.Decode(v)
	if err == nil {
		err = atEnd(d)
	}
	switch {
	case plain.N <= 0:
		return fmt.Errorf("the body is over %d bytes: %w", limit, holdfast.ErrTooLarge)
	case err != nil:
		return fmt.Errorf("body: %w: %w", err, holdfast.ErrInvalid)
	}
	return nil
}

func atEnd(d *json.Decoder) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something follows the value")
		}
		return err
	}
	return nil
}

// DecodeBytes is Decode for a body in memory.
func DecodeBytes(b []byte, v any, limit int) error { return Decode(bytes.NewReader(b), v, limit) }

// Check says whether a batch keeps to the limits.
func (e Events) Check() error {
	if e.ID == "" || len(e.ID) > 200 {
		return fmt.Errorf("a batch id has 1 to 200 characters: %w", holdfast.ErrInvalid)
	}
	if len(e.Records) == 0 || len(e.Records) > MaxRecords {
		return fmt.Errorf("batch %s: %d records, 1 to %d are allowed: %w", e.ID, len(e.Records), MaxRecords, holdfast.ErrTooLarge)
	}
	raw := 0
	for i := range e.Records {
		r := &e.Records[i]
		raw += len(r.Raw)
		if r.Source == "" || len(r.Source) > 4096 || len(r.Position) > 4096 || len(r.Dataset) > 200 {
			return fmt.Errorf("batch %s, record %d: source, position or dataset has no fitting length: %w", e.ID, i, holdfast.ErrInvalid)
		}
	}
	if raw > MaxRaw {
		return fmt.Errorf("batch %s: %d raw bytes, %d are allowed: %w", e.ID, raw, MaxRaw, holdfast.ErrTooLarge)
	}
	return nil
}
