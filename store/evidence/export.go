package evidence

import (
	"archive/tar"
	"fmt"
	"io"
	"time"
)

// Export writes a copy of the log as a tar archive of its two files, "records"
// and "checkpoints", cut where a checkpoint covers all records. Verify reads
// the unpacked folder. The log goes on meanwhile.
func (l *Log) Export(w io.Writer) error {
	l.mu.RLock()
	var records int64
	if n := len(l.ends); n > 0 {
		records = l.ends[n-1]
	}
	checkpoints, err := l.checkpoints.Stat()
	l.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	// Both files only grow, so what was there a moment ago can be read at leisure.
	t := tar.NewWriter(w)
	for _, f := range []struct {
		name string
		from io.ReaderAt
		size int64
	}{{recordsFile, l.records, records}, {checkpointsFile, l.checkpoints, checkpoints.Size()}} {
		head := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o600, Size: f.size, ModTime: time.Unix(0, 0)}
		if err := t.WriteHeader(head); err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
		if _, err := io.Copy(t, io.NewSectionReader(f.from, 0, f.size)); err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	return nil
}
