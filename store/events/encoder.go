package events

import (
	"io"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	readzstd "github.com/parquet-go/parquet-go/compress/zstd"

	"holdfast/internal/zstd"
)

// encoders write rows as Parquet. One is kept to be used again: making it anew
// costs as much as a thousand rows.
type encoders struct {
	codec compress.Codec

	mu   sync.Mutex
	idle *parquet.GenericWriter[row]
}

func newEncoders() *encoders { return &encoders{codec: &codec{pack: zstd.New(zstd.Fast)}} }

func (e *encoders) get(to io.Writer) *parquet.GenericWriter[row] {
	e.mu.Lock()
	w := e.idle
	e.idle = nil
	e.mu.Unlock()
	if w != nil {
		w.Reset(to)
		return w
	}
	filters := make([]parquet.BloomFilterColumn, len(blooms))
	for i, b := range blooms {
		filters[i] = parquet.SplitBlockFilter(10, b)
	}
	// What is said of a column's part is enough; no reader asks each page's header.
	return parquet.NewGenericWriter[row](to, parquet.Compression(e.codec), parquet.BloomFilters(filters...), parquet.DataPageStatistics(false),
		parquet.MaxRowsPerRowGroup(groupRows), parquet.CreatedBy("holdfast", "1", ""))
}

// give takes back one whose file is whole. Those of a file that is not are left to
// the garbage collector.
func (e *encoders) give(w *parquet.GenericWriter[row]) {
	e.mu.Lock()
	e.idle = w
	e.mu.Unlock()
}

// codec packs pages by our own packer, and has them read by the library's.
type codec struct {
	readzstd.Codec
	pack *zstd.Packer
}

// Encode implements compress.Codec.
func (c *codec) Encode(dst, src []byte) ([]byte, error) { return c.pack.Append(dst[:0], src), nil }
