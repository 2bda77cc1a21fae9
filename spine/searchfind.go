package spine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
)

// finding is what one look of a rule found.
type finding struct {
	alerts []holdfast.Alert
	note   string
}

// group is the rows that have one value of the column that a rule counts by.
type group struct {
	value       string
	rows        int
	first, last time.Time
	why         string
	samples     []sample
}

// sample is an event of a group.
type sample struct {
	match    holdfast.Match
	asset    string
	entities []holdfast.Entity
}

// counted is the query with its events counted by a column. Events without it
// are not counted.
func counted(q *query.Query, by string, least int) *query.Query {
	field := func(name string) query.Expr { return query.Field{Name: name} }
	sum := query.Summarize{Aggregates: []query.Named{
		{Name: "rows", Expr: query.Call{Name: "count"}},
		{Name: "first", Expr: query.Call{Name: "min", Args: []query.Expr{field("time")}}},
		{Name: "last", Expr: query.Call{Name: "max", Args: []query.Expr{field("time")}}},
	}}
	if by != "" {
		sum.By = []query.Named{{Name: "group", Expr: query.Call{Name: "tostring", Args: []query.Expr{field(by)}}}}
	}
	cond := query.Expr(query.Binary{Op: ">=", Left: field("rows"), Right: query.Number{Value: strconv.Itoa(least)}})
	if by != "" {
		cond = query.Binary{Op: "and", Left: cond, Right: query.Binary{Op: "!=", Left: field("group"), Right: query.Text{}}}
	}
	return &query.Query{Text: q.Text, From: q.From, Stages: append(slices.Clone(q.Stages), sum, query.Where{Cond: cond},
		query.Order{Keys: []query.Key{{Expr: field("rows"), Desc: true}}})}
}

// window is which events a rule looks at once it has come to end.
func (p place) window(x holdfast.Search, end mark) events.Arrived {
	from := p.last()
	a := events.Arrived{After: from.Position, Upto: p.Pending.Position}
	if from.Mid {
		a.From = from.At
	}
	if end.Mid {
		a.To = end.At
	}
	if x.Rule.Window > x.Rule.Every {
		start := end.At.Add(-x.Rule.Window.Std())
		a.After = p.Marks[0].Position
		for _, m := range p.Marks {
			if !m.At.After(start) && !m.Mid {
				a.After = m.Position
			}
		}
		if a.From = (time.Time{}); from.Mid || end.Mid {
			a.From = start
		}
	}
	return a
}

// find runs the search over the window that ends at end.
func (d *searching) find(ctx context.Context, x holdfast.Search, p place, end mark) (f finding, err error) {
	q, err := query.Parse(x.Query, end.At)
	if err != nil {
		return f, err
	}
	st, err := query.CompileWith(q, d.s.options(everTime, 1))
	if err != nil {
		return f, err
	}
	over := p.window(x, end)
	var groups []group
	if st.Events {
		groups, err = d.countEvents(ctx, q, x.Rule, over)
	} else {
		groups, f.note, err = d.countRows(ctx, q, x.Rule, over)
	}
	if err != nil {
		return f, err
	}
	if len(groups) > mostGroups {
		f.note = fmt.Sprintf("%d groups crossed the threshold, of which the %d largest are alerts", len(groups), mostGroups)
		groups = groups[:mostGroups]
	}
	if st.Events && len(groups) > 0 {
		if err := d.sample(ctx, q, x.Rule.GroupBy, over, groups); err != nil {
			return f, err
		}
	}
	for i := range groups {
		f.alerts = append(f.alerts, d.alert(x, &groups[i], end))
	}
	return f, nil
}

func (d *searching) countEvents(ctx context.Context, q *query.Query, r *holdfast.SearchRule, over events.Arrived) ([]group, error) {
	res, err := d.s.arrived(ctx, counted(q, r.GroupBy, r.Threshold), over, mostRowsSeen)
	if err != nil {
		return nil, err
	}
	at := columnsOf(res)
	out := make([]group, 0, len(res.Rows))
	for _, row := range res.Rows {
		g := group{rows: int(numberOf(row[at["rows"]]))}
		if r.GroupBy != "" {
			g.value = textOf(row[at["group"]])
		}
		g.first, _ = row[at["first"]].(time.Time)
		g.last, _ = row[at["last"]].(time.Time)
		if g.rows > 0 {
			out = append(out, g)
		}
	}
	return out, nil
}

