package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/store/events/clickhouse"
)

// mostHeld is how many events of a segment the search of a hold may find and
// still be told one by one; of more, all that is in the hold's span stays.
const mostHeld = 5000

// rowsGoing is the condition of rows that go: received before the limit of their
// dataset, and kept by no hold.
func rowsGoing(w *wherever, limits map[string]time.Time, kept []holdfast.KeptRows) string {
	due, keep := conditions(w, limits, kept)
	return due + " AND NOT " + keep
}

func conditions(w *wherever, limits map[string]time.Time, kept []holdfast.KeptRows) (due, keep string) {
	var list []string
	for _, name := range sortedKeys(limits) {
		list = append(list, "dataset = "+w.place(name, "String")+" AND "+at("received", "<", limits[name].UnixMicro()))
	}
	due = "(" + strings.Join(append(list, "false"), " OR ") + ")"
	list = nil
	for _, k := range kept {
		if len(k.Datasets) == 0 {
			continue
		}
		one := at("time", ">=", k.From) + " AND " + at("time", "<", k.To) + " AND " + w.oneOf("dataset", k.Datasets)
		if k.IDs != nil {
			one += " AND " + w.oneOf("id", append([]string{""}, k.IDs...))
		}
		list = append(list, "("+one+")")
	}
	return due, "(" + strings.Join(append(list, "false"), " OR ") + ")"
}

// keptRows are the holds as far as they matter for a segment.
func keptRows(keep []keeper, g *holdfast.Segment) []holdfast.KeptRows {
	var out []holdfast.KeptRows
	for _, k := range keep {
		r := holdfast.KeptRows{From: k.lo, To: k.hi}
		for _, p := range g.Parts {
			ok := k.hold.Dataset == "" || k.hold.Dataset == p.Dataset
			if !ok {
				ok, _ = path.Match(k.hold.Dataset, p.Dataset) // a pattern that is none was refused
			}
			if ok && !slices.Contains(r.Datasets, p.Dataset) {
				r.Datasets = append(r.Datasets, p.Dataset)
			}
		}
		if k.hold.Query != "" && len(k.ids) <= mostHeld {
			r.IDs = []string{}
			for id := range k.ids {
				r.IDs = append(r.IDs, id.String())
			}
			slices.Sort(r.IDs)
		}
		out = append(out, r)
	}
	return out
}

// counted is what stands in the table of some rows.
type counted struct {
	tally
	sum uint64
}

func (c *counted) addRow(p holdfast.SegmentPart, lo, hi int64, first, last string, sum uint64) {
	if c.n == 0 {
		c.lo, c.hi, c.min, c.max, c.parts = lo, hi, first, last, map[part]*holdfast.SegmentPart{}
	}
	c.n += p.Events
	c.sum += sum
	c.lo, c.hi, c.min, c.max = min(c.lo, lo), max(c.hi, hi), min(c.min, first), max(c.max, last)
	addParts(c.parts, []holdfast.SegmentPart{p})
}

// weigh counts the rows of a segment that go, that a hold keeps, and that stay.
func (x *far) weigh(ctx context.Context, g *holdfast.Segment, limits map[string]time.Time, kept []holdfast.KeptRows) (going, held, stay counted, err error) {
	var w wherever
	due, keep := conditions(&w, limits, kept)
	const hour = "3600000000"
	sql := "SELECT source, dataset, intDiv(" + ticks("received") + ", " + hour + ") * " + hour + " AS hour, multiIf(NOT " + due + ", 0, " + keep + ", 1, 2) AS fate, " +
		"count(), sum(if(raw_bytes = '', length(raw), length(raw_bytes))), min(" + ticks("time") + "), max(" + ticks("time") + "), min(id), max(id), sum(" + sumSQL() + ") FROM " +
		x.db.Name() + " WHERE " + placeOf(g) + " GROUP BY source, dataset, hour, fate"
	rows, err := x.db.Query(ctx, sql, w.args, clickhouse.Limits{Time: farTime, Memory: farMemory})
	if err != nil {
		return going, held, stay, err
	}
	defer rows.Close()
	for {
		v, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return going, held, stay, nil
		}
		if err != nil {
			return going, held, stay, err
		}
		p := holdfast.SegmentPart{Source: fmt.Sprint(v[0]), Dataset: fmt.Sprint(v[1]), Hour: time.UnixMicro(int64(unsigned(v[2]))).UTC(), Events: unsigned(v[4]), Raw: unsigned(v[5])}
		lo, hi, first, last, sum := int64(unsigned(v[6])), int64(unsigned(v[7])), fmt.Sprint(v[8]), fmt.Sprint(v[9]), unsigned(v[10])
		switch unsigned(v[3]) {
		case 2:
			going.addRow(p, lo, hi, first, last, sum)
			continue
		case 1:
			held.addRow(p, lo, hi, first, last, sum)
		}
		stay.addRow(p, lo, hi, first, last, sum)
	}
}

