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

// take reads the body line by line, long lines in pieces.
func (t *taking) take(ctx context.Context, body io.Reader) error {
	r := bufio.NewReaderSize(body, 64<<10)
	for n, part := 1, 0; ; {
		raw, more, err := readPiece(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(bytes.TrimSpace(raw)) > 0 || part > 0 && len(raw) > 0 {
			if err := t.line(ctx, n, part, raw, more); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
			return t.put(ctx)
		case more:
			part++
		default:
			n, part = n+1, 0
		}
	}
}

// readPiece returns a copy of the next line, or of its next input.MaxRecord
// bytes if there are more.
func readPiece(r *bufio.Reader) (raw []byte, more bool, err error) {
	for {
		if _, err := r.Peek(1); err != nil {
			return bytes.TrimSuffix(raw, []byte("\r")), false, err
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
			return raw, true, err
		}
		raw = append(raw, text[:i]...)
		if end {
			i++
		}
		if _, err := r.Discard(i); err != nil || end {
			return bytes.TrimSuffix(raw, []byte("\r")), false, err
		}
	}
}
