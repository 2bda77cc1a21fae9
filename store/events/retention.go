package events

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// Retain is what retention works with.
type Retain struct {
	Rules []holdfast.Retention
	// Holds returns the holds in force and a text that changes when they do.
	Holds func(ctx context.Context) ([]holdfast.Hold, string, error)
	// Search returns the events of a segment that the search of a hold finds.
	Search func(ctx context.Context, h holdfast.Hold, seg holdfast.Segment) (map[holdfast.EventID]bool, error)
	Dry    bool // only look what would go
	// Now is when ages end, the clock's time if it is zero.
	Now time.Time
}

// Retained is what retention has dropped, or would drop.
type Retained struct {
	Dry      bool           `json:"dry_run,omitempty"`
	Events   uint64         `json:"events"`
	Held     uint64         `json:"held"` // would have gone, and a hold keeps them
	Segments int            `json:"segments"`
	Datasets []RetainedData `json:"datasets"`
	Troubles []string       `json:"troubles,omitempty"`
}

// RetainedData is what goes of one dataset.
type RetainedData struct {
	Dataset string    `json:"dataset"`
	Why     string    `json:"why"`
	Before  time.Time `json:"before"` // when it was received
	Events  uint64    `json:"events"`
	Held    uint64    `json:"held"`
	Raw     uint64    `json:"raw"` // bytes of the records
}

// limit is what of a dataset goes: all that was received before.
type limit struct {
	before time.Time
	why    string
}

// Retain drops what has been kept long enough, segment by segment, the oldest
// first, and never what a hold keeps. Each segment is one transaction with the
// ledger and the evidence of it. It stops when ctx ends.
func (s *Store) Retain(ctx context.Context, r Retain) (Retained, error) {
	out := Retained{Dry: r.Dry, Datasets: []RetainedData{}}
	if len(r.Rules) == 0 {
		return out, nil
	}
	if !r.Dry {
		s.house.Lock()
		defer s.house.Unlock()
	}
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return out, fmt.Errorf("events: %w", err)
	}
	if r.Now.IsZero() {
		r.Now = s.clock.Now().UTC()
	}
	limits := limitsOf(segs, r.Rules, r.Now)
	sum := map[string]*RetainedData{}
	for _, g := range segs {
		if !goes(&g, limits) {
			continue
		}
		d, err := s.retain(ctx, r, g, limits)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err != nil {
			out.Troubles = append(out.Troubles, err.Error())
			s.log.Warn("dropping events", "segment", g.ID, "error", err)
			continue
		}
		d.into(&out, sum, limits)
	}
	for _, name := range slices.Sorted(maps.Keys(sum)) {
		out.Datasets = append(out.Datasets, *sum[name])
	}
	return out, nil
}

// limitsOf works out from the manifest alone what has to go.
func limitsOf(segs []holdfast.Segment, rules []holdfast.Retention, now time.Time) map[string]limit {
	hours := map[string]map[int64]uint64{} // dataset, hour: bytes
	for i := range segs {
		all := weight(segs[i].Parts)
		for j := range segs[i].Parts {
			p := &segs[i].Parts[j]
			if hours[p.Dataset] == nil {
				hours[p.Dataset] = map[int64]uint64{}
			}
			hours[p.Dataset][p.Hour.UnixMicro()] += share(&segs[i], p, all)
		}
	}
	out := map[string]limit{}
	for dataset, by := range hours {
		r, ok := holdfast.RetentionOf(rules, dataset)
		if !ok {
			continue
		}
		var l limit
		if r.Age > 0 {
			l = limit{byAge(now, r.Age.Std()), "older than " + days(r.Age.Std())}
		}
		if before := bySize(by, r.Size); before.After(l.before) {
			l = limit{before, fmt.Sprintf("more than %d bytes", r.Size)}
		}
		if !l.before.IsZero() {
			out[dataset] = l
		}
	}
	return out
}

// byAge goes by whole days, so that a segment is written again once a day at
// most; a short age goes by hours.
func byAge(now time.Time, age time.Duration) time.Time {
	if age < 3*24*time.Hour {
		return now.Add(-age).Truncate(time.Hour)
	}
	return now.Add(-age).Truncate(24 * time.Hour)
}

