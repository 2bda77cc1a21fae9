package sigma

import (
	"fmt"
	"regexp"
	"strings"
)

// legacyCount and legacyNear are the old forms of aggregation (specification
// 1.0, "aggregation expression" and "near").
var (
	legacyCount = regexp.MustCompile(`(?i)^\|\s*(count|sum|avg|min|max)\s*\(\s*([^()]*?)\s*\)\s*(?:by\s+([^<>=|]+?))?\s*(<=|>=|<|>|==?)\s*([0-9.]+)\s*$`)
	legacyNear  = regexp.MustCompile(`(?i)^\|\s*near\s+(.+)$`)
)

// modern writes the correlation that takes the place of an old aggregation:
// the text behind the pipe, of a rule that is then named name. It returns "" if
// the old form cannot be read.
func modern(old, name, title, timeframe string) string {
	old = strings.TrimSpace(old)
	if timeframe == "" {
		timeframe = "5m"
	}
	var b strings.Builder
	write := func(kind, rules, groupBy, condition string) {
		fmt.Fprintf(&b, "title: %s\ncorrelation:\n  type: %s\n  rules: [%s]\n", title, kind, rules)
		if groupBy != "" {
			fmt.Fprintf(&b, "  group-by: [%s]\n", groupBy)
		}
		fmt.Fprintf(&b, "  timespan: %s\n", timeframe)
		if condition != "" {
			fmt.Fprintf(&b, "  condition: {%s}\n", condition)
		}
	}
	if m := legacyCount.FindStringSubmatch(old); m != nil {
		kind := map[string]string{"sum": "value_sum", "avg": "value_avg"}[strings.ToLower(m[1])]
		field := m[2]
		switch {
		case kind != "":
		case !strings.EqualFold(m[1], "count"):
			return "" // there is no least or greatest value among correlations
		case field == "" || field == "*":
			kind, field = "event_count", ""
		default:
			kind = "value_count"
		}
		compare := map[string]string{"<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "=": "eq", "==": "eq"}[m[4]] + ": " + m[5]
		if field != "" {
			compare = "field: " + field + ", " + compare
		}
		by := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		write(kind, name, strings.Join(by, ", "), compare)
		return b.String()
	}
	if m := legacyNear.FindStringSubmatch(old); m != nil {
		rules := []string{name}
		plain := true
		for _, w := range strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(" ()", r) }) {
			switch strings.ToLower(w) {
			case "and":
			case "not", "or":
				plain = false
			default:
				rules = append(rules, w)
			}
		}
		write("temporal", strings.Join(rules, ", "), "", "")
		if !plain {
			fmt.Fprintf(&b, "  condition: %s and %s\n", name, m[1])
		}
		return b.String()
	}
	return ""
}

// adviseModern says what to write in place of an old aggregation.
func (r *ruleReader) adviseModern(condition, timeframe string) string {
	at := strings.IndexByte(condition, '|')
	m := r.own
	name, title := m.Name, m.Title
	if name == "" {
		name = slug(title)
	}
	before := strings.TrimSpace(condition[:at])
	text := modern(condition[at:], name, title, timeframe)
	if text == "" {
		return "end the condition before the pipe and put the rest into a correlation; there is none for this form"
	}
	advice := fmt.Sprintf("write name: %s, condition: %s, and a second document behind it:\n---\n%s", name, before, text)
	if strings.Contains(text, "type: temporal\n") { // near named selections of one rule
		advice += "# each of its rules is a detection of its own, of that name\n"
	}
	return strings.TrimRight(advice, "\n")
}

// slug makes a name of a title.
func slug(title string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(title) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		if b.Len() >= 60 {
			break
		}
	}
	if s := strings.Trim(b.String(), "_"); s != "" {
		return s
	}
	return "base_rule"
}
