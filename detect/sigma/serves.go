package sigma

import (
	"slices"
	"strings"

	"holdfast"
)

// Serves reports whether rules of a logsource look at events of a dataset: each
// part that the logsource gives is that of the dataset, or of one it also has.
func Serves(rule holdfast.Logsource, d holdfast.Dataset) bool {
	part := func(w, h string) bool { return w == "" || strings.EqualFold(w, h) }
	fits := func(h holdfast.Logsource) bool {
		return part(rule.Product, h.Product) && part(rule.Category, h.Category) && part(rule.Service, h.Service)
	}
	return fits(d.Logsource) || slices.ContainsFunc(d.Also, fits)
}
