package events

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go/bloom/xxhash"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events/clickhouse"
)

// far is where events lie when they lie in ClickHouse. Segments are still made
// as files, in a folder of this node's own; each is inserted whole, and the file
// goes when the manifest has it. The manifest knows a segment's rows by their day
// and the first block that they cover.
type far struct {
	db   *clickhouse.DB
	well struct { // as it was asked last
		mu    sync.Mutex
		asked time.Time
		since time.Time // that it is not
		err   error
	}
}

// farTable is the name of the table.
const farTable = "holdfast_events"

// storedColumn is a column of a segment, by the fields of row. All that ClickHouse
// is told of columns comes from here. Kept fields are not: "fields" has them, and
// rows of before would have none.
type storedColumn struct {
	name   string
	index  int
	time   bool
	number bool // and no time
}

func storedColumns() []storedColumn {
	t := reflect.TypeFor[row]()
	out := make([]storedColumn, 0, t.NumField())
	for i := range t.NumField() {
		name, rest, _ := strings.Cut(t.Field(i).Tag.Get("parquet"), ",")
		if isKept(name) {
			continue
		}
		c := storedColumn{name: name, index: i, time: strings.HasPrefix(rest, "timestamp")}
		c.number = !c.time && t.Field(i).Type.Kind() == reflect.Int64
		out = append(out, c)
	}
	return out
}

// IsClickHouse reports whether a text names a ClickHouse database.
func IsClickHouse(text string) bool { return clickhouse.IsAddress(text) }

// CheckClickHouse says what is wrong with the address of one.
func CheckClickHouse(address string) error { return clickhouse.Check(address) }

func farTableOf() clickhouse.Table {
	t := clickhouse.Table{Name: farTable, Order: []string{"dataset", "time"}, Minmax: "time"}
	for _, c := range storedColumns() {
		typ := "String"
		switch {
		case c.time:
			typ = "DateTime64(6, 'UTC')"
		case c.number:
			typ = "Int64"
		}
		t.Fields = append(t.Fields, clickhouse.Field{Name: c.name, Type: typ, Bloom: slices.Contains(blooms, c.name)})
	}
	return t
}

// ticks is a time as a number of microseconds, in SQL.
func ticks(name string) string { return "toUnixTimestamp64Micro(`" + name + "`)" }

// sumSQL adds up what sumOf does, in ClickHouse.
func sumSQL() string {
	var parts []string
	for _, c := range storedColumns() {
		switch {
		case c.time:
			parts = append(parts, "toString("+ticks(c.name)+")")
		case c.number:
			parts = append(parts, "toString(`"+c.name+"`)")
		default:
			parts = append(parts, "`"+c.name+"`")
		}
	}
	return "xxHash64(concat(" + strings.Join(parts, `, '\0', `) + "))"
}

// sumOf adds up a number for each row that stands for all of its values. Rows in
// another order, or in several segments, add up to the same.
func sumOf(list []row) string {
	var sum uint64
	var buf []byte
	cols := storedColumns()
	for i := range list {
		v := reflect.ValueOf(&list[i]).Elem()
		buf = buf[:0]
		for n, c := range cols {
			if n > 0 {
				buf = append(buf, 0)
			}
			switch f := v.Field(c.index); f.Kind() {
			case reflect.Int64:
				buf = strconv.AppendInt(buf, f.Int(), 10)
			case reflect.String:
				buf = append(buf, f.String()...)
			default:
				buf = append(buf, f.Bytes()...)
			}
		}
		sum += xxhash.Sum64(buf)
	}
	return sumText(sum)
}

func sumText(n uint64) string { return fmt.Sprintf("%016x", n) }

func sumNumber(text string) uint64 {
	n, _ := strconv.ParseUint(text, 16, 64) // "" is none
	return n
}

// openFar opens the store in ClickHouse. One that is away is waited for by whatever
// needs it; one that does not want us is an error.
func openFar(ctx context.Context, s *Store, address string) error {
	db, err := clickhouse.Open(ctx, address, farTableOf())
	if errors.Is(err, holdfast.ErrAway) {
		s.log.Warn("the store of events is away; what comes in waits on the bus until it is there", "error", err)
		err = nil
	}
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	s.far = &far{db: db}
	return nil
}

// Elsewhere reports whether events lie with another program, which may be away
// while this one runs.
func (s *Store) Elsewhere() bool { return s.far != nil }

const (
	pingTime  = 5 * time.Second
	pingEvery = 2 * time.Second
)

// Away says why events can be neither stored nor searched now, and since when that
// is known; nil if they can be.
func (s *Store) Away(ctx context.Context) (since time.Time, err error) {
	if s.far == nil {
		return time.Time{}, nil
	}
	w := &s.far.well
	w.mu.Lock()
	defer w.mu.Unlock()
	now := s.clock.Now().UTC()
	if d := now.Sub(w.asked); d >= 0 && d < pingEvery {
		return w.since, w.err
	}
	one, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	err = s.far.db.Ping(one)
	if ctx.Err() != nil { // nobody wants to know any more
		return w.since, w.err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("ClickHouse at %s does not answer within %s: %w", s.far.db.Host(), pingTime, holdfast.ErrAway)
	}
	w.asked, w.err = now, err
	switch {
	case err == nil:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	}
	return w.since, w.err
}

// Dialect is the SQL that searches of this store are written in.
func (s *Store) Dialect() query.Dialect {
	if s.far != nil {
		return query.ClickHouse()
	}
	return query.Segments()
}

func batchOf(g *holdfast.Segment) clickhouse.Batch {
	return clickhouse.Batch{Token: g.ID, Day: g.Day, Block: g.First}
}

