package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"holdfast"
	"holdfast/internal/host"
	"holdfast/internal/turn"
	"holdfast/store/events/flat"
)

// turnRows are written in one turn.
const turnRows = 64

// file is a segment that is being written: whole and synced when it gets its
// name.
type file struct {
	seg       holdfast.Segment
	tmp, full string
	f         *os.File
	sum       hash.Hash
	count     *counter
	w         *encoder
	encoders  *encoders
	tally     tally
	turn      *turn.Turn
}

// createFile begins a file, whose work takes the turns of t until finish or abandon.
func createFile(dir string, seg holdfast.Segment, enc *encoders, t *turn.Turn) (*file, error) {
	seg.Form = holdfast.SegmentForm
	x := &file{seg: seg, full: filepath.Join(dir, filepath.FromSlash(seg.Path)), sum: sha256.New(), encoders: enc, turn: t}
	if err := os.MkdirAll(filepath.Dir(x.full), 0o700); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	x.tmp = x.full + ".tmp"
	var err error
	if x.f, err = os.OpenFile(x.tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	x.count = &counter{w: io.MultiWriter(x.f, x.sum)}
	if x.w, err = enc.get(x.count, t); err != nil {
		x.abandon()
		return nil, fmt.Errorf("segment: %w", err)
	}
	return x, nil
}

func (x *file) add(r *row) error {
	if x.tally.add(r); x.tally.n%turnRows == 0 {
		x.turn.Next()
	}
	if err := x.w.Write(r); err != nil {
		return fmt.Errorf("segment %s: %w", x.seg.ID, err)
	}
	return nil
}

// finish syncs the file and gives it its name.
func (x *file) finish() (holdfast.Segment, error) {
	defer os.Remove(x.tmp)
	err := x.w.Close()
	x.turn.End()
	if err == nil {
		err = x.f.Sync()
	}
	if err = errors.Join(err, x.f.Close()); err != nil {
		return x.seg, fmt.Errorf("segment %s: %w", x.seg.ID, err)
	}
	if err := os.Rename(x.tmp, x.full); err != nil {
		return x.seg, fmt.Errorf("segment: %w", err)
	}
	if err := host.SyncDir(filepath.Dir(x.full)); err != nil {
		return x.seg, fmt.Errorf("segment: %w", err)
	}
	x.encoders.give(x.w)
	x.seg.Bytes, x.seg.SHA256 = x.count.n, hex.EncodeToString(x.sum.Sum(nil))
	x.seg.Written += x.count.n
	return x.seg, x.tally.into(&x.seg)
}

// abandon leaves nothing behind.
func (x *file) abandon() {
	x.turn.End()
	x.f.Close()
	os.Remove(x.tmp)
}

// writeSegment writes rows to a new segment, in order.
func writeSegment(dir string, seg holdfast.Segment, rows *flat.Table[row], enc *encoders, turns *turn.Turns) (holdfast.Segment, error) {
	t := turns.Begin(turn.Stored)
	defer t.End()
	x, err := createFile(dir, seg, enc, t)
	if err != nil {
		return seg, err
	}
	order := inOrder(rows)
	x.tally.table(rows, order)
	if err := x.w.WriteTable(rows, order); err != nil {
		x.abandon()
		return seg, fmt.Errorf("segment %s: %w", seg.ID, err)
	}
	return x.finish()
}

// tally counts rows as the manifest does.
type tally struct {
	parts    map[part]*holdfast.SegmentPart
	last     *holdfast.SegmentPart // that of the row before
	from     int64                 // when its hour began
	n        uint64
	lo, hi   int64
	min, max string
}

type part struct {
	source, dataset string
	hour            int64
}

func (t *tally) add(r *row) {
	if t.n == 0 {
		t.begin(r.Time, r.ID)
	}
	t.n++
	t.lo, t.hi, t.min, t.max = min(t.lo, r.Time), max(t.hi, r.Time), min(t.min, r.ID), max(t.max, r.ID)
	if t.last == nil || r.Received < t.from || r.Received >= t.from+hour || r.Source != t.last.Source || r.Dataset != t.last.Dataset {
		key := r.part()
		t.from, t.last = key.hour, t.part(key)
	}
	t.last.Events++
	t.last.Raw += uint64(r.rawLen())
}

// table counts the rows of a table, fastest in an order in which those of a dataset
// stand together.
func (t *tally) table(rows *flat.Table[row], order []int32) {
	if len(order) == 0 {
		return
	}
	ids, times, received := rows.Texts("id"), rows.Numbers("time"), rows.Numbers("received")
	raw, rawBytes := rows.Texts("raw"), rows.Texts("raw_bytes")
	sources, source := rows.Words("source")
	datasets, dataset := rows.Words("dataset")
	if t.n == 0 {
		t.begin(times[0], ids[0])
	}
	t.n += uint64(len(order))
	var last *holdfast.SegmentPart
	var of, in int32
	var from int64
	for _, i := range order {
		t.lo, t.hi, t.min, t.max = min(t.lo, times[i]), max(t.hi, times[i]), min(t.min, ids[i]), max(t.max, ids[i])
		if last == nil || source[i] != of || dataset[i] != in || received[i] < from || received[i] >= from+hour {
			of, in, from = source[i], dataset[i], hourOf(received[i])
			last = t.part(part{sources[of], datasets[in], from})
		}
		n := len(rawBytes[i])
		if n == 0 {
			n = len(raw[i])
		}
		last.Events++
		last.Raw += uint64(n)
	}
}

func (t *tally) begin(at int64, id string) {
	t.lo, t.hi, t.min, t.max = at, at, id, id
	t.parts = map[part]*holdfast.SegmentPart{}
}

func (t *tally) part(key part) *holdfast.SegmentPart {
	p := t.parts[key]
	if p == nil { // the texts may be of memory that is used again
		key.source, key.dataset = strings.Clone(key.source), strings.Clone(key.dataset)
		p = &holdfast.SegmentPart{Source: key.source, Dataset: key.dataset, Hour: time.UnixMicro(key.hour).UTC()}
		t.parts[key] = p
	}
	return p
}

func (r *row) part() part {
	return part{r.Source, r.Dataset, hourOf(r.Received)}
}

// hour is one, in the unit of times.
const hour = int64(time.Hour / time.Microsecond)

func hourOf(micros int64) int64 { return holdfast.Hour(time.UnixMicro(micros)).UnixMicro() }

func (r *row) rawLen() int {
	if len(r.RawBytes) > 0 {
		return len(r.RawBytes)
	}
	return len(r.Raw)
}

func (t *tally) list() []holdfast.SegmentPart {
	out := make([]holdfast.SegmentPart, 0, len(t.parts))
	for _, p := range t.parts {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b holdfast.SegmentPart) int {
		return cmp.Or(cmp.Compare(a.Dataset, b.Dataset), a.Hour.Compare(b.Hour), cmp.Compare(a.Source, b.Source))
	})
	return out
}

