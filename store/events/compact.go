package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast"
	"holdfast/internal/host"
	"holdfast/internal/turn"
)

const (
	compactEvery = 2 * time.Second
	// perStep is how many segments of about the same size are put together, as long
	// as they are small: rows are written again once for each power of it.
	perStep = 12
	// fullRows is when a segment is left alone.
	fullRows = 1_000_000
	// fullOf is how many make a full one at most. Segments that are large enough
	// for that wait for it, so that their rows are written again only once.
	fullOf = 64
	// mostRows bounds what one step writes, mostFiles what it reads at a time.
	mostRows  = 3_000_000
	mostFiles = fullOf
	doomedFor = 2 * time.Minute // longer than the longest search
	// dayOver is how long after a day's end its last segments are put together.
	dayOver     = 10 * time.Minute
	defaultRate = 32 << 20
	// countAnyway is after how long a segment is counted even while somebody searches.
	countAnyway = time.Minute
	mergeBatch  = 256
)

// Compaction is how far putting segments together has come.
type Compaction struct {
	Day          string `json:"day,omitempty"` // under way; empty if nothing is
	Rows         uint64 `json:"rows"`          // written of the step under way
	Of           uint64 `json:"of"`
	Steps        uint64 `json:"steps"` // since the start
	Segments     uint64 `json:"segments"`
	BytesWritten uint64 `json:"bytes_written"`
	Trouble      string `json:"trouble,omitempty"` // why the newest step failed
}

// Compaction returns how far putting segments together has come.
func (s *Store) Compaction() Compaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress
}

// Compact puts small segments together until ctx is done. It works beside the
// writer and never blocks it.
func (s *Store) Compact(ctx context.Context) {
	t := time.NewTicker(compactEvery)
	defer t.Stop()
	counted := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			for {
				n, err := s.CompactOnce(ctx)
				if err != nil && ctx.Err() == nil && !errors.Is(err, holdfast.ErrConflict) {
					s.log.Warn("putting segments together", "error", err)
				}
				if n == 0 || err != nil {
					break
				}
			}
			if now := time.Now(); s.Searching() == 0 || now.Sub(counted) >= countAnyway {
				counted = now
				if _, err := s.CountOnce(ctx); err != nil && ctx.Err() == nil {
					s.log.Warn("counting a segment", "error", err)
				}
			}
			s.removeDoomed(s.clock.Now())
		}
	}
}

// CompactOnce puts segments of one day together, if there are enough of about
// the same size, and returns how many.
func (s *Store) CompactOnce(ctx context.Context) (int, error) {
	s.house.Lock()
	defer s.house.Unlock()
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return 0, fmt.Errorf("events: %w", err)
	}
	list, waits := s.choose(s.readable(segs), s.clock.Now().UTC(), s.room())
	if len(list) < 2 {
		s.waits(waits)
		return 0, nil
	}
	n, err := s.merge(ctx, list)
	s.mu.Lock()
	s.progress.Day, s.progress.Trouble = "", ""
	if err != nil && ctx.Err() == nil {
		s.progress.Trouble = err.Error()
	}
	s.mu.Unlock()
	return n, err
}

// room is how many bytes may be written beside what is there. While segments are put
// together both lie on the disk, and what is to stay free there is kept for ingest.
func (s *Store) room() uint64 {
	free, _, err := host.Disk(s.dir)
	if s.far != nil || err != nil {
		return math.MaxUint64 // the spool's are few; and whoever writes says what is wrong
	}
	return free - min(free, s.reserve)
}

// waits takes note that putting segments together waits for room.
func (s *Store) waits(is bool) {
	const why = "it waits for room on the disk"
	s.mu.Lock()
	was := s.progress.Trouble == why
	switch {
	case is:
		s.progress.Trouble = why
	case was:
		s.progress.Trouble = ""
	}
	s.mu.Unlock()
	if is && !was {
		s.log.Warn("segments are not put together for the time being, as the disk has no room for both", "folder", s.dir, "reserve", s.reserve)
	}
}

