package query

import (
	"slices"

	"holdfast"
)

// Within is the relation of the embedded store that has the events of the range
// and no others. Which segments lie in the range whole is known from the
// manifest, so their events' times need not be read.
const Within = "events of the range"

// KeptCommandLine is the native field that the embedded store keeps as a column
// of its own: the text that is looked into most, and a tenth of all fields.
const KeptCommandLine = "CommandLine"

// KeptColumn is the column of the relations of the embedded store that has a
// kept field.
func KeptColumn(field string) string { return "fields." + field }

// Places are the columns of the embedded store's relations that say where an
// event lies: a number of a table, of a file in it, and of a row in that.
func Places() []string { return []string{"at.table", "at.file", "at.row"} }

// Segments is the dialect of the embedded store: DuckDB over relations that have
// more than the columns of events.
func Segments() Dialect { return segments{} }

type segments struct{ duckDB }

func (segments) within() string   { return Within }
func (segments) places() []string { return Places() }

// byDataset is what CountsOf takes for dataset and minute.
const byDataset = "dataset, time"

// counted is what the embedded store keeps counts of: columns whose values come
// back.
var counted = []string{
	"time", byDataset, "dataset", "source", "asset", "trouble", "drill", holdfast.EntityHost, holdfast.EntityUser, holdfast.EntitySource, holdfast.EntityDestination,
	holdfast.EntityProcess, holdfast.EntityExecutable, holdfast.EntityDomain, holdfast.EntityPrincipal,
}

// CountsKept is what the embedded store keeps counts of, for CountsOf, where there
// are few enough of them.
func CountsKept() []string { return slices.Clone(counted) }

func (segments) counts(of string) string {
	if slices.Contains(counted, of) {
		return CountsOf(of)
	}
	return ""
}

func (segments) kept(field string) string {
	if field == KeptCommandLine {
		return KeptColumn(field)
	}
	return ""
}
