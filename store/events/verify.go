package events

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// Verification is the outcome of comparing manifest, files and ledger.
type Verification struct {
	Deep     bool          `json:"deep"` // every row was read
	Segments int           `json:"segments"`
	Events   uint64        `json:"events"`
	Bytes    uint64        `json:"bytes"`
	Blocks   uint64        `json:"blocks"` // of the bus that the segments cover
	Dropped  uint64        `json:"dropped"`
	Sources  int           `json:"sources"`
	Hours    int           `json:"hours"` // rows of the ledger by source and hour
	Litter   int           `json:"litter"`
	Problems []Problem     `json:"problems"`
	Took     time.Duration `json:"took"`
}

// Holds reports whether all holds.
func (v *Verification) Holds() bool { return len(v.Problems) == 0 }

// Problem is something that does not hold. For a segment it says which events
// were in it, by what the manifest knows.
type Problem struct {
	Kind    string                 `json:"kind"` // missing, damaged, differs, gap, overlap, ledger, doubled, unknown
	Segment string                 `json:"segment,omitempty"`
	Source  string                 `json:"source,omitempty"`
	What    string                 `json:"what"`
	Events  uint64                 `json:"events,omitempty"`
	Parts   []holdfast.SegmentPart `json:"parts,omitempty"`
	Oldest  time.Time              `json:"oldest,omitzero"`
	Newest  time.Time              `json:"newest,omitzero"`
	FirstID holdfast.EventID       `json:"first_id,omitzero"`
	LastID  holdfast.EventID       `json:"last_id,omitzero"`
}

// mostProblems bounds the answer.
const mostProblems = 1000

// Manifester reads the manifest as of one moment.
type Manifester interface {
	Manifest(ctx context.Context) (holdfast.Manifest, error)
}

// Verify compares the manifest with the files under dir and with the ledger:
// every file against its size and SHA-256, the places on the bus without gap
// or overlap, the counts of the segments against the ledger. Deep reads every
// row as well, and finds an event that is there twice. It changes nothing and
// may run beside a server; step, if not nil, is called for each segment.
func Verify(ctx context.Context, dir string, from Manifester, deep bool, step func(done, of int)) (Verification, error) {
	start := time.Now()
	v := &verifier{dir: dir, out: Verification{Deep: deep, Problems: []Problem{}}, seen: map[string]*checked{}}
	var m holdfast.Manifest
	// Segments are put together meanwhile: what is gone then must stand in the
	// next look at the manifest.
	for range 10 {
		var err error
		if m, err = from.Manifest(ctx); err != nil {
			return v.out, err
		}
		again := false
		for i := range m.Segments {
			g := &m.Segments[i]
			if v.seen[g.ID] != nil && !v.seen[g.ID].missing {
				continue
			}
			if err := v.segment(ctx, g); err != nil {
				return v.out, err
			}
			again = again || v.seen[g.ID].missing
			if step != nil {
				step(i+1, len(m.Segments))
			}
		}
		if !again {
			break
		}
		if now, err := from.Manifest(ctx); err == nil && sameSegments(m.Segments, now.Segments) {
			break
		}
	}
	v.conclude(m)
	if deep {
		if err := v.twice(ctx, m.Segments); err != nil {
			return v.out, err
		}
	}
	v.litter(m.Segments)
	v.out.Took = time.Since(start)
	return v.out, nil
}

func sameSegments(a, b []holdfast.Segment) bool {
	return slices.EqualFunc(a, b, func(x, y holdfast.Segment) bool { return x.ID == y.ID })
}

// Verify compares the manifest with the files and the ledger.
func (s *Store) Verify(ctx context.Context, deep bool) (Verification, error) {
	if s.far != nil {
		return s.verifyFar(ctx, deep)
	}
	v, err := Verify(ctx, s.dir, s.manifest, deep, nil)
	for i := range v.Problems {
		if p := &v.Problems[i]; p.Kind == "missing" || p.Kind == "damaged" {
			if segs, err := s.manifest.Segments(ctx, p.Oldest, p.Newest); err == nil {
				for j := range segs {
					if segs[j].ID == p.Segment {
						s.broke(&segs[j], p.What)
					}
				}
			}
		}
	}
	return v, err
}

type verifier struct {
	dir  string
	out  Verification
	seen map[string]*checked
}

// checked is what became of one segment.
type checked struct {
	problem *Problem
	missing bool
	parts   []holdfast.SegmentPart // of a segment whose manifest has none
}

func (v *verifier) add(p Problem) {
	if len(v.out.Problems) < mostProblems {
		v.out.Problems = append(v.out.Problems, p)
	}
}

func held(g *holdfast.Segment, kind, what string) *Problem {
	return &Problem{
		Kind: kind, Segment: g.ID, What: what, Events: g.Events, Parts: g.Parts, Oldest: g.Oldest, Newest: g.Newest, FirstID: g.FirstID, LastID: g.LastID,
	}
}

