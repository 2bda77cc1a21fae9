package events

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Parquet writes the answer of a search to w as one Parquet file. The engine
// makes it beside the segments, under a name that is litter should the process
// end; it is removed before Parquet returns.
func (s *Store) Parquet(ctx context.Context, st Statement, w io.Writer) error {
	if n := s.asked.Add(1); n > most {
		s.asked.Add(-1)
		return errBusy()
	}
	defer s.asked.Add(-1)
	defer ended()
	if s.far != nil {
		return s.far.parquet(ctx, st, w)
	}
	defer s.turns.Search()()
	text, err := s.text(ctx, st)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "export-")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "answer.parquet")
	// The text is one SELECT, as text has made sure, and the path is ours.
	if _, err := s.db.ExecContext(ctx, "COPY ("+text+") TO "+literal(path)+" (FORMAT parquet, COMPRESSION zstd)", st.Args...); err != nil {
		return queryError(ctx, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
