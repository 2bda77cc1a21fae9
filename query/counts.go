package query

import (
	"slices"
	"strings"
)

// CountsOf is the relation of the embedded store that has how many events there
// are of each value of a column, or of several ("dataset, time"): those columns,
// and Counted. Of time it has the minute. There may be several rows of the same
// values.
func CountsOf(what string) string { return "counts of " + what }

// Counted is the column of such a relation that says how many events a row
// stands for.
const Counted = "counted"

// minute is the step of the times in counts, in microseconds.
const minute = 60_000_000

// countsAgain are the aggregates that are found from counts, and what they are
// then; each of the others here does not ask how often a row is there.
var countsAgain = map[string]string{
	"count": "counted", "countif": "countedif", "dcount": "dcount", "min": "min", "max": "max", "mintext": "mintext", "maxtext": "maxtext",
	"minnative": "minnative", "maxnative": "maxnative", "set": "set",
}

// count answers a summarize from the counts of the store, where it asks for no
// more than one column or the minute, or dataset and minute.
func (pl *planner) count(r *relation) bool {
	var over []*relation // between the scan and r, the nearest to r first
	at := r.in[0]
	for ; at.op == "compute" || at.op == "filter"; at = at.in[0] {
		over = append(over, at)
	}
	if at.op != "scan" || len(over) > MaxDepth {
		return false
	}
	w := counting{scan: at, made: map[string]bool{}}
	for _, o := range slices.Backward(over) {
		w.scalar(o.cond, 0)
		for _, c := range o.add {
			w.scalar(c.expr, 0)
			w.made[c.name] = true
		}
	}
	for _, c := range r.by {
		w.scalar(c.expr, 0)
	}
	for _, a := range r.agg {
		w.no = w.no || countsAgain[a.op] == ""
		for _, c := range a.args {
			w.column(c)
		}
	}
	of := w.of
	switch {
	case of == "":
		of = "dataset"
	case w.dataset:
		of = "dataset, " + of
	}
	if w.no || pl.dialect.counts(of) == "" {
		return false
	}
	top := &relation{op: "scan", prefix: at.prefix, counts: of, note: pl.dialect.counts(of)}
	for _, o := range slices.Backward(over) {
		c := *o
		c.in = []*relation{top}
		top = &c
	}
	r.in = []*relation{top}
	agg := make([]aggregated, len(r.agg))
	for i, a := range r.agg {
		if a.op == "count" || a.op == "countif" {
			a.args = append(slices.Clone(a.args), at.scanColumn(Counted))
		}
		a.op = countsAgain[a.op]
		agg[i] = a
	}
	r.agg = agg
	return true
}

// counting looks at what a summarize asks of the events.
type counting struct {
	scan *relation
	made map[string]bool // columns that steps have added
	of   string          // the column besides the dataset
	no   bool            // counts do not do

	dataset bool // it is asked for
}

func (w *counting) column(name string) {
	if w.made[name] {
		return
	}
	name, ours := strings.CutPrefix(name, w.scan.prefix)
	switch {
	case ours && name == "dataset":
		w.dataset = true
	case !ours || columns[name] != text || w.of != "" && w.of != name:
		w.no = true
	default:
		w.of = name
	}
}

func (w *counting) scalar(x *scalar, depth int) {
	if x == nil || w.no {
		return
	}
	switch x.op {
	case "column":
		w.column(x.text)
		return
	case "bucket":
		if of := x.args[0]; of.op == "column" && of.text == w.scan.scanColumn("time") && !w.made[of.text] && x.us%minute == 0 && (w.of == "" || w.of == "time") {
			w.of = "time"
			return
		}
	case "field", "prev", "next", "rownumber":
		w.no = true
	}
	w.no = w.no || x.in != nil || len(x.keys) > 0 || depth > MaxDepth
	for _, a := range x.args {
		w.scalar(a, depth+1)
	}
}