// choose picks segments of one day that are worth putting together: many of
// about the same size, enough for a full one, or all that is small of a day
// that is over. It passes over those that there is no room for, and says so.
func (s *Store) choose(segs []holdfast.Segment, now time.Time, room uint64) (chosen []holdfast.Segment, waits bool) {
	fits := func(list []holdfast.Segment) bool {
		var bytes uint64
		for i := range list {
			bytes += list[i].Bytes
		}
		waits = waits || bytes > room
		return bytes <= room
	}
	today := now.Add(-dayOver).Format(time.DateOnly)
	days := map[string][]holdfast.Segment{}
	for _, g := range segs {
		if g.Events < fullRows {
			days[g.Day] = append(days[g.Day], g)
		}
	}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		list := days[day]
		slices.SortFunc(list, func(a, b holdfast.Segment) int { return cmp.Compare(a.First, b.First) })
		sizes := map[int][]holdfast.Segment{}
		var large []holdfast.Segment
		var rows uint64
		for _, g := range list {
			if g.Events*fullOf >= fullRows {
				large, rows = append(large, g), rows+g.Events
				continue
			}
			sizes[step(g.Events)] = append(sizes[step(g.Events)], g)
		}
		switch {
		case rows >= fullRows && fits(fitting(large)):
			return fitting(large), false
		case day < today && len(list) > 1 && fits(fitting(list)):
			return fitting(list), false
		}
		for _, size := range slices.Sorted(maps.Keys(sizes)) {
			if len(sizes[size]) >= perStep && fits(fitting(sizes[size])) {
				return fitting(sizes[size]), false
			}
		}
	}
	return nil, waits
}

func step(events uint64) (n int) {
	for ; events >= perStep; events /= perStep {
		n++
	}
	return n
}

// fitting is as much of a list as one step takes.
func fitting(list []holdfast.Segment) []holdfast.Segment {
	var rows uint64
	for i, g := range list {
		if rows += g.Events; i > 1 && (i == mostFiles || rows > mostRows) {
			return list[:i]
		}
	}
	return list
}

func (s *Store) merge(ctx context.Context, list []holdfast.Segment) (int, error) {
	if s.far != nil {
		return s.mergeFar(ctx, list)
	}
	seg, err := s.place(list)
	if err != nil {
		return 0, err
	}
	old := make([]string, len(list))
	var of uint64
	for i, g := range list {
		old[i], of = g.ID, of+g.Events
		seg.Written += cmp.Or(g.Written, g.Bytes)
	}
	s.mu.Lock()
	s.progress.Day, s.progress.Rows, s.progress.Of = seg.Day, 0, of
	s.mu.Unlock()
	together := s.mergeFiles
	if joinable(list) {
		together = s.join
	}
	if seg, err = together(ctx, list, seg); err != nil {
		return 0, err
	}
	if seg.Events != of {
		os.Remove(s.path(seg))
		return 0, fmt.Errorf("segments %s to %s: the manifest says %d events, the files have %d: run `holdfast store verify --deep`", old[0], old[len(old)-1], of, seg.Events)
	}
	s.step("merged")
	if err := s.manifest.ReplaceSegments(ctx, old, seg); err != nil {
		// What was written may be in the manifest all the same, if only the answer
		// was lost; if it is not, it is litter.
		return 0, fmt.Errorf("events: %w", err)
	}
	s.step("replaced")
	s.doom(list...)
	s.mu.Lock()
	s.progress.Steps++
	s.progress.Segments += uint64(len(old))
	s.mu.Unlock()
	return len(old), nil
}

func (s *Store) path(g holdfast.Segment) string {
	return filepath.Join(s.dir, filepath.FromSlash(g.Path))
}

// doom has files removed when no search can read them any more.
func (s *Store) doom(list ...holdfast.Segment) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range list {
		s.doomed = append(s.doomed, doomed{s.path(g), now})
	}
}