func (v *verifier) segment(ctx context.Context, g *holdfast.Segment) error {
	c := &checked{}
	v.seen[g.ID] = c
	if g.Path == "" {
		c.problem = held(g, "missing", "it lies in ClickHouse, not in this folder; let the server verify it: leave out --offline")
		return nil
	}
	sum, n, err := hashFile(ctx, filepath.Join(v.dir, filepath.FromSlash(g.Path)))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		c.missing, c.problem = true, held(g, "missing", "the file "+g.Path+" is not there; restore it from a copy")
	case err != nil:
		c.problem = held(g, "damaged", "the file cannot be read: "+err.Error())
	case n != g.Bytes:
		c.problem = held(g, "damaged", fmt.Sprintf("the file has %d bytes, the manifest says %d; restore it from a copy", n, g.Bytes))
	case sum != g.SHA256:
		c.problem = held(g, "damaged", "the file's SHA-256 is not the manifest's; restore it from a copy")
	case v.out.Deep || g.Parts == nil:
		return v.rows(ctx, g, c)
	}
	return nil
}

func hashFile(ctx context.Context, path string) (sum string, n uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for ctx.Err() == nil {
		got, err := f.Read(buf)
		h.Write(buf[:got])
		n += uint64(got)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), n, nil
		}
		if err != nil {
			return "", n, err
		}
	}
	return "", n, ctx.Err()
}

// rows compares what the manifest says of a segment with its rows.
func (v *verifier) rows(ctx context.Context, g *holdfast.Segment, c *checked) error {
	var t tally
	src, err := openSource(v.dir, *g, eachBatch)
	if err != nil {
		c.problem = held(g, "damaged", err.Error())
		return nil
	}
	defer src.close()
	for r := src.next(); r != nil; r = src.next() {
		if t.add(r); t.n%eachBatch == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := src.failed(); err != nil {
		c.problem = held(g, "damaged", err.Error())
		return nil
	}
	var is holdfast.Segment
	if err := t.into(&is); err != nil {
		c.problem = held(g, "damaged", err.Error())
		return nil
	}
	c.parts = is.Parts
	switch {
	case is.Events != g.Events:
		c.problem = held(g, "differs", fmt.Sprintf("the file has %d events, the manifest says %d", is.Events, g.Events))
	case !is.Oldest.Equal(g.Oldest) || !is.Newest.Equal(g.Newest):
		c.problem = held(g, "differs", "the file's events are from another time than the manifest says")
	case g.Parts != nil && (is.FirstID != g.FirstID || is.LastID != g.LastID || !slices.EqualFunc(is.Parts, g.Parts, samePart)):
		c.problem = held(g, "differs", "the file's events are others than the manifest says")
	}
	return nil
}

func samePart(a, b holdfast.SegmentPart) bool {
	return a.Source == b.Source && a.Dataset == b.Dataset && a.Hour.Equal(b.Hour) && a.Events == b.Events && a.Raw == b.Raw
}

// conclude looks at all segments together.
func (v *verifier) conclude(m holdfast.Manifest) {
	b := newBooks()
	var ranges []holdfast.Range
	old := false
	for i := range m.Segments {
		g := &m.Segments[i]
		v.out.Segments++
		v.out.Events += g.Events
		v.out.Bytes += g.Bytes
		ranges = append(ranges, g.Covers()...)
		c := v.seen[g.ID]
		parts := g.Parts
		if parts == nil {
			old = true
			if c != nil {
				parts = c.parts
			}
		}
		b.add(parts)
		if c != nil && c.problem != nil {
			v.add(*c.problem)
		}
	}
	for i := range m.Drops {
		v.out.Dropped += m.Drops[i].Events
		ranges = append(ranges, m.Drops[i].Ranges...)
		b.add(m.Drops[i].Parts)
	}
	v.places(ranges, m.Position, old)
	v.out.Sources, v.out.Hours = len(m.Ledger), len(m.Hours)
	for _, p := range b.compare(m.Ledger, m.Hours) {
		v.add(p)
	}
}

// places looks for gaps and overlaps. Blocks without events at the end of the
// bus are in the next segment, and stood in none in stores of old.
func (v *verifier) places(ranges []holdfast.Range, position uint64, old bool) {
	joined, twice := holdfast.JoinRanges(ranges)
	for _, r := range twice {
		v.add(Problem{Kind: "overlap", What: fmt.Sprintf("blocks %d to %d of the bus stand in two segments", r.First, r.Last)})
	}
	next := uint64(1)
	for _, r := range joined {
		if r.First > next && !old {
			v.add(Problem{Kind: "gap", What: fmt.Sprintf("blocks %d to %d of the bus stand in no segment", next, r.First-1)})
		}
		next = r.Last + 1
		v.out.Blocks += r.Last - r.First + 1
	}
	if next > position+1 {
		v.add(Problem{Kind: "gap", What: fmt.Sprintf("segments go to block %d of the bus, the writer stands at %d", next-1, position)})
	}
}

func (v *verifier) litter(segs []holdfast.Segment) {
	known := map[string]bool{}
	for _, g := range segs {
		known[filepath.Join(v.dir, filepath.FromSlash(g.Path))] = true
	}
	// What cannot be read here has been named already.
	_ = filepath.WalkDir(v.dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && p == filepath.Join(v.dir, asideDir) {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() && !known[segmentOf(p)] && strings.Contains(d.Name(), ".parquet") {
			v.out.Litter++
		}
		return nil
	})
	if n := asideIn(v.dir); n > 0 {
		v.add(Problem{Kind: "unknown", What: fmt.Sprintf("%d segments in the folder %s hold events that the state knows nothing of; stop the server, restore the state.db that belongs to them and start it again", n, asideDir)})
	}
}
