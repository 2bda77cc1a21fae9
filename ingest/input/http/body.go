package http

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/ingest/input"
)

// unpacked returns the request's body as it was before packing, bounded on both
// sides.
func unpacked(w http.ResponseWriter, r *http.Request) (body io.Reader, done func(), err error) {
	done = func() {}
	packed := http.MaxBytesReader(w, r.Body, maxBody)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		body = packed
	case "gzip":
		body = &lazyGzip{from: packed}
	case "zstd":
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		body, done = z, z.Close
	default:
		return nil, nil, fmt.Errorf("Content-Encoding %q is not known; send gzip, zstd or none", encoding)
	}
	return &bounded{body, maxPlain}, done, nil
}

// lazyGzip reads the head of the stream when the body is read, so that a
// damaged one is an error of the body.
type lazyGzip struct {
	from io.Reader
	z    *gzip.Reader
}

func (l *lazyGzip) Read(p []byte) (int, error) {
	if l.z == nil {
		z, err := gzip.NewReader(l.from)
		if err != nil {
			return 0, fmt.Errorf("gzip: %w", err)
		}
		l.z = z
	}
	return l.z.Read(p)
}

// bounded fails, rather than ends, at its limit.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("unpacked body: %w", holdfast.ErrTooLarge)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// take reads the body line by line.
func (t *taking) take(ctx context.Context, body io.Reader) error {
	r := bufio.NewReaderSize(body, 64<<10)
	for n := 1; ; n++ {
		raw, cut, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(bytes.TrimSpace(raw)) > 0 {
			if err := t.line(ctx, n, raw, cut); err != nil {
				return err
			}
		}
		if err != nil {
			return t.put(ctx)
		}
	}
}

// readLine returns a copy of the next line, cut at input.MaxRecord.
func readLine(r *bufio.Reader) (raw []byte, cut bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		room := input.MaxRecord - len(raw)
		text := bytes.TrimSuffix(part, []byte("\n"))
		raw = append(raw, text[:min(len(text), room)]...)
		cut = cut || len(text) > room
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(raw, []byte("\r")), cut, err
		}
	}
}
