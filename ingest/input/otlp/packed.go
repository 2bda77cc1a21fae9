package otlp

import (
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// packing is a way of packing that collectors can be told to use over gRPC, beside
// gzip, which grpc knows itself.
type packing struct {
	name   string
	pack   func(io.Writer) (io.WriteCloser, error)
	unpack func(io.Reader) (io.Reader, error)
}

func (p packing) Name() string { return p.name }

func (p packing) Compress(w io.Writer) (io.WriteCloser, error) { return p.pack(w) }

func (p packing) Decompress(r io.Reader) (io.Reader, error) { return p.unpack(r) }

func packings() []packing {
	return []packing{
		{
			"snappy",
			func(w io.Writer) (io.WriteCloser, error) { return snappy.NewBufferedWriter(w), nil },
			func(r io.Reader) (io.Reader, error) { return snappy.NewReader(r), nil },
		},
		{
			"zstd",
			func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) },
			func(r io.Reader) (io.Reader, error) { // with one at a time nothing is left to be closed
				return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
			},
		},
	}
}