// unsigned is a number of an answer.
func unsigned(v any) uint64 {
	switch v := v.(type) {
	case int64:
		return uint64(v)
	case uint64:
		return v
	}
	return 0
}

// retainFar drops rows of one segment: first in the manifest, with the record of
// what has to be deleted, then in ClickHouse. What a crash leaves between, the
// next writer deletes.
func (s *Store) retainFar(ctx context.Context, r Retain, g holdfast.Segment, limits map[string]limit, keep []keeper, mark string) (*dropping, error) {
	rows := &holdfast.DropRows{Day: g.Day, Ranges: g.Covers(), Limits: map[string]time.Time{}, Kept: keptRows(keep, &g)}
	for _, p := range g.Parts {
		if l, ok := limits[p.Dataset]; ok {
			rows.Limits[p.Dataset] = l.before
		}
	}
	going, held, stay, err := s.far.weigh(ctx, &g, rows.Limits, rows.Kept)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", g.ID, err)
	}
	d := &dropping{going: going.tally, held: held.tally}
	if r.Dry || going.n == 0 {
		return d, nil
	}
	if going.n+stay.n != g.Events {
		return nil, fmt.Errorf("segment %s: the manifest says %d events, ClickHouse has %d; run `holdfast store verify --deep`: %w", g.ID, g.Events, going.n+stay.n, holdfast.ErrConflict)
	}
	left := holdfast.Segment{Day: g.Day, First: g.First, Last: g.Last, Ranges: g.Ranges, Made: s.clock.Now().UTC(), Written: cmp.Or(g.Written, g.Bytes), Form: g.Form, Sum: sumText(stay.sum)}
	left.ID = fmt.Sprintf("%s-%016d-%016d-d%s%s", g.Day, g.First, g.Last, s.mark, "-"+strconv.FormatInt(left.Made.UnixMicro(), 36))
	if err := stay.into(&left); err != nil {
		return nil, err
	}
	left.Bytes = uint64(float64(g.Bytes) * float64(weight(left.Parts)) / float64(max(weight(g.Parts), 1)))
	drop, e, err := s.dropOf(g, &left, d, limits)
	if err != nil {
		return nil, err
	}
	var stays *holdfast.Segment
	if left.Events > 0 {
		stays = &left
	} else {
		rows.All, rows.Limits, rows.Kept = true, nil, nil
	}
	drop.Rows = rows
	if err := s.manifest.DropEvents(ctx, drop, stays, mark, e); err != nil {
		return nil, err
	}
	s.step("dropped")
	return d, s.deleteDropped(ctx, drop)
}

// pile is what ClickHouse has of one block.
type pile struct{ n, sum uint64 }

type place struct {
	day   string
	block uint64
}

// piles counts the rows of every segment as it was inserted.
func (x *far) piles(ctx context.Context, deep bool) (map[place]pile, error) {
	sum := "0"
	if deep {
		sum = "sum(" + sumSQL() + ")"
	}
	rows, err := x.db.Query(ctx, "SELECT toString(day), block, count(), "+sum+" FROM "+x.db.Name()+" GROUP BY day, block", nil, clickhouse.Limits{Time: 24 * time.Hour, Memory: farMemory})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[place]pile{}
	for {
		v, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out[place{fmt.Sprint(v[0]), unsigned(v[1])}] = pile{unsigned(v[2]), unsigned(v[3])}
	}
}

