package events

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"holdfast"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"holdfast/internal/host"
)

// writeSegment writes rows to a file that is whole and synced when it gets its
// name.
func writeSegment(dir string, seg holdfast.Segment, rows []row) (holdfast.Segment, error) {
	full := filepath.Join(dir, filepath.FromSlash(seg.Path))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return seg, fmt.Errorf("segment: %w", err)
	}
	tmp := full + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return seg, fmt.Errorf("segment: %w", err)
	}
	defer os.Remove(tmp)
	sum := sha256.New()
	count := &counter{w: io.MultiWriter(f, sum)}
	filters := make([]parquet.BloomFilterColumn, len(blooms))
	for i, b := range blooms {
		filters[i] = parquet.SplitBlockFilter(10, b)
	}
	w := parquet.NewGenericWriter[row](count, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.BloomFilters(filters...), parquet.CreatedBy("holdfast", "1", ""))
	_, err = w.Write(rows)
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return seg, fmt.Errorf("segment %s: %w", seg.ID, err)
	}
	if err := os.Rename(tmp, full); err != nil {
		return seg, fmt.Errorf("segment: %w", err)
	}
	if err := host.SyncDir(filepath.Dir(full)); err != nil {
		return seg, fmt.Errorf("segment: %w", err)
	}
	seg.Bytes, seg.SHA256, seg.Events = count.n, hex.EncodeToString(sum.Sum(nil)), uint64(len(rows))
	lo, hi := rows[0].Time, rows[0].Time
	for i := range rows {
		lo, hi = min(lo, rows[i].Time), max(hi, rows[i].Time)
	}
	seg.Oldest, seg.Newest = time.UnixMicro(lo).UTC(), time.UnixMicro(hi).UTC()
	return seg, nil
}

func readSegment(dir string, seg holdfast.Segment) ([]row, error) {
	rows, err := parquet.ReadFile[row](filepath.Join(dir, filepath.FromSlash(seg.Path)))
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", seg.ID, err)
	}
	return rows, nil
}

type counter struct {
	w io.Writer
	n uint64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += uint64(n)
	return n, err
}
