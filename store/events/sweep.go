package events

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

// asideDir is where segments go that no state accounts for: under it they lie as
// they lay in the folder of events.
const asideDir = "aside"

// sweep removes files that the manifest does not know, and whose events stand in
// segments that it knows or still on the bus: what was cut short, or was put
// together with others. A segment whose events stand nowhere else is not litter: the
// state was begun anew, or is an older copy. It is set aside, and comes back with the
// state that knows it.
func (s *Store) sweep(ctx context.Context) error {
	m, err := s.manifest.Manifest(ctx)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	known := map[string]bool{}
	x := stand{position: m.Position}
	for i := range m.Segments {
		g := &m.Segments[i]
		known[s.path(*g)] = true
		there, err := s.present(ctx, g)
		if err != nil {
			return err
		}
		if there {
			x.kept = append(x.kept, g.Covers()...)
		} else {
			x.gone = append(x.gone, g.Covers()...)
		}
	}
	for i := range m.Drops {
		x.kept = append(x.kept, m.Drops[i].Ranges...)
	}
	x.kept, _ = holdfast.JoinRanges(x.kept)
	var lone []string
	err = filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && p == filepath.Join(s.dir, asideDir):
			return fs.SkipDir
		case err != nil || d.IsDir() || known[segmentOf(p)] || !strings.Contains(d.Name(), ".parquet"):
			return err
		}
		if info, err := d.Info(); err == nil && info.Size() > 0 && strings.HasSuffix(d.Name(), ".parquet") && filepath.Base(filepath.Dir(filepath.Dir(p))) == filepath.Base(s.dir) {
			elsewhere, err := s.standElsewhere(ctx, d.Name(), x)
			if err != nil {
				return err
			}
			if !elsewhere {
				lone = append(lone, p)
				return nil
			}
		}
		return os.Remove(p)
	})
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return s.setAside(lone)
}

// present reports whether a segment's file is there, and brings it back from where it
// was set aside. Another state may have given its name to a file of its own.
func (s *Store) present(ctx context.Context, g *holdfast.Segment) (bool, error) {
	full, aside := s.path(*g), filepath.Join(s.dir, asideDir, filepath.FromSlash(g.Path))
	_, err := os.Stat(full)
	there := err == nil
	if _, aerr := os.Stat(aside); aerr != nil {
		if !there {
			s.broke(g, "its file is missing")
		}
		return there, nil
	}
	if there {
		if sum, _, err := hashFile(ctx, full); err == nil && sum == g.SHA256 {
			return true, nil
		}
	}
	if sum, _, err := hashFile(ctx, aside); err != nil || sum != g.SHA256 {
		return there, nil
	}
	if there {
		if err := s.setAside([]string{full}); err != nil {
			return false, err
		}
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.Rename(aside, full), host.SyncDir(filepath.Dir(full))); err != nil {
		return false, fmt.Errorf("events: bringing a segment back: %w", err)
	}
	s.log.Warn("a segment that was set aside is back, as the state knows it", "segment", g.ID, "events", g.Events)
	return true, nil
}

// stand is where the events of blocks stand.
type stand struct {
	kept     []holdfast.Range // in segments that are here, or in none, as they were dropped
	gone     []holdfast.Range // in segments that are not here
	position uint64           // of the writer: later blocks are on the bus
}

// standElsewhere reports whether the events of a segment that the manifest does not
// know stand in those that it knows, or in blocks that the writer is still to read.
func (s *Store) standElsewhere(ctx context.Context, name string, x stand) (bool, error) {
	first, last, ok := blocksNamed(name)
	if !ok || slices.ContainsFunc(x.gone, func(r holdfast.Range) bool { return r.First <= last && first <= r.Last }) {
		return false, nil
	}
	for _, r := range append(slices.Clone(x.kept), holdfast.Range{First: last + 1, Last: last + 1}) {
		if r.Last < first {
			continue
		}
		// Blocks that the writer has read and that stand in no segment had no events.
		if hi := min(r.First-1, last); hi >= first && hi > x.position {
			if on, err := s.onBus(ctx, x.position+1, hi); err != nil || !on {
				return false, err
			}
		}
		if first = r.Last + 1; first > last {
			break
		}
	}
	return true, nil
}

// onBus reports whether the bus still has blocks.
func (s *Store) onBus(ctx context.Context, first, last uint64) (bool, error) {
	if s.bus == nil {
		return true, nil
	}
	lo, hi, err := s.bus(ctx)
	return lo <= first && last <= hi, err
}

// blocksNamed are the places on the bus that are part of a segment's name.
func blocksNamed(name string) (first, last uint64, ok bool) {
	const digits = 16
	at := len(time.DateOnly) + 1
	if len(name) < at+2*digits+1 {
		return 0, 0, false
	}
	first, err := strconv.ParseUint(name[at:at+digits], 10, 64)
	last, lerr := strconv.ParseUint(name[at+digits+1:at+2*digits+1], 10, 64)
	return first, last, err == nil && lerr == nil && first <= last
}

// setAside keeps segments out of the way, where nothing is removed.
func (s *Store) setAside(list []string) error {
	for _, p := range list {
		rel, err := filepath.Rel(s.dir, p)
		if err != nil {
			return fmt.Errorf("events: %w", err)
		}
		to := filepath.Join(s.dir, asideDir, rel)
		for n := 2; ; n++ {
			if _, err := os.Lstat(to); err != nil {
				break
			}
			to = filepath.Join(s.dir, asideDir, strings.TrimSuffix(rel, ".parquet")+fmt.Sprintf(".%d.parquet", n))
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.Rename(p, to), host.SyncDir(filepath.Dir(to))); err != nil {
			return fmt.Errorf("events: setting a segment aside: %w", err)
		}
	}
	if len(list) > 0 {
		s.log.Error("segments hold events that this state knows nothing of, so it was begun anew or is an older copy; they are set aside and cannot be searched: stop, restore the state.db that belongs to them, and start again",
			"segments", len(list), "folder", filepath.Join(s.dir, asideDir))
	}
	return nil
}

// asideIn counts the segments that were set aside.
func asideIn(dir string) (n int) {
	// What is not there, or cannot be read, has none.
	_ = filepath.WalkDir(filepath.Join(dir, asideDir), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(d.Name(), ".parquet") {
			n++
		}
		return nil
	})
	return n
}
