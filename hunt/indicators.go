package hunt

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/hunt/indicator"
	"holdfast/query"
)

// column is a column of events that indicators are looked for in.
type column struct {
	name string
	kind indicator.Kind
}

var columns = []column{
	{holdfast.EntitySource, indicator.AnAddress},
	{holdfast.EntityDestination, indicator.AnAddress},
	{holdfast.EntityDomain, indicator.ADomain},
	{holdfast.EntityHash, indicator.AHash},
	{holdfast.EntityFile, indicator.AFile},
	{holdfast.EntityExecutable, indicator.AFile},
	{holdfast.EntityProcess, indicator.AFile},
}

const (
	atATime    = 2000   // values that one question names
	mostHosts  = 10_000 // of one indicator that are told apart
	mostSample = 300    // bytes of a record that are kept
)

// Indicators is a hunt for a list. It is not safe for concurrent use.
type Indicators struct {
	items   []indicator.Indicator
	match   *indicator.Matcher
	raw     bool
	columns []column
	hits    map[int32]*hit
	once    Once
	// Looked counts events that were looked at, Found those that had one.
	Looked, Found uint64
}

type hit struct {
	holdfast.HuntHit
	hosts map[string]int
}

// NewIndicators prepares a hunt. Raw says that the records are searched as well
// as the columns.
func NewIndicators(items []indicator.Indicator, raw bool) *Indicators {
	h := &Indicators{items: items, match: indicator.NewMatcher(items, raw), raw: raw, hits: map[int32]*hit{}}
	for _, c := range columns {
		if h.match.Has(c.kind) {
			h.columns = append(h.columns, c)
		}
	}
	return h
}

func field(name string) query.Expr { return query.Field{Name: name} }

// Part looks at one part of the time range.
func (h *Indicators) Part(ctx context.Context, ask Ask, r query.Range) error {
	h.once.Begin()
	err := h.part(ctx, ask, r)
	h.once.End(err)
	return err
}

func (h *Indicators) part(ctx context.Context, ask Ask, r query.Range) error {
	if h.raw {
		return h.rows(ctx, ask, r, nil)
	}
	for _, c := range h.columns {
		values, err := h.values(ctx, ask, r, c)
		if err != nil {
			return err
		}
		for len(values) > 0 {
			n := min(len(values), atATime)
			list := make([]query.Expr, n)
			for i, v := range values[:n] {
				list[i] = query.Text{Value: v}
			}
			values = values[n:]
			if err := h.rows(ctx, ask, r, query.In{Of: field(c.name), List: list}); err != nil {
				return err
			}
		}
	}
	return nil
}

// values are those of a column that are indicators.
func (h *Indicators) values(ctx context.Context, ask Ask, r query.Range, c column) (out []string, err error) {
	q := &query.Query{From: query.Events{}, Stages: []query.Stage{
		query.Where{Cond: query.Binary{Op: "!=", Left: field(c.name), Right: query.Text{}}},
		query.Summarize{By: []query.Named{{Name: "value", Expr: field(c.name)}}},
	}}
	var found []int32
	err = ask(ctx, q, r, func([]string) {}, func(row []any) error {
		v, _ := row[0].(string)
		if found = h.match.Value(c.kind, v, found[:0]); len(found) > 0 {
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

// rows looks at the events for which a condition holds, or at all.
func (h *Indicators) rows(ctx context.Context, ask Ask, r query.Range, cond query.Expr) error {
	q := &query.Query{From: query.Events{}}
	if cond != nil {
		q.Stages = append(q.Stages, query.Where{Cond: cond})
	}
	names := []string{"id", "time", "asset", holdfast.EntityHost, "raw"}
	fixed := len(names)
	for _, c := range h.columns {
		names = append(names, c.name)
	}
	pick := query.Project{}
	for _, n := range names {
		pick.Columns = append(pick.Columns, query.Named{Name: n, Expr: field(n)})
	}
	q.Stages = append(q.Stages, pick)
	text := func(v any) string { s, _ := v.(string); return s }
	var found, one []int32
	var where []string
	return ask(ctx, q, r, func([]string) {}, func(row []any) error {
		var id holdfast.EventID
		if err := id.UnmarshalText([]byte(text(row[0]))); err != nil {
			return err
		}
		if !h.once.New(id) {
			return nil
		}
		h.Looked++
		found, where = found[:0], where[:0]
		take := func(list []int32, name string) {
			for _, n := range list {
				if !slices.Contains(found, n) {
					found, where = append(found, n), append(where, name)
				}
			}
		}
		for i, c := range h.columns {
			if v := text(row[fixed+i]); v != "" {
				one = h.match.Value(c.kind, v, one[:0])
				take(one, c.name)
			}
		}
		if h.raw {
			one = h.match.Within(text(row[4]), one[:0])
			take(one, "raw")
		}
		if len(found) == 0 {
			return nil
		}
		h.Found++
		at, _ := row[1].(time.Time)
		host := cmp.Or(text(row[3]), text(row[2]))
		sample := holdfast.HiddenEvent{Event: id, Time: at, Asset: text(row[2]), Message: cut(text(row[4]))}
		for i, n := range found {
			h.count(n, where[i], host, sample)
		}
		return nil
	})
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), mostSample)], "") }

