package spool

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/host"
)

func (s *Spool) cursorPath() string { return filepath.Join(s.o.Dir, "cursor.json") }

// recover reads the cursor and all segments, cuts a torn end off the last one
// and opens it for writing.
func (s *Spool) recover() error {
	b, err := os.ReadFile(s.cursorPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.cur.Birth = strings.TrimPrefix(holdfast.NewID("s"), "s-")
		if err := s.saveCursor(s.cur); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(b, &s.cur); err != nil {
			return fmt.Errorf("cursor.json: %w", err)
		}
	}
	names, err := filepath.Glob(filepath.Join(s.o.Dir, "*.seg"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	s.last = max(s.cur.Acked, s.cur.To)
	for i, name := range names {
		first, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".seg"), 10, 64)
		if err != nil {
			continue
		}
		seg, err := s.scan(name, first, i == len(names)-1)
		if err != nil {
			return err
		}
		s.segs = append(s.segs, seg)
		s.bytes += seg.size
		s.last = max(s.last, seg.last)
	}
	if len(s.segs) == 0 {
		return s.roll()
	}
	s.f, err = os.OpenFile(s.path(s.segs[len(s.segs)-1].first), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.dropAcked()
	return nil
}

// scan reads a segment at start. A bad frame in the last segment is the torn
// end of a write nobody was told of; in an older one it is damage, and said.
func (s *Spool) scan(name string, first uint64, newest bool) (segment, error) {
	seg := segment{first: first}
	f, err := os.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		return seg, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		fr, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return seg, nil
		}
		if err == nil {
			err = s.replay(fr, &seg)
		}
		if err != nil {
			if newest {
				s.o.Log.Info("spool: cut an unfinished write", "file", filepath.Base(name), "at", seg.size)
			} else {
				s.o.Log.Error("spool: a segment is damaged; what follows in it is lost", "file", filepath.Base(name), "at", seg.size, "error", err)
			}
			if err := f.Truncate(seg.size); err != nil {
				return seg, err
			}
			return seg, f.Sync()
		}
		seg.size += fr.size
	}
}

func (s *Spool) replay(fr frame, seg *segment) error {
	if fr.kind == kindPositions {
		m, err := fr.positions()
		for k, v := range m {
			s.positions[k] = v
		}
		return err
	}
	rs, err := fr.records()
	if err != nil {
		return err
	}
	s.remember(rs)
	seg.last = fr.seq
	seg.records += len(rs)
	if fr.seq > s.cur.Acked {
		if s.pending == 0 {
			s.oldest = oldestOf(rs)
		}
		s.pending += len(rs)
	}
	return nil
}

func (s *Spool) saveCursor(c cursor) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return host.WriteAtomic(s.cursorPath(), b, 0o600)
}

// next reads the batch after the last acknowledged one, and makes its bounds
// durable before it is handed out.
func (s *Spool) next() (Batch, error) {
	s.mu.Lock()
	cur, segs := s.cur, slices.Clone(s.segs)
	readSeg, readOff := s.readSeg, s.readOff
	s.mu.Unlock()
	b := Batch{First: cur.Acked + 1, Birth: cur.Birth}
	raw := 0
	for _, seg := range segs {
		if seg.last <= cur.Acked {
			continue
		}
		off := int64(0)
		if seg.first == readSeg {
			off = readOff
		}
		more, err := s.gather(seg, off, cur, &b, &raw)
		if err != nil {
			return Batch{}, err
		}
		if !more {
			break
		}
	}
	if len(b.Records) == 0 {
		return Batch{}, nil
	}
	s.mu.Lock()
	s.oldest = oldestOf(b.Records)
	s.mu.Unlock()
	if cur.To != b.Last {
		cur.To = b.Last
		if err := s.saveCursor(cur); err != nil {
			return Batch{}, full(fmt.Errorf("spool: %w", err))
		}
		s.mu.Lock()
		s.cur = cur
		s.mu.Unlock()
	}
	return b, nil
}

// gather adds a segment's frames to the batch; it reports whether there is
// room for more. Where the first frame stood is where the next search begins.
func (s *Spool) gather(seg segment, off int64, cur cursor, b *Batch, raw *int) (bool, error) {
	f, err := os.Open(s.path(seg.first))
	if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(io.NewSectionReader(f, off, seg.size-off), 64<<10)
	for {
		fr, err := readFrame(r)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("spool: segment %d at %d: %w", seg.first, off, err)
		}
		at := off
		off += fr.size
		if fr.kind != kindRecords || fr.seq <= cur.Acked {
			continue
		}
		if cur.To > cur.Acked && fr.seq > cur.To {
			return false, nil
		}
		rs, err := fr.records()
		if err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
		n := 0
		for i := range rs {
			n += len(rs[i].Raw)
		}
		if len(b.Records) > 0 && (len(b.Records)+len(rs) > wire.MaxRecords || *raw+n > wire.MaxRaw) {
			return false, nil
		}
		if len(b.Records) == 0 {
			s.mu.Lock()
			s.readSeg, s.readOff = seg.first, at
			s.mu.Unlock()
		}
		b.Records = append(b.Records, rs...)
		b.Last = fr.seq
		*raw += n
	}
}

// Ack says that the server has the batch: its room may be used again.
func (s *Spool) Ack(b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Last <= s.cur.Acked {
		return nil
	}
	// The new cursor becomes durable with the next batch's bounds; until then a
	// crash sends this batch again, under the same id. A segment goes only after
	// the cursor is on disk.
	s.cur.Acked = b.Last
	s.pending -= len(b.Records)
	s.oldest = time.Time{}
	if n := len(b.Records); s.pending > 0 && n > 0 {
		s.oldest = b.Records[n-1].Received // what follows came after it; Next knows when
	}
	if len(s.segs) > 1 && s.segs[0].last <= s.cur.Acked {
		if err := s.saveCursor(s.cur); err != nil {
			return full(fmt.Errorf("spool: %w", err))
		}
		s.dropAcked()
	}
	return nil
}

// dropAcked removes the segments that are acknowledged whole, but never the
// newest, which holds the positions. The caller holds mu.
func (s *Spool) dropAcked() {
	for len(s.segs) > 1 && s.segs[0].last <= s.cur.Acked {
		if err := os.Remove(s.path(s.segs[0].first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.o.Log.Warn("spool: remove", "error", err)
			return
		}
		s.bytes -= s.segs[0].size
		s.segs = s.segs[1:]
	}
}