func (t *tally) into(seg *holdfast.Segment) error {
	seg.Events, seg.Parts = t.n, t.list()
	if t.n == 0 {
		return nil
	}
	seg.Oldest, seg.Newest = time.UnixMicro(t.lo).UTC(), time.UnixMicro(t.hi).UTC()
	return errors.Join(seg.FirstID.UnmarshalText([]byte(t.min)), seg.LastID.UnmarshalText([]byte(t.max)))
}

// source reads the rows of a segment one after the other.
type source struct {
	seg  holdfast.Segment
	f    *os.File
	r    *parquet.GenericReader[row]
	buf  []row
	n, i int
	err  error
}

func openSource(dir string, seg holdfast.Segment, batch int) (s *source, err error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(seg.Path)))
	if err != nil {
		return nil, &unread{seg, err}
	}
	defer func() { // the library panics on some damage
		if r := recover(); r != nil {
			f.Close()
			s, err = nil, &unread{seg, fmt.Errorf("%v", r)}
		}
	}()
	return &source{seg: seg, f: f, r: parquet.NewGenericReader[row](f), buf: make([]row, batch)}, nil
}

// next returns the next row, or nil at the end or at an error, which is in err.
// The row is overwritten by the calls after; its texts are the caller's.
func (s *source) next() *row {
	if s.i == s.n {
		if s.err != nil {
			return nil
		}
		s.fill()
		if s.n == 0 {
			return nil
		}
	}
	s.i++
	return &s.buf[s.i-1]
}

func (s *source) fill() {
	defer func() {
		if r := recover(); r != nil {
			s.n, s.err = 0, &unread{s.seg, fmt.Errorf("%v", r)}
		}
	}()
	clear(s.buf)
	s.i = 0
	var err error
	for s.n = 0; s.n == 0 && err == nil; {
		s.n, err = s.r.Read(s.buf)
	}
	if s.seg.Form < keptForm {
		for i := range s.buf[:s.n] {
			s.buf[i].keep()
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.n, s.err = 0, &unread{s.seg, err}
	} else if err != nil {
		s.err = io.EOF
	}
}

func (s *source) failed() error {
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

func (s *source) close() {
	s.r.Close()
	s.f.Close()
}

// readSegment reads all rows of a segment into memory.
func readSegment(dir string, seg holdfast.Segment) ([]row, error) {
	s, err := openSource(dir, seg, eachBatch)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var out []row
	for r := s.next(); r != nil; r = s.next() {
		out = append(out, *r)
	}
	return out, s.failed()
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
