package events

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"holdfast"
)

const (
	// mostFetched is the most events of an answer that are fetched one by one; of
	// more, so many pages are read that the engine reads them as fast.
	mostFetched = 10_000
	// firstFetched is how many are handed on before the others are fetched, and
	// fetchedEach how many of those at a time.
	firstFetched, fetchedEach = 200, 1000
)

// fetchers is how many row groups are read at the same time.
const fetchers = 2

// spot is where an event lies, and where it stands among those that are fetched.
type spot struct {
	table, file int
	row         int64
	rank        int
}

// streamFound answers a search for events in two steps: the engine finds where
// they lie, by the columns that are asked about, and only the pages that have
// them are read of all the columns.
func (s *Store) streamFound(ctx context.Context, st Statement, head func([]Column) error, row func([]any) error) (truncated bool, err error) {
	done := s.turns.Search()
	defer func() { done() }()
	find := s.spots
	if st.Newest > 0 && st.Arrived == nil {
		find = s.newest
	}
	places, tables, err := find(ctx, st)
	if err != nil {
		return false, err
	}
	if truncated = len(places) > st.MaxRows; truncated {
		places = places[:st.MaxRows]
	}
	cols := make([]Column, len(relation))
	for i, c := range relation {
		cols[i] = Column{c.name, kindOf(c.kind)}
	}
	if err := head(cols); err != nil {
		return false, err
	}
	for n := firstFetched; len(places) > 0; n = fetchedEach {
		n = min(n, len(places))
		done()
		done = s.turns.Search()
		found, err := s.fetch(ctx, tables, places[:n])
		if err != nil {
			return false, err
		}
		done() // who reads may take his time
		for _, vals := range found {
			if err := row(vals); err != nil {
				return false, err
			}
		}
		places = places[n:]
	}
	return truncated, nil
}

// spots finds where the events of a search lie, and in which tables.
func (s *Store) spots(ctx context.Context, st Statement) ([]spot, []table, error) {
	r, err := s.relations(ctx, st)
	if err != nil {
		return nil, nil, err
	}
	text := r.with + st.Find
	if err := s.onlySelect(ctx, text); err != nil {
		return nil, nil, err
	}
	rows, err := s.db.QueryContext(ctx, text, st.FindArgs...)
	if err != nil {
		return nil, nil, queryError(ctx, err)
	}
	places, err := spotsOf(rows)
	if err != nil {
		return nil, nil, queryError(ctx, err)
	}
	return places, r.tables, nil
}

func spotsOf(rows *sql.Rows) ([]spot, error) {
	defer rows.Close()
	var out []spot
	for rows.Next() {
		var p spot
		if err := rows.Scan(&p.table, &p.file, &p.row); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// fetch reads the rows at some places, with the columns of the relation, in the
// order of their ranks.
func (s *Store) fetch(ctx context.Context, tables []table, places []spot) ([][]any, error) {
	out := make([][]any, len(places))
	for i := range places {
		places[i].rank = i
	}
	slices.SortFunc(places, func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.file, b.file), cmp.Compare(a.row, b.row))
	})
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(fetchers)
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].table == places[0].table && places[n].file == places[0].file {
			n++
		}
		these := places[:n]
		places = places[n:]
		if t := these[0].table; t < 0 || t >= len(tables) || these[0].file < 0 || these[0].file >= len(tables[t].segs) {
			return nil, fmt.Errorf("search: no file %d of table %d", these[0].file, t)
		}
		seg := tables[these[0].table].segs[these[0].file]
		work.Go(func() error {
			if err := s.fetchFile(ctx, &seg, these, out); err != nil {
				return fmt.Errorf("segment %s: %w", seg.ID, err)
			}
			return nil
		})
	}
	return out, work.Wait()
}

// fetchFile reads rows of one segment.
func (s *Store) fetchFile(ctx context.Context, g *holdfast.Segment, places []spot, out [][]any) (err error) {
	f, err := os.Open(s.path(*g))
	if err != nil {
		return err
	}
	defer f.Close()
	defer func() { // the library panics on some damage
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	leaves := make([]int, len(relation))
	for i, c := range relation {
		leaf, ok := file.Schema().Lookup(c.stored)
		if !ok {
			return fmt.Errorf("it has no column %q", c.stored)
		}
		leaves[i] = leaf.ColumnIndex
	}
	begin := int64(0)
	for _, group := range file.RowGroups() {
		end := begin + group.NumRows()
		n := 0
		for n < len(places) && places[n].row < end {
			n++
		}
		if n > 0 {
			chunks := group.ColumnChunks()
			for i, leaf := range leaves {
				if err := errors.Join(ctx.Err(), fetchColumn(chunks[leaf], i, begin, places[:n], out)); err != nil {
					return err
				}
			}
		}
		begin, places = end, places[n:]
	}
	if len(places) > 0 {
		return fmt.Errorf("it has no row %d", places[0].row)
	}
	return nil
}

// fetchColumn reads the values of one column in one row group, whose first row
// is the one at begin.
func fetchColumn(chunk parquet.ColumnChunk, column int, begin int64, places []spot, out [][]any) error {
	if _, err := chunk.OffsetIndex(); err != nil && !errors.Is(err, parquet.ErrMissingOffsetIndex) {
		return err
	}
	pages := chunk.Pages()
	defer pages.Close()
	isTime := relation[column].kind == "TIMESTAMP"
	var buf [1]parquet.Value
	for _, p := range places {
		if err := pages.SeekToRow(p.row - begin); err != nil {
			return err
		}
		page, err := pages.ReadPage()
		if err != nil {
			return err
		}
		one := page.Slice(0, 1)
		n, err := one.Values().ReadValues(buf[:])
		if n != 1 {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		var v any
		if isTime {
			v = time.UnixMicro(buf[0].Int64()).UTC()
		} else {
			v = string(buf[0].ByteArray())
		}
		parquet.Release(one)
		parquet.Release(page)
		if out[p.rank] == nil {
			out[p.rank] = make([]any, len(relation))
		}
		out[p.rank][column] = v
	}
	return nil
}
