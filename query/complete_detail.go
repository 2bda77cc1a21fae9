package query

// detail says in a few words what a candidate is.
func detail(kind, word string) string {
	switch kind {
	case "function":
		return functions[word].usage + ": " + functions[word].does
	case "operator", "keyword":
		return words[word]
	case "field":
		if s, ok := fieldDetails[word]; ok {
			return s
		}
		if columns[word] != 0 {
			return "text, the same in all sources"
		}
		return "as the source has it"
	}
	return ""
}

var fieldDetails = map[string]string{
	"id": "text, the event's own", "time": "time, when it happened", "received": "time, when it was taken in", "dataset": "text, the kind of event", "source": "text, the way in",
	"asset": "text, the id of the host", "trouble": "text, what was wrong with the record", "drill": "text, the drill that caused it", "fields": "text, all native fields as JSON",
	"raw": "text, the record as it came",
}

var words = map[string]string{
	"events": "all events of the time range", "let": "give a value or rows a name", "union": "the rows of several", "sql": "a SELECT over events, read only",
	"where": "keep rows for which a condition holds", "filter": "keep rows for which a condition holds", "extend": "add columns", "project": "keep these columns", "project-away": "leave columns out", "project-keep": "keep columns by pattern", "lookup": "columns of another search beside those of the same key",
	"project-rename": "give columns other names", "project-reorder": "bring columns to the front", "summarize": "group rows and compute over each group", "distinct": "each combination once",
	"sort": "sort rows", "order": "sort rows", "top": "the first rows by a column", "take": "so many rows", "limit": "so many rows", "count": "the number of rows", "join": "rows of two searches side by side",
	"parse": "take columns out of a text", "mv-expand": "a row for each element of a list", "render": "how to show it", "search": "rows that hold a text",
	"has": "holds a word", "contains": "holds a text, whatever its case", "startswith": "begins with", "endswith": "ends with", "matches": "fits a regular expression", "in": "is one of", "in~": "is one of, whatever its case",
	"has_any": "holds one of the words", "has_all": "holds all of the words", "between": "lies between two values", "hasprefix": "holds a word that begins with", "hassuffix": "holds a word that ends with",
	"by": "the columns that make the groups", "on": "what ties the rows together", "asc": "the smallest first", "desc": "the largest first", "and": "both hold", "or": "one of them holds", "with": "the pattern to read by",
	"timechart": "lines over time", "barchart": "bars", "columnchart": "columns", "piechart": "shares", "table": "rows",
}
