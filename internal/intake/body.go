package intake

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"holdfast"
)

const (
	// MaxBody bounds a request as it comes.
	MaxBody = 32 << 20
	// MaxPlain bounds what it may unpack to.
	MaxPlain = 128 << 20
	// MaxRecords bounds the records of one request.
	MaxRecords = 100_000
)

// ErrEncoding says that a body is packed in a way that is not known.
var ErrEncoding = errors.New("the Content-Encoding is not known; send gzip, deflate, zstd, snappy, lz4 or none")

// Unpack returns the request's body as it was before packing, bounded on both
// sides: beyond plain bytes, reading fails with holdfast.ErrTooLarge.
func Unpack(w http.ResponseWriter, r *http.Request, plain int64) (body io.Reader, done func(), err error) {
	done = func() {}
	packed := http.MaxBytesReader(w, r.Body, MaxBody)
	switch strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))) {
	case "", "identity", "none":
		body = packed
	case "gzip", "x-gzip":
		body = &lazy{from: packed, open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }}
	case "deflate", "zlib":
		body = &lazy{from: packed, open: inflate}
	case "snappy", "x-snappy-framed":
		body = &lazy{from: packed, open: unsnap}
	case "lz4":
		body = &lazy{from: packed, open: func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }}
	case "zstd":
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		body, done = z, z.Close
	default:
		return nil, nil, ErrEncoding
	}
	return &bounded{body, plain}, done, nil
}

// inflate reads deflate in zlib's frame, as HTTP has it (RFC 9110, 8.4.1.2), or
// without, as some senders do.
func inflate(from io.Reader) (io.Reader, error) {
	r := bufio.NewReader(from)
	if head, _ := r.Peek(2); len(head) == 2 && (head[0]&0x0f != 8 || (int(head[0])<<8|int(head[1]))%31 != 0) {
		return flate.NewReader(r), nil
	}
	return zlib.NewReader(r)
}

// maxBlock bounds what one block of snappy unpacks to, as it does so at once.
const maxBlock = 32 << 20

// unsnap reads snappy's frames, or a body that is one block: senders call both by
// the same name.
func unsnap(from io.Reader) (io.Reader, error) {
	r := bufio.NewReader(from)
	if head, _ := r.Peek(10); len(head) == 0 || string(head) == "\xff\x06\x00\x00sNaPpY" {
		return snappy.NewReader(r), nil
	}
	packed, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	size, err := snappy.DecodedLen(packed)
	switch {
	case err != nil || size > 24*len(packed)+64: // three bytes make sixty-four at most
		return nil, snappy.ErrCorrupt
	case size > maxBlock:
		return nil, fmt.Errorf("a block of snappy: %w", holdfast.ErrTooLarge)
	}
	plain, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(plain), nil
}

// lazy reads the head of the stream when the body is read, so that a damaged
// one is an error of the body.
type lazy struct {
	from io.Reader
	open func(io.Reader) (io.Reader, error)
	z    io.Reader
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.z == nil {
		z, err := l.open(l.from)
		if err != nil {
			return 0, fmt.Errorf("unpacking: %w", noEnd(err))
		}
		l.z = z
	}
	return l.z.Read(p)
}

// noEnd keeps a body that ends before its packing begins from being an empty
// one.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
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

// TooLarge reports whether a body could not be read because of its size.
func TooLarge(err error) bool {
	var large *http.MaxBytesError
	return errors.As(err, &large) || errors.Is(err, holdfast.ErrTooLarge)
}