// verifyFar compares the manifest with the rows in ClickHouse and the ledger.
func (s *Store) verifyFar(ctx context.Context, deep bool) (Verification, error) {
	start := time.Now()
	var v *verifier
	for range 5 {
		m, err := s.manifest.Manifest(ctx)
		if err != nil {
			return Verification{}, err
		}
		has, err := s.far.piles(ctx, deep)
		if err != nil {
			return Verification{}, fmt.Errorf("events: %w", err)
		}
		v = &verifier{out: Verification{Deep: deep, Problems: []Problem{}}, seen: map[string]*checked{}}
		v.compare(m, has)
		v.conclude(m)
		if v.out.Holds() {
			break
		}
		if now, err := s.manifest.Manifest(ctx); err == nil && sameSegments(m.Segments, now.Segments) {
			break // nothing has moved meanwhile
		}
	}
	if deep {
		if err := s.far.twice(ctx, v); err != nil {
			return v.out, fmt.Errorf("events: %w", err)
		}
	}
	v.out.Took = time.Since(start)
	return v.out, nil
}

// compare holds what ClickHouse has against the manifest.
func (v *verifier) compare(m holdfast.Manifest, has map[place]pile) {
	type span struct {
		holdfast.Range
		seg int
	}
	days := map[string][]span{}
	pending := map[string][]holdfast.Range{} // deleting them is under way
	for i := range m.Segments {
		for _, r := range m.Segments[i].Covers() {
			days[m.Segments[i].Day] = append(days[m.Segments[i].Day], span{r, i})
		}
	}
	for _, d := range m.Drops {
		if d.Rows != nil {
			pending[d.Rows.Day] = append(pending[d.Rows.Day], d.Rows.Ranges...)
		}
	}
	for _, list := range days {
		slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.First, b.First) })
	}
	in := func(day string, block uint64) bool {
		return slices.ContainsFunc(pending[day], func(r holdfast.Range) bool { return r.First <= block && block <= r.Last })
	}
	got := make([]pile, len(m.Segments))
	for p, h := range has {
		list := days[p.day]
		n, ok := slices.BinarySearchFunc(list, p.block, func(s span, b uint64) int { return cmp.Compare(s.First, b) })
		if !ok {
			n--
		}
		switch {
		case n >= 0 && p.block <= list[n].Last:
			g := &got[list[n].seg]
			g.n, g.sum = g.n+h.n, g.sum+h.sum
		case p.block <= m.Position && !in(p.day, p.block):
			v.add(Problem{Kind: "differs", What: fmt.Sprintf("ClickHouse has %d events of block %d and %s that stand in no segment", h.n, p.block, p.day), Events: h.n})
		}
	}
	for i := range m.Segments {
		g := &m.Segments[i]
		c := &checked{}
		v.seen[g.ID] = c
		switch {
		case in(g.Day, g.First):
		case got[i].n == 0 && g.Events > 0:
			c.problem = held(g, "missing", "ClickHouse has none of its events; restore them from a copy")
		case got[i].n != g.Events:
			c.problem = held(g, "differs", fmt.Sprintf("ClickHouse has %d of its events, the manifest says %d", got[i].n, g.Events))
		case v.out.Deep && g.Sum != "" && sumText(got[i].sum) != g.Sum:
			c.problem = held(g, "differs", "ClickHouse has other events than were inserted")
		}
	}
}

// twice looks for ids that stand in the table more than once.
func (x *far) twice(ctx context.Context, v *verifier) error {
	rows, err := x.db.Query(ctx, "SELECT id FROM "+x.db.Name()+" GROUP BY id HAVING count() > 1 LIMIT "+strconv.Itoa(mostProblems), nil, clickhouse.Limits{Time: 24 * time.Hour, Memory: farMemory})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var id holdfast.EventID
		if err := id.UnmarshalText([]byte(fmt.Sprint(row[0]))); err != nil {
			return err
		}
		v.add(Problem{Kind: "doubled", What: "the event " + id.String() + " is stored more than once", Events: 1, FirstID: id, LastID: id})
	}
}