// place names the segment that takes the place of several, by what it covers.
func (s *Store) place(list []holdfast.Segment) (holdfast.Segment, error) {
	var ranges []holdfast.Range
	for i := range list {
		c := list[i].Covers()
		if list[i].Parts == nil && i > 0 { // of old, blocks without events stood in no segment
			c = []holdfast.Range{{First: min(c[0].First, list[i-1].Last+1), Last: c[0].Last}}
		}
		ranges = append(ranges, c...)
	}
	ranges, twice := holdfast.JoinRanges(ranges)
	if len(twice) > 0 {
		return holdfast.Segment{}, fmt.Errorf("segments of %s both hold block %d: run `holdfast store verify`", list[0].Day, twice[0].First)
	}
	seg := holdfast.Segment{Day: list[0].Day, First: ranges[0].First, Last: ranges[len(ranges)-1].Last, Made: s.clock.Now().UTC()}
	if len(ranges) > 1 {
		seg.Ranges = ranges
	}
	s.name(&seg)
	return seg, nil
}

// name gives a segment a name that no file has.
func (s *Store) name(seg *holdfast.Segment) {
	base := fmt.Sprintf("%s-%016d-%016d-c", seg.Day, seg.First, seg.Last)
	for n := 1; ; n++ {
		seg.ID = base + s.mark
		if n > 1 {
			seg.ID = fmt.Sprintf("%s%d%s", base, n, s.mark)
		}
		seg.Path = seg.Day + "/" + seg.ID + ".parquet"
		if _, err := os.Lstat(s.path(*seg)); err != nil {
			return
		}
	}
}

// mergeFiles writes the rows of several segments to one, in order. Of each it
// has a few hundred rows in memory.
func (s *Store) mergeFiles(ctx context.Context, list []holdfast.Segment, seg holdfast.Segment) (holdfast.Segment, error) {
	m := &merger{}
	defer m.close()
	for _, g := range list {
		// What is wrong with a file would look right afterwards.
		if err := errors.Join(s.sound(ctx, &g), m.add(s.dir, g)); err != nil {
			return seg, err
		}
	}
	return s.write(ctx, seg, m)
}

// rows gives rows one after the other; nil is the end, or an error.
type rows interface {
	next() *row
	failed() error
}

// write makes a segment of rows, no faster than it may.
func (s *Store) write(ctx context.Context, seg holdfast.Segment, from rows) (holdfast.Segment, error) {
	t := s.turns.Begin(turn.Upkeep)
	defer t.End()
	f, err := createFile(s.dir, seg, newEncoders(), t)
	if err != nil {
		return seg, err
	}
	way := s.under(f)
	for r := from.next(); r != nil && err == nil; r = from.next() {
		if err = f.add(r); err == nil && f.tally.n%mergeBatch == 0 {
			err = way.on(ctx)
		}
	}
	if err = errors.Join(err, from.failed()); err != nil {
		f.abandon()
		return seg, err
	}
	return f.finish()
}

// way is how far a file under way has come.
type way struct {
	s       *Store
	f       *file
	pace    *pace
	rows    uint64
	counted uint64
}

func (s *Store) under(f *file) *way { return &way{s: s, f: f, pace: newPace(s.rate)} }

// on tells how far the file has come, and waits where it is ahead of its pace.
func (w *way) on(ctx context.Context) error {
	w.s.mu.Lock()
	w.s.progress.Rows += w.f.tally.n - w.rows
	w.s.progress.BytesWritten += w.f.count.n - w.counted
	w.s.mu.Unlock()
	w.rows, w.counted = w.f.tally.n, w.f.count.n
	w.f.turn.End()
	defer w.f.turn.Again()
	return errors.Join(ctx.Err(), w.pace.wait(ctx, w.f.count.n))
}

// pace keeps a rate of bytes a second.
type pace struct {
	rate  int
	start time.Time
}

func newPace(rate int) *pace { return &pace{rate, time.Now()} }

func (p *pace) wait(ctx context.Context, done uint64) error {
	due := time.Duration(float64(done) / float64(p.rate) * float64(time.Second))
	ahead := due - time.Since(p.start)
	if ahead < 5*time.Millisecond {
		return nil
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (s *Store) removeDoomed(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doomed = slices.DeleteFunc(s.doomed, func(d doomed) bool {
		if now.Sub(d.at) < doomedFor {
			return false
		}
		for _, c := range s.countsFiles(d.path) {
			os.Remove(c)
		}
		os.Remove(d.path)
		return true
	})
}
