package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
)

// broken are the segments whose file is gone, or is not the one that was written. They
// are left out of searches, which would fail for them, and of what puts segments
// together, until the file is another one: whoever restores it need do nothing else.
type broken struct {
	mu sync.Mutex
	by map[string]brokenFile // by the segment's id
	// looked is when all files of a range were last looked at and were as they should
	// be, so that a search that fails for itself does not have them read each time.
	looked time.Time
}

// brokenFile is the file as it was when it was found; no size for none.
type brokenFile struct {
	why  string
	size int64
	at   time.Time
}

// Broken is what cannot be read of a range.
type Broken struct {
	Segments int
	Events   uint64
	First    string // what is wrong with the first of them
}

func (b Broken) String() string {
	if b.Segments == 0 {
		return ""
	}
	return fmt.Sprintf("%d segments with %d events cannot be read and are left out, the first because %s: `holdfast store verify` names what they held", b.Segments, b.Events, b.First)
}

// unread is why a segment cannot be read.
type unread struct {
	seg holdfast.Segment
	err error
}

func (u *unread) Error() string { return "segment " + u.seg.ID + ": " + u.err.Error() }

func (u *unread) Unwrap() error { return u.err }

// sound makes sure that a segment's file is the one that was written, and takes note if
// it is not.
func (s *Store) sound(ctx context.Context, g *holdfast.Segment) error {
	if g.SHA256 == "" {
		return nil
	}
	sum, _, err := hashFile(ctx, s.path(*g))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && sum != g.SHA256 {
		err = errors.New("its file is not the one that was written")
	}
	if err == nil {
		return nil
	}
	s.broke(g, err.Error())
	return &unread{*g, err}
}

// broke takes note of a segment that cannot be read.
func (s *Store) broke(g *holdfast.Segment, why string) {
	if s.far != nil {
		return
	}
	f := brokenFile{why: why, size: -1}
	if info, err := os.Stat(s.path(*g)); err == nil {
		f.size, f.at = info.Size(), info.ModTime()
	}
	s.broken.mu.Lock()
	_, known := s.broken.by[g.ID]
	s.broken.by[g.ID] = f
	s.broken.mu.Unlock()
	if !known {
		s.log.Error("a segment cannot be read and is left out until its file is restored from a copy", "segment", g.ID, "events", g.Events, "error", why)
	}
}

// isBroken tells why a segment cannot be read, or "". One whose file has changed since
// is believed again.
func (s *Store) isBroken(g *holdfast.Segment) string {
	s.broken.mu.Lock()
	defer s.broken.mu.Unlock()
	f, ok := s.broken.by[g.ID]
	if !ok {
		return ""
	}
	if info, err := os.Stat(s.path(*g)); err == nil && (info.Size() != f.size || !info.ModTime().Equal(f.at)) {
		delete(s.broken.by, g.ID)
		return ""
	}
	return f.why
}

func (s *Store) anyBroken() bool {
	if s.broken == nil { // a store that was not opened has none
		return false
	}
	s.broken.mu.Lock()
	defer s.broken.mu.Unlock()
	return len(s.broken.by) > 0
}

// readable are the segments that can be read, as far as is known.
func (s *Store) readable(segs []holdfast.Segment) []holdfast.Segment {
	if !s.anyBroken() {
		return segs
	}
	return slices.DeleteFunc(slices.Clone(segs), func(g holdfast.Segment) bool { return s.isBroken(&g) != "" })
}

// Broken says what cannot be read of the events of a range.
func (s *Store) Broken(ctx context.Context, from, to time.Time) (out Broken, err error) {
	if !s.anyBroken() {
		return out, nil
	}
	segs, err := s.manifest.Segments(ctx, from, to)
	if err != nil {
		return out, fmt.Errorf("events: %w", err)
	}
	for i := range segs {
		if why := s.isBroken(&segs[i]); why != "" {
			if out.Segments == 0 {
				out.First = why
			}
			out.Segments++
			out.Events += segs[i].Events
		}
	}
	return out, nil
}

// blame finds the segments for which a search has failed: those whose file is not as
// long as it was, and those that the error names; where the engine stumbles over bytes
// and names no file, all are looked at. It reports whether there are any, and
// the search may do without them.
func (s *Store) blame(ctx context.Context, st Statement, failed error) bool {
	if s.far != nil || ctx.Err() != nil {
		return false
	}
	text := failed.Error()
	named := strings.Contains(text, ".parquet") || strings.Contains(text, "segment ")
	if !named && (!strings.Contains(text, "Invalid Error: ") || !s.mayLookAtAll()) {
		return false
	}
	segs, err := s.manifest.Segments(ctx, st.From, st.To)
	if err != nil {
		return false
	}
	found := false
	for i := range segs {
		g := &segs[i]
		if s.isBroken(g) != "" {
			continue
		}
		info, err := os.Stat(s.path(*g))
		if named && err == nil && uint64(info.Size()) == g.Bytes && !strings.Contains(text, g.ID) {
			continue
		}
		found = s.sound(ctx, g) != nil && ctx.Err() == nil || found
	}
	if !named && !found {
		s.broken.mu.Lock()
		s.broken.looked = time.Now()
		s.broken.mu.Unlock()
	}
	return found
}

// lookEvery is how often all files of a range may be read without finding anything.
const lookEvery = 10 * time.Minute

func (s *Store) mayLookAtAll() bool {
	s.broken.mu.Lock()
	defer s.broken.mu.Unlock()
	return s.broken.looked.IsZero() || time.Since(s.broken.looked) >= lookEvery
}