func bySize(by map[int64]uint64, size uint64) time.Time {
	if size == 0 {
		return time.Time{}
	}
	list := slices.Sorted(maps.Keys(by))
	var sum uint64
	for i := len(list) - 1; i >= 0; i-- {
		if sum += by[list[i]]; sum > size {
			return time.UnixMicro(list[i]).UTC().Add(time.Hour)
		}
	}
	return time.Time{}
}

func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}

// goes reports whether anything of a segment goes. One without counts, of old,
// waits until it was put together with others.
func goes(g *holdfast.Segment, limits map[string]limit) bool {
	return slices.ContainsFunc(g.Parts, func(p holdfast.SegmentPart) bool { return p.Hour.Before(limits[p.Dataset].before) })
}

// dropping is the decision about the rows of one segment.
type dropping struct {
	going, held tally
}

func (d *dropping) into(out *Retained, sum map[string]*RetainedData, limits map[string]limit) {
	of := func(name string) *RetainedData {
		if sum[name] == nil {
			sum[name] = &RetainedData{Dataset: name, Why: limits[name].why, Before: limits[name].before}
		}
		return sum[name]
	}
	for _, p := range d.going.parts {
		x := of(p.Dataset)
		x.Events, x.Raw = x.Events+p.Events, x.Raw+p.Raw
	}
	for _, p := range d.held.parts {
		of(p.Dataset).Held += p.Events
	}
	out.Events += d.going.n
	out.Held += d.held.n
	if d.going.n > 0 {
		out.Segments++
	}
}

func (s *Store) retain(ctx context.Context, r Retain, g holdfast.Segment, limits map[string]limit) (*dropping, error) {
	all, mark, err := r.Holds(ctx)
	if err != nil {
		return nil, err
	}
	keep, err := keepers(ctx, r, all, g)
	if err != nil {
		return nil, err
	}
	if s.far != nil {
		return s.retainFar(ctx, r, g, limits, keep, mark)
	}
	d := &dropping{}
	src, err := openSource(s.dir, g, mergeBatch)
	if err != nil {
		return nil, err
	}
	defer src.close()
	rest := &filter{from: src, d: d, keep: keep, limits: limits}
	if r.Dry {
		for x := rest.next(); x != nil; x = rest.next() {
		}
		return d, rest.failed()
	}
	left := holdfast.Segment{Day: g.Day, First: g.First, Last: g.Last, Ranges: g.Ranges, Made: s.clock.Now().UTC(), Written: cmp.Or(g.Written, g.Bytes)}
	s.name(&left)
	if left, err = s.write(ctx, left, rest); err != nil {
		return nil, err
	}
	if d.going.n == 0 || left.Events == 0 {
		s.doom(left) // nothing is in it, or all
	}
	if d.going.n == 0 {
		return d, nil
	}
	s.step("rewritten")
	drop, e, err := s.dropOf(g, &left, d, limits)
	if err != nil {
		return nil, err
	}
	var stays *holdfast.Segment
	if left.Events > 0 {
		stays = &left
	}
	if err := s.manifest.DropEvents(ctx, drop, stays, mark, e); err != nil {
		s.doom(left)
		return nil, err
	}
	s.step("dropped")
	s.doom(g)
	return d, nil
}

// dropOf is the record of a drop, and the evidence of it.
func (s *Store) dropOf(g holdfast.Segment, left *holdfast.Segment, d *dropping, limits map[string]limit) (holdfast.Drop, holdfast.Evidence, error) {
	drop := holdfast.Drop{
		ID: holdfast.StableID("drop", g.ID), At: s.clock.Now().UTC(), Segment: g.ID, Events: d.going.n, Parts: d.going.list(), Bytes: g.Bytes, Written: cmp.Or(g.Written, g.Bytes),
	}
	if left.Events > 0 {
		drop.Replaced, drop.Written = left.ID, 0
		drop.Bytes -= min(left.Bytes, g.Bytes)
	} else {
		drop.Ranges = g.Covers()
	}
	count, why := map[string]uint64{}, []string{}
	for _, p := range drop.Parts {
		count[p.Dataset] += p.Events
	}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		why = append(why, fmt.Sprintf("%d of %s, %s", count[name], name, limits[name].why))
	}
	drop.Why = strings.Join(why, "; ")
	detail, err := json.Marshal(drop)
	return drop, holdfast.Evidence{
		Key: holdfast.StableID("evd", drop.ID), At: drop.At, Who: "holdfast", Did: "event.drop", On: g.ID,
		Outcome: fmt.Sprintf("%d events: %s", drop.Events, drop.Why), Detail: detail,
	}, err
}

