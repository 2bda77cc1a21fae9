package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"syscall"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/host"
)

// commitLoop writes what callers of Put and Save bring, all that waits in one
// go.
func (s *Spool) commitLoop() {
	defer close(s.done)
	var codec wire.Codec
	for {
		var batch []put
		select {
		case p := <-s.puts:
			batch = append(batch, p)
		case <-s.wake:
		case <-s.stop:
			batch = s.drain(batch)
			s.answer(batch, s.commit(&codec, batch))
			return
		}
		batch = s.drain(batch)
		s.answer(batch, s.commit(&codec, batch))
	}
}

func (s *Spool) drain(batch []put) []put {
	for len(batch) < putQueue {
		select {
		case p := <-s.puts:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

func (s *Spool) answer(batch []put, err error) {
	for _, p := range batch {
		p.done <- err
	}
}

// commit writes the puts' records and the unsaved positions and makes them
// durable. On an error the file is as it was.
func (s *Spool) commit(codec *wire.Codec, batch []put) error {
	s.mu.Lock()
	var fresh []holdfast.Record
	mine := map[holdfast.EventID]struct{}{}
	for _, p := range batch {
		for i := range p.records {
			id := idOf(&p.records[i])
			if _, ok := s.known[id]; ok {
				continue
			}
			if _, ok := mine[id]; ok {
				continue
			}
			mine[id] = struct{}{}
			fresh = append(fresh, p.records[i])
		}
	}
	pos := maps.Clone(s.unsaved)
	seq := s.last
	s.mu.Unlock()
	var buf []byte
	var err error
	first := seq
	if len(pos) > 0 {
		if buf, err = appendPositions(buf, pos, seq); err != nil {
			return err
		}
	}
	for rest := fresh; len(rest) > 0; {
		n := frameful(rest)
		payload, err := codec.Encode(rest[:n], maxFrame)
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		seq++
		buf = appendFrame(buf, kindRecords, seq, payload)
		rest = rest[n:]
	}
	if len(buf) == 0 {
		return nil
	}
	if err := s.write(buf, first, seq, fresh); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range pos {
		if s.unsaved[k] == v {
			delete(s.unsaved, k)
		}
	}
	return nil
}

func appendPositions(buf []byte, pos map[string]string, seq uint64) ([]byte, error) {
	b, err := json.Marshal(pos)
	if err != nil {
		return nil, fmt.Errorf("spool: positions: %w", err)
	}
	return appendFrame(buf, kindPositions, seq, b), nil
}

// frameful returns how many of the records fit into one frame, which is also
// the smallest batch.
func frameful(rs []holdfast.Record) int {
	raw := 0
	for i := range rs {
		raw += len(rs[i].Raw)
		if i > 0 && (i >= wire.MaxRecords || raw > wire.MaxRaw/2) {
			return i
		}
	}
	return len(rs)
}

// room returns ErrFull when records of a size must not be taken. The caller
// holds mu.
func (s *Spool) room(size int) error {
	if s.bytes+int64(size) > s.o.Max {
		return fmt.Errorf("the agent's spool holds its %d MiB; it waits for the server: %w", s.o.Max>>20, holdfast.ErrFull)
	}
	free, _, err := host.Disk(s.o.Dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if free < s.o.Reserve+uint64(size) {
		return fmt.Errorf("%d MiB are free in %s and %d MiB are kept in reserve: %w", free>>20, s.o.Dir, s.o.Reserve>>20, holdfast.ErrFull)
	}
	return nil
}

// write appends frames to the last segment and syncs it.
func (s *Spool) write(buf []byte, before, after uint64, fresh []holdfast.Record) error {
	s.mu.Lock()
	if after > before {
		if err := s.room(len(buf)); err != nil {
			s.full = true
			s.mu.Unlock()
			return err
		}
	}
	if err := s.rollIfBig(); err != nil {
		s.mu.Unlock()
		return full(err)
	}
	f, seg := s.f, &s.segs[len(s.segs)-1]
	at := seg.size
	s.mu.Unlock()
	_, err := f.WriteAt(buf, at)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		if terr := f.Truncate(at); terr != nil {
			err = errors.Join(err, terr)
		}
		return full(fmt.Errorf("spool: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg = &s.segs[len(s.segs)-1]
	seg.size += int64(len(buf))
	s.bytes += int64(len(buf))
	s.full = false
	if after > before {
		seg.last, s.last = after, after
		seg.records += len(fresh)
		if s.pending == 0 {
			s.oldest = oldestOf(fresh)
		}
		s.pending += len(fresh)
		s.remember(fresh)
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
	return nil
}

// full makes a full disk an ErrFull.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", err, holdfast.ErrFull)
	}
	return err
}

// rollIfBig starts the next segment when the last is large enough. A segment
// begins with all positions, so that older ones may go. The caller holds mu.
func (s *Spool) rollIfBig() error {
	limit := min(int64(segmentMax), max(s.o.Max/8, 4096))
	if n := len(s.segs); n > 0 && (s.segs[n-1].size < limit || s.segs[n-1].last == 0) {
		return nil
	}
	return s.roll()
}

func (s *Spool) roll() error {
	first := s.last + 1
	buf, err := appendPositions(nil, s.positions, s.last)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(first), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if _, err = f.WriteAt(buf, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = host.SyncDir(s.o.Dir)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(s.path(first))
		return fmt.Errorf("spool: %w", err)
	}
	if s.f != nil {
		_ = s.f.Close()
	}
	s.f = f
	s.segs = append(s.segs, segment{first: first, size: int64(len(buf))})
	s.bytes += int64(len(buf))
	return nil
}