// countRows counts the rows of a search that has made rows of its own.
func (d *searching) countRows(ctx context.Context, q *query.Query, r *holdfast.SearchRule, over events.Arrived) (out []group, note string, err error) {
	res, err := d.s.arrived(ctx, q, over, mostRowsSeen)
	if err != nil {
		return nil, "", err
	}
	at := columnsOf(res)
	by, ok := at[r.GroupBy]
	if r.GroupBy != "" && !ok {
		return nil, "", fmt.Errorf("the search has no column %q to count by any more: %w", r.GroupBy, holdfast.ErrInvalid)
	}
	if res.Truncated {
		note = fmt.Sprintf("there were more than %d rows, which were not counted", len(res.Rows))
	}
	index := map[string]int{}
	for _, row := range res.Rows {
		value := ""
		if r.GroupBy != "" {
			if value = textOf(row[by]); value == "" {
				continue
			}
		}
		i, ok := index[value]
		if !ok {
			i = len(out)
			index[value] = i
			out = append(out, group{value: value, why: rowText(res.Columns, row)})
		}
		out[i].rows++
		if s := entitiesOf(res.Columns, row); len(s) > 0 && len(out[i].samples) < holdfast.MaxMatches {
			out[i].samples = append(out[i].samples, sample{entities: s})
		}
	}
	out = slices.DeleteFunc(out, func(g group) bool { return g.rows < r.Threshold })
	slices.SortStableFunc(out, func(a, b group) int { return cmp.Compare(b.rows, a.rows) })
	return out, note, nil
}

// sample fetches events of the groups.
func (d *searching) sample(ctx context.Context, q *query.Query, by string, over events.Arrived, groups []group) error {
	field := func(name string) query.Expr { return query.Field{Name: name} }
	stages := slices.Clone(q.Stages)
	index := map[string]int{"": 0}
	pick := query.Project{}
	if by != "" {
		value := query.Call{Name: "tostring", Args: []query.Expr{field(by)}}
		var list []query.Expr
		for i := range groups {
			index[groups[i].value] = i
			list = append(list, query.Text{Value: groups[i].value})
		}
		stages = append(stages, query.Where{Cond: query.In{Of: value, List: list}})
		pick.Columns = append(pick.Columns, query.Named{Name: "group", Expr: value})
	}
	for _, name := range append([]string{"id", "time", "dataset", "asset"}, holdfast.EntityKinds()...) {
		pick.Columns = append(pick.Columns, query.Named{Name: name, Expr: field(name)})
	}
	cut := query.Call{Name: "substring", Args: []query.Expr{field("raw"), query.Number{Value: "0"}, query.Number{Value: "1000"}}}
	pick.Columns = append(pick.Columns, query.Named{Name: "raw", Expr: cut})
	stages = append(stages, query.Order{Keys: []query.Key{{Expr: field("time")}, {Expr: field("id")}}}, pick)
	res, err := d.s.arrived(ctx, &query.Query{Text: q.Text, From: q.From, Stages: stages}, over, 20*mostGroups)
	if err != nil {
		return err
	}
	at := columnsOf(res)
	for _, row := range res.Rows {
		value := ""
		if by != "" {
			value = textOf(row[at["group"]])
		}
		i, ok := index[value]
		if !ok || len(groups[i].samples) >= holdfast.MaxMatches {
			continue
		}
		one := sample{asset: textOf(row[at["asset"]]), entities: entitiesOf(res.Columns, row)}
		one.match.Dataset, one.match.Message = textOf(row[at["dataset"]]), textOf(row[at["raw"]])
		one.match.Time, _ = row[at["time"]].(time.Time)
		if err := one.match.Event.UnmarshalText([]byte(textOf(row[at["id"]]))); err != nil {
			return err
		}
		groups[i].samples = append(groups[i].samples, one)
	}
	return nil
}