func (h *Indicators) count(n int32, where, host string, e holdfast.HiddenEvent) {
	x := h.hits[n]
	if x == nil {
		i := &h.items[n]
		x = &hit{HuntHit: holdfast.HuntHit{Indicator: i.Value, Type: string(i.Type), Note: i.Note, Fields: []string{}, Samples: []holdfast.HiddenEvent{}}, hosts: map[string]int{}}
		h.hits[n] = x
	}
	x.Events++
	if x.First.IsZero() || e.Time.Before(x.First) {
		x.First = e.Time
	}
	if e.Time.After(x.Last) {
		x.Last = e.Time
	}
	if !slices.Contains(x.Fields, where) {
		x.Fields = append(x.Fields, where)
	}
	if host != "" && (x.hosts[host] > 0 || len(x.hosts) < mostHosts) {
		x.hosts[host]++
	}
	// The newest parts come first, and of each its first events.
	if len(x.Samples) < holdfast.MaxHuntSamples {
		x.Samples = append(x.Samples, e)
	}
}

// Hits are the indicators that were seen, those on most hosts first, and how
// many more there were.
func (h *Indicators) Hits() ([]holdfast.HuntHit, int) {
	out := make([]holdfast.HuntHit, 0, len(h.hits))
	for _, n := range slices.Sorted(maps.Keys(h.hits)) {
		x := h.hits[n]
		one := x.HuntHit
		one.HostCount, one.Hosts = len(x.hosts), []holdfast.ReplayHost{}
		for name, n := range x.hosts {
			one.Hosts = append(one.Hosts, holdfast.ReplayHost{Name: name, Count: n})
		}
		slices.SortFunc(one.Hosts, func(a, b holdfast.ReplayHost) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Name, b.Name)) })
		one.Hosts = one.Hosts[:min(len(one.Hosts), holdfast.MaxHuntHosts)]
		slices.Sort(one.Fields)
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b holdfast.HuntHit) int {
		return cmp.Or(b.HostCount-a.HostCount, cmp.Compare(b.Events, a.Events))
	})
	kept := min(len(out), holdfast.MaxHuntHits)
	return out[:kept], len(out) - kept
}

// Notes say what a hunt for a list cannot find.
func Notes(l indicator.List, raw bool) (out []string) {
	counts := map[indicator.Type]int{}
	short := 0
	for i := range l.Items {
		counts[l.Items[i].Type]++
		if l.Items[i].Short() {
			short++
		}
	}
	if n := counts[indicator.MD5] + counts[indicator.SHA1] + counts[indicator.URL]; n > 0 && !raw {
		out = append(out, fmt.Sprintf("%d indicators are URLs or hashes that events have no column for; they are found with --raw alone", n))
	}
	if n := counts[indicator.Network]; n > 0 && raw {
		out = append(out, fmt.Sprintf("%d networks were looked for in the columns of addresses, not in the records", n))
	}
	if short > 0 && raw {
		out = append(out, fmt.Sprintf("%d indicators are too short to be looked for in the records", short))
	}
	if l.Doubled > 0 {
		out = append(out, fmt.Sprintf("%d indicators stood in the list twice", l.Doubled))
	}
	if l.Revoked > 0 {
		out = append(out, fmt.Sprintf("%d indicators are revoked by the list itself", l.Revoked))
	}
	return append(out, l.Notes...)
}

// Counts says how many indicators of each type there are.
func Counts(items []indicator.Indicator) map[string]int {
	out := map[string]int{}
	for i := range items {
		out[string(items[i].Type)]++
	}
	return out
}