func placeOf(g *holdfast.Segment) string { return clickhouse.Place([]string{g.Day}, g.Covers()) }

// carry takes a segment that is a file into ClickHouse and the manifest. It may be
// called again for the same segment, by any process, whatever became of the call
// before: the intent says what is under way, and the token that it is inserted
// once.
func (s *Store) carry(ctx context.Context, c holdfast.Commit) error {
	if err := s.manifest.Intend(ctx, c); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	s.step("intended")
	f, err := os.Open(s.path(c.Segment))
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	err = s.far.db.Insert(ctx, batchOf(&c.Segment), f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	s.step("inserted")
	there := c
	there.Segment.Path = "" // not a file
	if err := s.manifest.CommitSegment(ctx, there); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	s.step("committed")
	os.Remove(s.path(c.Segment)) // else the next start does
	return nil
}

// recover ends what a writer before left half done: an insert is repeated with the
// bytes that it had, or where those are another machine's, taken back, and the
// bus has its events still; rows of dropped segments are deleted.
func (s *Store) recover(ctx context.Context) error {
	c, err := s.manifest.Intent(ctx)
	if err == nil {
		err = s.resume(ctx, c)
	}
	if err != nil && !errors.Is(err, holdfast.ErrNotFound) {
		return fmt.Errorf("events: what was under way when the last writer ended: %w", err)
	}
	m, err := s.manifest.Manifest(ctx)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	for _, d := range m.Drops {
		if d.Rows != nil {
			if err := s.deleteDropped(ctx, d); err != nil {
				return err
			}
		}
	}
	return s.emptySpool()
}

func (s *Store) resume(ctx context.Context, c holdfast.Commit) error {
	at, _, err := s.manifest.Position(ctx, holdfast.WriterPosition)
	if err != nil || at >= c.Position {
		return err
	}
	sum, n, err := hashFile(ctx, s.path(c.Segment))
	if err == nil && sum == c.Segment.SHA256 && n == c.Segment.Bytes {
		s.log.Info("repeating an insert that was under way", "segment", c.Segment.ID, "events", c.Segment.Events)
		return s.carry(ctx, c)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.log.Info("taking back an insert that was under way on another machine", "segment", c.Segment.ID, "events", c.Segment.Events)
	return s.far.db.Burn(ctx, batchOf(&c.Segment))
}

// emptySpool removes files that are in ClickHouse by now, or never will be.
func (s *Store) emptySpool() error {
	return filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".parquet") {
			return err
		}
		return os.Remove(p)
	})
}

// deleteDropped deletes the rows of a drop that the manifest knows of.
func (s *Store) deleteDropped(ctx context.Context, d holdfast.Drop) error {
	r := d.Rows
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	today := s.clock.Now().UTC().Add(-dayOver).Format(time.DateOnly)
	if r.All && r.Day < today && !slices.ContainsFunc(segs, func(g holdfast.Segment) bool { return g.Day == r.Day }) {
		err = s.far.db.DropDay(ctx, r.Day)
	} else {
		w := wherever{sql: clickhouse.Place([]string{r.Day}, r.Ranges)}
		if !r.All {
			w.and(rowsGoing(&w, r.Limits, r.Kept))
		}
		err = s.far.db.Delete(ctx, w.sql, w.args)
	}
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	d.Rows = nil
	if err := s.manifest.Dropped(ctx, d); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// mergeFar makes one segment of several in the manifest; the rows stay where they
// are, as ClickHouse puts them together itself.
func (s *Store) mergeFar(ctx context.Context, list []holdfast.Segment) (int, error) {
	seg, err := s.place(list)
	if err != nil {
		return 0, err
	}
	seg.ID += "-" + strconv.FormatInt(seg.Made.UnixMicro(), 36)
	seg.Path, seg.Form = "", list[0].Form
	old := make([]string, len(list))
	parts := map[part]*holdfast.SegmentPart{}
	var sum uint64
	for i := range list {
		g := &list[i]
		old[i] = g.ID
		sum += sumNumber(g.Sum)
		addParts(parts, g.Parts)
		if i == 0 || g.Oldest.Before(seg.Oldest) {
			seg.Oldest = g.Oldest
		}
		if i == 0 || g.Newest.After(seg.Newest) {
			seg.Newest = g.Newest
		}
		if i == 0 || slices.Compare(g.FirstID[:], seg.FirstID[:]) < 0 {
			seg.FirstID = g.FirstID
		}
		if i == 0 || slices.Compare(g.LastID[:], seg.LastID[:]) > 0 {
			seg.LastID = g.LastID
		}
		seg.Events, seg.Bytes, seg.Written = seg.Events+g.Events, seg.Bytes+g.Bytes, seg.Written+max(g.Written, g.Bytes)
	}
	t := tally{parts: parts}
	seg.Parts, seg.Sum = t.list(), sumText(sum)
	if err := s.manifest.ReplaceSegments(ctx, old, seg); err != nil {
		return 0, fmt.Errorf("events: %w", err)
	}
	s.mu.Lock()
	s.progress.Steps++
	s.progress.Segments += uint64(len(old))
	s.mu.Unlock()
	return len(old), nil
}

func addParts(to map[part]*holdfast.SegmentPart, add []holdfast.SegmentPart) {
	for _, p := range add {
		key := part{p.Source, p.Dataset, p.Hour.UnixMicro()}
		if to[key] == nil {
			to[key] = &holdfast.SegmentPart{Source: p.Source, Dataset: p.Dataset, Hour: p.Hour}
		}
		to[key].Events += p.Events
		to[key].Raw += p.Raw
	}
}