// alert makes the alert of a group. Its id is of the search, the group and the
// window, so that a run that is done again raises it once.
func (d *searching) alert(x holdfast.Search, g *group, end mark) holdfast.Alert {
	now, rule := d.s.Clock.Now().UTC(), x.AlertRule()
	title := x.Title
	if title == "" {
		title = "Search " + x.Name
	}
	a := holdfast.Alert{
		ID:   holdfast.StableID("alt", rule, x.Created.String(), g.value, strconv.FormatUint(end.Position, 10), end.At.Format(time.RFC3339Nano)),
		Rule: rule, Title: title, Level: x.Rule.Level, Attack: slices.Clone(x.Rule.Attack), Group: []holdfast.Entity{}, Entities: []holdfast.Entity{},
		First: g.first, Last: g.last, Count: g.rows, Matches: []holdfast.Match{}, Raised: now, Updated: now, Status: holdfast.AlertOpen,
	}
	if a.First.IsZero() {
		a.First, a.Last = end.At.Add(-x.Rule.Window.Std()), end.At
	}
	why := fmt.Sprintf("%d rows", g.rows)
	if x.Rule.GroupBy != "" {
		a.Group = append(a.Group, holdfast.Entity{Kind: d.kindOf(x.Rule.GroupBy), Value: g.value})
		why += " by " + x.Rule.GroupBy + "=" + g.value
	}
	why += " within " + x.Rule.Window.String()
	if g.why != "" {
		why += ", the first: " + g.why
	}
	a.Stages = []holdfast.Stage{{Rule: rule, Title: title, Level: a.Level, Why: why, Time: a.Last, At: now}}
	for _, e := range a.Group {
		if slices.Contains(holdfast.EntityKinds(), e.Kind) && e.Value != "" {
			a.Entities = append(a.Entities, e)
		}
	}
	assets := map[string]bool{}
	for i := range g.samples {
		s := &g.samples[i]
		for _, e := range s.entities {
			if !slices.Contains(a.Entities, e) && len(a.Entities) < 200 {
				a.Entities = append(a.Entities, e)
			}
			if e.Kind == holdfast.EntityHost && s.asset == "" {
				s.asset = d.s.AssetOf(e.Value)
			}
		}
		assets[s.asset] = true
		a.Asset = s.asset
		if s.match.Dataset != "" {
			s.match.Rule = rule
			s.match.Because = []holdfast.Predicate{{Selection: "search", Op: "found by", Want: x.Query}}
			a.Matches = append(a.Matches, s.match)
		}
	}
	if len(assets) > 1 { // it is about several
		a.Asset = ""
	}
	return a
}

// kindOf is the ECS name of a column where every dataset that has it agrees.
func (d *searching) kindOf(column string) string {
	if slices.Contains(holdfast.EntityKinds(), column) {
		return column
	}
	kind := ""
	for _, ds := range d.s.Ingest.Datasets() {
		if ecs := ds.ECS[column]; ecs != "" && kind != "" && ecs != kind {
			return column
		} else if ecs != "" {
			kind = ecs
		}
	}
	return cmp.Or(kind, column)
}

func columnsOf(res events.Result) map[string]int {
	out := make(map[string]int, len(res.Columns))
	for i, c := range res.Columns {
		out[c.Name] = i
	}
	return out
}

func entitiesOf(columns []events.Column, row []any) (out []holdfast.Entity) {
	for i, c := range columns {
		if v, ok := row[i].(string); ok && v != "" && slices.Contains(holdfast.EntityKinds(), c.Name) {
			out = append(out, holdfast.Entity{Kind: c.Name, Value: v})
		}
	}
	return out
}

func rowText(columns []events.Column, row []any) string {
	parts := make([]string, 0, len(row))
	for i, c := range columns {
		parts = append(parts, c.Name+"="+textOf(row[i]))
	}
	out := strings.ToValidUTF8(strings.Join(parts, ", "), "\uFFFD")
	if len(out) > 500 {
		out = strings.ToValidUTF8(out[:500], "") + "…"
	}
	return out
}

func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []any:
		b, err := json.Marshal(v)
		if err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}

func numberOf(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}
