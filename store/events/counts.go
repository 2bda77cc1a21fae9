package events

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"holdfast"
	"holdfast/internal/host"
	"holdfast/internal/turn"
	"holdfast/query"
)

// Counts of a segment lie beside it: how many events it has of each value of a
// column, of each minute, and of each dataset and minute. They are made of a
// segment that stays as it is, are read only as they were written for just this
// one, and may be missing: then its events are counted.

const (
	// countedRows is the least of a segment that is worth a file more.
	countedRows = 50_000
	// rowsEach is how many events a count must stand for on average.
	rowsEach = 8
	// countsRows is how many rows of counts are skipped or read together.
	countsRows = 8192
	countsEnd  = ".counts"
)

// counts are the file of a segment's counts, and what is counted in it; none where
// there is no such file, or no good one.
type counts struct {
	path string
	kept []string
}

// countsOf finds the counts of a segment.
func (s *Store) countsOf(g *holdfast.Segment) counts {
	if g.Events < s.counts || g.SHA256 == "" {
		return counts{}
	}
	s.mu.Lock()
	c, ok := s.counted[g.SHA256]
	s.mu.Unlock()
	if ok && c.path != "" {
		_, err := os.Stat(c.path)
		ok = err == nil
	}
	if ok {
		return c
	}
	c = counts{}
	files := s.countsFiles(s.path(*g))
	if len(files) == 0 {
		return counts{}
	}
	for _, path := range files {
		kept, err := readCounts(path, g)
		if err == nil {
			c = counts{path, kept}
			break
		}
		s.log.Warn("counts of a segment are not read; its events are counted instead", "file", path, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.counted) > 100_000 { // of segments that are no more
		clear(s.counted)
	}
	s.counted[g.SHA256] = c
	return c
}

// countsFiles are the files of counts of the segment at a path.
func (s *Store) countsFiles(path string) (out []string) {
	dir, name := filepath.Split(path)
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	at, _ := slices.BinarySearchFunc(list, name, func(d fs.DirEntry, name string) int { return strings.Compare(d.Name(), name) })
	for ; at < len(list) && strings.HasPrefix(list[at].Name(), name); at++ {
		if segmentOf(list[at].Name()) != list[at].Name() {
			out = append(out, dir+list[at].Name())
		}
	}
	return out
}

// segmentOf is the path of the segment that a file of counts belongs to, and any
// other path as it is.
func segmentOf(path string) string {
	if rest, ok := strings.CutSuffix(path, countsEnd); ok {
		return strings.TrimSuffix(rest, filepath.Ext(rest))
	}
	return path
}

// readCounts makes sure that a file is as it was written, and for this segment.
func readCounts(path string, g *holdfast.Segment) (kept []string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if path != countsPath(segmentOf(path), b) {
		return nil, errors.New("it is damaged")
	}
	defer func() { // the library panics on some damage
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if of, _ := f.Lookup("segment"); of != g.SHA256 {
		return nil, errors.New("it is of another segment")
	}
	list, _ := f.Lookup("counts")
	return strings.Split(list, ";"), nil
}

// countsPath is where counts of a segment lie. What is in them is part of the
// name, so that damage shows.
func countsPath(segment string, b []byte) string {
	sum := sha256.Sum256(b)
	return segment + "." + hex.EncodeToString(sum[:8]) + countsEnd
}

// CountOnce counts the newest segment that has no counts yet and will not be put
// together with others, and says whether there was one.
func (s *Store) CountOnce(ctx context.Context) (bool, error) {
	if s.far != nil {
		return false, nil
	}
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return false, fmt.Errorf("events: %w", err)
	}
	today := s.clock.Now().UTC().Add(-dayOver).Format(time.DateOnly)
	for _, g := range slices.Backward(s.readable(segs)) {
		if g.Events < fullRows && (g.Events < s.counts || g.Day >= today) || g.SHA256 == "" || s.countsOf(&g).path != "" {
			continue
		}
		if err := s.count(ctx, g); err != nil {
			s.blame(ctx, Statement{From: g.Oldest, To: g.Newest}, err)
			return false, fmt.Errorf("counts of segment %s: %w", g.ID, err)
		}
		return true, nil
	}
	return false, nil
}

// count writes the counts of a segment.
func (s *Store) count(ctx context.Context, g holdfast.Segment) error {
	db, err := s.db.Conn(ctx)
	if err != nil {
		return queryError(ctx, err)
	}
	defer ended()
	defer db.Close()
	run := func(text string) (int64, error) {
		t := s.turns.Begin(turn.Upkeep)
		defer t.End()
		r, err := db.ExecContext(ctx, text)
		if err != nil {
			return 0, queryError(ctx, err)
		}
		return r.RowsAffected()
	}
	if _, err := run(`CREATE OR REPLACE TEMP TABLE counts ("of" VARCHAR, dataset VARCHAR, value VARCHAR, minute TIMESTAMP, counted BIGINT)`); err != nil {
		return err
	}
	defer func() { _, _ = db.ExecContext(context.WithoutCancel(ctx), "DROP TABLE temp.counts") }()
	from := "(" + s.relationOf(tablesOf([]holdfast.Segment{g}, ""), "") + ")"
	var kept []string
	for _, of := range query.CountsKept() {
		n, err := run("INSERT INTO temp.counts SELECT " + literal(of) + ", " + valuesOf(of) + ", count(*) FROM " + from + " GROUP BY ALL")
		if err == nil && uint64(n)*rowsEach > g.Events {
			_, err = run(`DELETE FROM temp.counts WHERE "of" = ` + literal(of))
		} else {
			kept = append(kept, of)
		}
		if err != nil {
			return err
		}
	}
	tmp := s.path(g) + countsEnd + ".tmp"
	defer os.Remove(tmp)
	_, err = run("COPY temp.counts TO " + literal(tmp) +
		fmt.Sprintf(" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, KV_METADATA {segment: %s, counts: %s})", countsRows, literal(g.SHA256), literal(strings.Join(kept, ";"))))
	if err != nil {
		return err
	}
	b, err := os.ReadFile(tmp)
	if err != nil {
		return err
	}
	full := countsPath(s.path(g), b)
	if err := host.WriteAtomic(full, b, 0o600); err != nil {
		return err
	}
	s.mu.Lock()
	s.counted[g.SHA256] = counts{full, kept}
	s.mu.Unlock()
	return nil
}

// minuteOf is the minute that an event's time is in.
const minuteOf = `make_timestamp((epoch_us("time") + 62135596800000000) // 60000000 * 60000000 - 62135596800000000)`

// valuesOf are the columns of a file of counts, for one of these.
func valuesOf(of string) string {
	switch of {
	case "time":
		return "'', '', " + minuteOf
	case "dataset, time":
		return "dataset, '', " + minuteOf
	}
	return `'', "` + of + `", NULL::TIMESTAMP`
}

// countsRelation is the SELECT that makes counts: of whole segments as they were
// counted; of those that the range cuts too, where they are of minutes, but for the
// minutes that it cuts; of all others from their events.
func (s *Store) countsRelation(of string, segs []holdfast.Segment, st Statement) string {
	columns := strings.Split(of, ", ")
	last := columns[len(columns)-1]
	inner := minutesOf(st)
	var files, cut []string
	var rest, first, end []holdfast.Segment // first and end have a minute that is cut
	for i := range segs {
		g := &segs[i]
		var c counts
		if st.Arrived == nil {
			c = s.countsOf(g)
		}
		kept := slices.Contains(c.kept, of)
		switch {
		case kept && whole(g, st):
			files = append(files, literal(c.path))
		case kept && last == "time" && inner.From.Before(inner.To):
			cut = append(cut, literal(c.path))
			if g.Oldest.Before(inner.From) {
				first = append(first, *g)
			}
			if !g.Newest.Before(inner.To) {
				end = append(end, *g)
			}
		default:
			rest = append(rest, *g)
		}
	}
	tables := within(rest, st)
	tables = append(tables, tablesOf(first, bounded(Statement{From: st.From, To: inner.From}))...)
	tables = append(tables, tablesOf(end, bounded(Statement{From: inner.To, To: st.To}))...)
	var parts []string
	if len(tables) > 0 || len(files)+len(cut) == 0 {
		arrived := ""
		if st.Arrived != nil {
			arrived = st.Arrived.where()
		}
		parts = append(parts, `SELECT "`+strings.Join(columns, `", "`)+`", 1::BIGINT AS `+query.Counted+" FROM ("+s.relationOf(tables, arrived)+")")
	}
	value := "value"
	if last == "time" {
		value = "minute"
	}
	columns[len(columns)-1] = value + ` AS "` + last + `"`
	read := func(files []string, also string) {
		if len(files) > 0 {
			parts = append(parts, "SELECT "+strings.Join(columns, ", ")+", "+query.Counted+" FROM read_parquet(["+strings.Join(files, ", ")+`]) WHERE "of" = `+literal(of)+also)
		}
	}
	read(files, "")
	read(cut, " AND minute >= TIMESTAMP "+literal(stamp(inner.From))+" AND minute < TIMESTAMP "+literal(stamp(inner.To)))
	return strings.Join(parts, " UNION ALL ")
}

// minutesOf are the whole minutes of a range that has two ends, nothing of another.
func minutesOf(st Statement) query.Range {
	if st.From.IsZero() || st.To.IsZero() {
		return query.Range{}
	}
	return query.Range{From: st.From.Add(time.Minute - 1).Truncate(time.Minute).UTC(), To: st.To.Truncate(time.Minute).UTC()}
}

// whole tells whether all of a segment's events are of the statement's range.
func whole(g *holdfast.Segment, st Statement) bool {
	return (st.From.IsZero() || !g.Oldest.Before(st.From)) && (st.To.IsZero() || g.Newest.Before(st.To))
}
