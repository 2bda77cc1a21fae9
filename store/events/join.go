package events

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"

	"holdfast"
	"holdfast/internal/turn"
)

// joinable reports whether segments may be put together as they lie: they are
// large enough that sorting them once more would gain little, and of the form that
// is written. It costs a tenth of what writing their rows again does.
func joinable(list []holdfast.Segment) bool {
	return !slices.ContainsFunc(list, func(g holdfast.Segment) bool {
		return g.Events*fullOf < fullRows || g.Form != holdfast.SegmentForm || g.Parts == nil
	})
}

// join writes the row groups of several segments to one, one after the other and
// without unpacking them. A file other than the manifest says is not taken, as what
// is wrong with it would look right afterwards.
func (s *Store) join(ctx context.Context, list []holdfast.Segment, seg holdfast.Segment) (holdfast.Segment, error) {
	t := s.turns.Begin(turn.Upkeep)
	defer t.End()
	f, err := createFile(s.dir, seg, newEncoders(), t)
	if err != nil {
		return seg, err
	}
	way := s.under(f)
	for i := range list {
		if err = s.joinOne(f, &list[i]); err == nil {
			err = way.on(ctx)
		}
		if err != nil {
			f.abandon()
			return seg, err
		}
	}
	return f.finish()
}

func (s *Store) joinOne(to *file, g *holdfast.Segment) error {
	f, err := os.Open(s.path(*g))
	if err != nil {
		s.broke(g, err.Error())
		return &unread{*g, err}
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return fmt.Errorf("segment %s: %w", g.ID, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != g.SHA256 {
		err := errors.New("its file is not the one that was written: run `holdfast store verify`")
		s.broke(g, err.Error())
		return &unread{*g, err}
	}
	file, err := parquet.OpenFile(f, size, parquet.SkipBloomFilters(true))
	if err == nil {
		err = to.w.Append(file)
	}
	if err != nil {
		return fmt.Errorf("segment %s: %w", g.ID, err)
	}
	to.tally.joined(g)
	return nil
}

// joined counts the rows of a segment as the manifest does.
func (t *tally) joined(g *holdfast.Segment) {
	lo, hi, first, last := g.Oldest.UnixMicro(), g.Newest.UnixMicro(), g.FirstID.String(), g.LastID.String()
	if t.n == 0 {
		t.begin(lo, first)
	}
	t.n += g.Events
	t.lo, t.hi, t.min, t.max = min(t.lo, lo), max(t.hi, hi), min(t.min, first), max(t.max, last)
	for _, p := range g.Parts {
		x := t.part(part{p.Source, p.Dataset, p.Hour.UnixMicro()})
		x.Events, x.Raw = x.Events+p.Events, x.Raw+p.Raw
	}
}
