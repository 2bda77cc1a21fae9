package events

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/query"
)

// table is segments of one form, which are read together.
type table struct {
	form  int
	where string // on the columns of the relation, as those of a search see them
	segs  []holdfast.Segment
}

// relations are what a statement stands on: SELECTs under their names, and the
// tables in them as query.Places number them.
type relations struct {
	with   string
	tables []table
}

// relations makes those of a statement.
func (s *Store) relations(ctx context.Context, st Statement) (relations, error) {
	segs, err := s.manifest.Segments(ctx, st.From, st.To)
	if err != nil {
		return relations{}, fmt.Errorf("events: %w", err)
	}
	if st.Whole {
		if lost, err := s.Broken(ctx, st.From, st.To); err != nil || lost.Segments > 0 {
			return relations{}, errors.Join(err, fmt.Errorf("what is exported would not be whole: %s; restore their files, or leave their time out: %w", lost, holdfast.ErrConflict))
		}
	}
	segs = s.readable(segs)
	arrived := ""
	if st.Arrived != nil {
		segs = slices.DeleteFunc(segs, func(g holdfast.Segment) bool { return g.Form == 0 || !st.Arrived.covers(&g) })
		arrived = st.Arrived.where()
	}
	if with, t := s.named(segs, st); st.Own == "" && len(with) > 0 {
		return relations{"WITH " + strings.Join(with, ", ") + " ", t}, nil
	}
	t := tablesOf(segs, "")
	all := s.relationOf(t, arrived)
	if st.Own != "" { // what somebody wrote sees the range, the columns of events, and nothing else
		names := make([]string, len(relation))
		for i, c := range relation {
			names[i] = `"` + c.name + `"`
		}
		return relations{"WITH stored AS NOT MATERIALIZED (" + all + "), events AS NOT MATERIALIZED (SELECT " + strings.Join(names, ", ") + " FROM stored" + bounded(st) + ") ", t}, nil
	}
	return relations{"WITH events AS NOT MATERIALIZED (" + all + ") ", t}, nil
}

// named are the relations that a statement of ours names, and the tables of those
// among them that are events.
func (s *Store) named(segs []holdfast.Segment, st Statement) (with []string, t []table) {
	add := func(name string, made func() string) {
		if strings.Contains(st.SQL, `"`+name+`"`) || strings.Contains(st.Find, `"`+name+`"`) {
			with = append(with, `"`+name+`" AS NOT MATERIALIZED (`+made()+")")
		}
	}
	add(query.Within, func() string {
		arrived := ""
		if st.Arrived != nil {
			arrived = st.Arrived.where()
		}
		t = within(segs, st)
		return s.relationOf(t, arrived)
	})
	for _, c := range query.CountsKept() {
		add(query.CountsOf(c), func() string { return s.countsRelation(c, segs, st) })
	}
	return with, t
}

// within are the tables of a range: segments that lie in it whole are read
// without a look at the time of their events.
func within(segs []holdfast.Segment, st Statement) []table {
	var inside, edge []holdfast.Segment
	for _, g := range segs {
		if whole(&g, st) {
			inside = append(inside, g)
		} else {
			edge = append(edge, g)
		}
	}
	return append(tablesOf(inside, ""), tablesOf(edge, bounded(st))...)
}

func tablesOf(segs []holdfast.Segment, where string) (out []table) {
	for form := range holdfast.SegmentForm + 1 {
		t := table{form: form, where: where}
		for _, g := range segs {
			if g.Form == form {
				t.segs = append(t.segs, g)
			}
		}
		if len(t.segs) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (a *Arrived) covers(g *holdfast.Segment) bool {
	return slices.ContainsFunc(g.Covers(), func(r holdfast.Range) bool { return r.Last > a.After && r.First <= a.Upto })
}

func (a *Arrived) where() string {
	out := fmt.Sprintf(` WHERE "position" > %d AND "position" <= %d AND "drill" = ''`, a.After, a.Upto)
	if !a.From.IsZero() {
		out += ` AND "received" >= TIMESTAMP ` + literal(stamp(a.From))
	}
	if !a.To.IsZero() {
		out += ` AND "received" < TIMESTAMP ` + literal(stamp(a.To))
	}
	return out
}

// relationOf is the SELECT that makes a relation of tables, with a condition on
// what they store.
func (s *Store) relationOf(tables []table, where string) string {
	parts := make([]string, len(tables))
	for i, t := range tables {
		parts[i] = "SELECT " + columnsOf(t.form, i) + " FROM " + s.files(t.segs) + where
		if t.where != "" {
			parts[i] = "SELECT * FROM (" + parts[i] + ")" + t.where
		}
	}
	if len(parts) > 0 {
		return strings.Join(parts, " UNION ALL ")
	}
	var cols []string
	for _, c := range relation {
		cols = append(cols, "NULL::"+c.kind+` AS "`+c.name+`"`)
	}
	for _, k := range kept {
		cols = append(cols, `NULL::VARCHAR AS "`+query.KeptColumn(k.field)+`"`)
	}
	for _, p := range query.Places() {
		cols = append(cols, `NULL::BIGINT AS "`+p+`"`)
	}
	return "SELECT " + strings.Join(cols, ", ") + " WHERE false"
}

// columnsOf are the columns of a relation, of the files of a form.
func columnsOf(form, number int) string {
	var cols []string
	for _, c := range relation {
		cols = append(cols, stored(c, form)+` AS "`+c.name+`"`)
	}
	for _, k := range kept {
		of := `"` + k.stored + `"`
		if form < keptForm {
			of = "coalesce(json_extract_string(fields, " + literal("/"+k.field) + "), '')"
		}
		cols = append(cols, of+` AS "`+query.KeptColumn(k.field)+`"`)
	}
	for i, of := range []string{strconv.Itoa(number) + "::BIGINT", "file_index::BIGINT", "file_row_number"} {
		cols = append(cols, of+` AS "`+query.Places()[i]+`"`)
	}
	return strings.Join(cols, ", ")
}

// stored is a column as a file of a form has it.
func stored(c column, form int) string {
	if c.kind == "TIMESTAMP" && form == 0 {
		return `"` + c.stored + `"::TIMESTAMP`
	}
	return `"` + c.stored + `"`
}

// files are segments as a table.
func (s *Store) files(segs []holdfast.Segment) string {
	files := make([]string, len(segs))
	for i, g := range segs {
		files[i] = literal(filepath.Join(s.dir, filepath.FromSlash(g.Path)))
	}
	return "read_parquet([" + strings.Join(files, ", ") + "])"
}