// keeper is a hold as far as it matters for one segment.
type keeper struct {
	hold   holdfast.Hold
	lo, hi int64
	ids    map[holdfast.EventID]bool // of its search
}

func keepers(ctx context.Context, r Retain, all []holdfast.Hold, g holdfast.Segment) ([]keeper, error) {
	var out []keeper
	for _, h := range all {
		if !h.From.IsZero() && g.Newest.Before(h.From) || !h.To.IsZero() && !g.Oldest.Before(h.To) {
			continue
		}
		k := keeper{hold: h, lo: -1 << 62, hi: 1 << 62}
		if !h.From.IsZero() {
			k.lo = h.From.UnixMicro()
		}
		if !h.To.IsZero() {
			k.hi = h.To.UnixMicro()
		}
		if h.Query != "" {
			ids, err := r.Search(ctx, h, g)
			if err != nil {
				return nil, fmt.Errorf("the search of the hold %s: %w; nothing of segment %s is dropped", h.Name, err, g.ID)
			}
			k.ids = ids
		}
		out = append(out, k)
	}
	return out, nil
}

func (k *keeper) keeps(r *row) bool {
	if r.Time < k.lo || r.Time >= k.hi {
		return false
	}
	if d := k.hold.Dataset; d != "" && d != r.Dataset {
		if ok, err := path.Match(d, r.Dataset); err != nil || !ok {
			return false
		}
	}
	if k.hold.Query == "" {
		return true
	}
	var id holdfast.EventID
	return id.UnmarshalText([]byte(r.ID)) != nil || k.ids[id]
}

// filter leaves out the rows that go.
type filter struct {
	from   rows
	d      *dropping
	keep   []keeper
	limits map[string]limit
}

func (f *filter) next() *row {
	for r := f.from.next(); r != nil; r = f.from.next() {
		if !time.UnixMicro(hourOf(r.Received)).Before(f.limits[r.Dataset].before) {
			return r
		}
		if slices.ContainsFunc(f.keep, func(k keeper) bool { return k.keeps(r) }) {
			f.d.held.add(r)
			return r
		}
		f.d.going.add(r)
	}
	return nil
}

func (f *filter) failed() error { return f.from.failed() }

// SegmentIDs returns the ids that a search finds in one segment. SQL is one
// SELECT over the relation "events" with a column id.
func (s *Store) SegmentIDs(ctx context.Context, g holdfast.Segment, st Statement) (map[holdfast.EventID]bool, error) {
	if s.far != nil {
		return s.far.ids(ctx, &g, st)
	}
	st.From, st.To = time.Time{}, time.Time{} // of all its events
	with, _ := s.named([]holdfast.Segment{g}, st)
	text := "WITH " + strings.Join(append(with, "events AS ("+s.relationOf(tablesOf([]holdfast.Segment{g}, ""), "")+")"), ", ") + " SELECT id FROM (" + st.SQL + ")"
	if err := s.onlySelect(ctx, text); err != nil {
		return nil, err
	}
	found, err := s.db.QueryContext(ctx, text, st.Args...)
	if err != nil {
		return nil, queryError(ctx, err)
	}
	defer found.Close()
	out := map[holdfast.EventID]bool{}
	for found.Next() {
		var text string
		var id holdfast.EventID
		if err := found.Scan(&text); err != nil {
			return nil, queryError(ctx, err)
		}
		if err := id.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, found.Err()
}
