package query

import (
	"fmt"
	"sort"
	"strings"

	"holdfast/internal/nearest"
)

// What a function is used for.
const (
	perRow    = iota
	aggregate // in summarize
	window    // in extend after order by
)

// function describes one function of the language. In says what its arguments
// are, the last for all that follow: t text, n number, i time, . anything; op,
// if given, is the operation of the plan that it becomes, and out its kind.
type function struct {
	min, max int
	use      int
	in       string
	op       string
	out      byte
	usage    string
	does     string
}

var functions = map[string]function{
	"ago":                    {min: 1, max: 1, usage: "ago(1h)", does: "the time that long before now"},
	"now":                    {max: 1, usage: "now()", does: "the time of the query"},
	"bin":                    {min: 2, max: 2, usage: "bin(time, 5m)", does: "rounds a time or a number down to a step"},
	"floor":                  {min: 1, max: 2, usage: "floor(x, 10)", does: "rounds down, to a step or to a whole number"},
	"ceiling":                {min: 1, max: 1, in: "n", op: "ceil", out: numeric, usage: "ceiling(x)", does: "rounds up"},
	"round":                  {min: 1, max: 2, usage: "round(x, 2)", does: "rounds to so many places"},
	"abs":                    {min: 1, max: 1, in: "n", op: "abs", out: numeric, usage: "abs(x)", does: "a number without its sign"},
	"sqrt":                   {min: 1, max: 1, in: "n", op: "sqrt", out: numeric, usage: "sqrt(x)", does: "the square root"},
	"log":                    {min: 1, max: 1, in: "n", op: "ln", out: numeric, usage: "log(x)", does: "the natural logarithm"},
	"log2":                   {min: 1, max: 1, in: "n", op: "log2", out: numeric, usage: "log2(x)", does: "the logarithm to base 2"},
	"log10":                  {min: 1, max: 1, in: "n", op: "log10", out: numeric, usage: "log10(x)", does: "the logarithm to base 10"},
	"exp":                    {min: 1, max: 1, in: "n", op: "exp", out: numeric, usage: "exp(x)", does: "e to a power"},
	"pow":                    {min: 2, max: 2, in: "n", op: "pow", out: numeric, usage: "pow(x, 2)", does: "x to a power"},
	"min_of":                 {min: 2, max: 30, in: "n", op: "least", out: numeric, usage: "min_of(a, b)", does: "the smallest of its arguments"},
	"max_of":                 {min: 2, max: 30, in: "n", op: "greatest", out: numeric, usage: "max_of(a, b)", does: "the largest of its arguments"},
	"tolower":                {min: 1, max: 1, in: "t", op: "lower", out: text, usage: "tolower(field)", does: "in small letters"},
	"toupper":                {min: 1, max: 1, in: "t", op: "upper", out: text, usage: "toupper(field)", does: "in capital letters"},
	"tostring":               {min: 1, max: 1, usage: "tostring(x)", does: "as text"},
	"toint":                  {min: 1, max: 1, in: "n", op: "int", out: numeric, usage: "toint(field)", does: "as a whole number"},
	"tolong":                 {min: 1, max: 1, in: "n", op: "int", out: numeric, usage: "tolong(field)", does: "as a whole number"},
	"todouble":               {min: 1, max: 1, usage: "todouble(field)", does: "as a number"},
	"toreal":                 {min: 1, max: 1, usage: "toreal(field)", does: "as a number"},
	"todecimal":              {min: 1, max: 1, usage: "todecimal(field)", does: "as a number"},
	"tobool":                 {min: 1, max: 1, usage: "tobool(field)", does: "as a condition: true, or a number other than 0"},
	"todatetime":             {min: 1, max: 1, usage: "todatetime(field)", does: "as a time"},
	"strlen":                 {min: 1, max: 1, in: "t", op: "length", out: numeric, usage: "strlen(field)", does: "how many characters"},
	"strcat":                 {min: 1, max: 64, in: "t", op: "concat", out: text, usage: `strcat(a, "-", b)`, does: "texts one after another"},
	"substring":              {min: 2, max: 3, usage: "substring(field, 0, 8)", does: "a part of a text, from a place counted from 0, or from the end where it is below"},
	"indexof":                {min: 2, max: 2, in: "t", op: "indexof", out: numeric, usage: `indexof(field, "x")`, does: "where a text stands in another, or -1"},
	"replace_string":         {min: 3, max: 3, in: "t", op: "replace", out: text, usage: `replace_string(field, "a", "b")`, does: "with one text in place of another"},
	"replace_regex":          {min: 3, max: 3, usage: `replace_regex(field, @"\d+", "N")`, does: "with a text in place of each match"},
	"trim":                   {min: 2, max: 2, usage: `trim(@"\s+", field)`, does: "without matches at either end"},
	"reverse":                {min: 1, max: 1, in: "t", op: "reverse", out: text, usage: "reverse(field)", does: "backwards"},
	"split":                  {min: 2, max: 3, usage: `split(field, ",")`, does: "the parts between a separator; the third argument picks one"},
	"strcat_array":           {min: 2, max: 2, usage: `strcat_array(list, ",")`, does: "a list as one text"},
	"array_length":           {min: 1, max: 1, usage: "array_length(list)", does: "how many elements"},
	"extract":                {min: 3, max: 4, usage: `extract(@"port (\d+)", 1, raw)`, does: "what a group of a regular expression matches"},
	"parse_json":             {min: 1, max: 1, usage: "parse_json(field).name", does: "a text as the JSON that it holds, of which .name and [0] are parts"},
	"todynamic":              {min: 1, max: 1, usage: "todynamic(field).name", does: "as parse_json"},
	"countof":                {min: 2, max: 2, in: "t", op: "countof", out: numeric, usage: `countof(field, "x")`, does: "how often a text stands in another"},
	"base64_decode_tostring": {min: 1, max: 1, in: "t", op: "base64", out: text, usage: "base64_decode_tostring(field)", does: "the text that Base64 stands for"},
	"url_decode":             {min: 1, max: 1, in: "t", op: "urldecoded", out: text, usage: "url_decode(field)", does: "with the characters that %41 and the like stand for"},
	"hash_sha256":            {min: 1, max: 1, in: "t", op: "sha256", out: text, usage: "hash_sha256(field)", does: "the SHA-256 of a text"},
	"column_ifexists":        {min: 2, max: 2, usage: `column_ifexists("field", "")`, does: "a column if there is one of that name, else another value"},
	"isempty":                {min: 1, max: 1, usage: "isempty(field)", does: "there is nothing in it"},
	"isnotempty":             {min: 1, max: 1, usage: "isnotempty(field)", does: "there is something in it"},
	"isnull":                 {min: 1, max: 1, usage: "isnull(field)", does: "there is nothing in it"},
	"isnotnull":              {min: 1, max: 1, usage: "isnotnull(field)", does: "there is something in it"},
	"iff":                    {min: 3, max: 3, usage: "iff(condition, then, else)", does: "one value or the other"},
	"iif":                    {min: 3, max: 3, usage: "iif(condition, then, else)", does: "one value or the other"},
	"case":                   {min: 3, max: 99, usage: "case(condition, value, …, else)", does: "the value of the first condition that holds"},
	"coalesce":               {min: 2, max: 64, usage: "coalesce(a, b)", does: "the first that is not empty"},
	"not":                    {min: 1, max: 1, usage: "not(condition)", does: "the opposite"},
	"ipv4_is_in_range": {
		min: 2, max: 2, usage: `ipv4_is_in_range(source.ip, "10.0.0.0/8")`, does: "an IPv4 address is in a network",
	},
	"ipv4_is_in_any_range": {min: 2, max: 64, usage: `ipv4_is_in_any_range(source.ip, "10.0.0.0/8", "192.0.2.0/24")`, does: "an IPv4 address is in one of the networks"},
	"ipv4_is_private":      {min: 1, max: 1, usage: "ipv4_is_private(source.ip)", does: "an IPv4 address is in 10/8, 172.16/12 or 192.168/16"},
	"format_datetime":      {min: 2, max: 2, usage: `format_datetime(time, "yyyy-MM-dd HH:mm")`, does: "a time as text"},
	"startofday":           {min: 1, max: 1, in: "i", usage: "startofday(time)", does: "midnight before"},
	"startofweek":          {min: 1, max: 1, in: "i", usage: "startofweek(time)", does: "the Sunday before"},
	"startofmonth":         {min: 1, max: 1, in: "i", op: "month", out: instant, usage: "startofmonth(time)", does: "the first of the month"},
	"hourofday":            {min: 1, max: 1, in: "i", op: "hour", out: numeric, usage: "hourofday(time)", does: "the hour, 0 to 23"},
	"dayofweek":            {min: 1, max: 1, in: "i", op: "weekday", out: period, usage: "dayofweek(time)", does: "days since Sunday, as 0d to 6d"},
	"dayofmonth":           {min: 1, max: 1, in: "i", op: "monthday", out: numeric, usage: "dayofmonth(time)", does: "the day, 1 to 31"},
	"monthofyear":          {min: 1, max: 1, in: "i", op: "yearmonth", out: numeric, usage: "monthofyear(time)", does: "the month, 1 to 12"},
	"getyear":              {min: 1, max: 1, in: "i", op: "year", out: numeric, usage: "getyear(time)", does: "the year"},
	"endofday":             {min: 1, max: 1, in: "i", usage: "endofday(time)", does: "the last moment of the day"},
	"datetime_add":         {min: 3, max: 3, usage: `datetime_add("hour", -1, time)`, does: "a time so many units later"},
	"datetime_diff":        {min: 3, max: 3, usage: `datetime_diff("minute", later, earlier)`, does: "how many whole units lie between"},
	"prev":                 {min: 1, max: 3, use: window, usage: "prev(field)", does: "the value in the row before, in the order of order by"},
	"next":                 {min: 1, max: 3, use: window, usage: "next(field)", does: "the value in the row after, in the order of order by"},
	"row_number":           {max: 1, use: window, usage: "row_number()", does: "the row's place, from 1"},

	"count":        {use: aggregate, usage: "count()", does: "how many rows"},
	"countif":      {min: 1, max: 1, use: aggregate, usage: "countif(condition)", does: "rows for which a condition holds"},
	"dcount":       {min: 1, max: 2, use: aggregate, usage: "dcount(field)", does: "how many different values, exactly"},
	"dcountif":     {min: 2, max: 3, use: aggregate, usage: "dcountif(field, condition)", does: "different values where a condition holds"},
	"sum":          {min: 1, max: 1, use: aggregate, usage: "sum(field)", does: "the sum"},
	"sumif":        {min: 2, max: 2, use: aggregate, usage: "sumif(field, condition)", does: "the sum where a condition holds"},
	"avg":          {min: 1, max: 1, use: aggregate, usage: "avg(field)", does: "the mean"},
	"avgif":        {min: 2, max: 2, use: aggregate, usage: "avgif(field, condition)", does: "the mean where a condition holds"},
	"min":          {min: 1, max: 1, use: aggregate, usage: "min(field)", does: "the smallest"},
	"max":          {min: 1, max: 1, use: aggregate, usage: "max(field)", does: "the largest"},
	"percentile":   {min: 2, max: 2, use: aggregate, usage: "percentile(field, 95)", does: "the value that so many percent do not exceed"},
	"percentiles":  {min: 2, max: 12, use: aggregate, usage: "percentiles(field, 50, 95)", does: "several percentiles"},
	"stdev":        {min: 1, max: 1, use: aggregate, usage: "stdev(field)", does: "the standard deviation"},
	"variance":     {min: 1, max: 1, use: aggregate, usage: "variance(field)", does: "the variance"},
	"make_set":     {min: 1, max: 2, use: aggregate, usage: "make_set(field)", does: "the different values as a sorted list"},
	"make_set_if":  {min: 2, max: 3, use: aggregate, usage: "make_set_if(field, condition)", does: "the different values where a condition holds"},
	"make_list_if": {min: 2, max: 3, use: aggregate, usage: "make_list_if(field, condition)", does: "all values where a condition holds"},
	"make_list":    {min: 1, max: 2, use: aggregate, usage: "make_list(field)", does: "all values as a list"},
	"makeset":      {min: 1, max: 2, use: aggregate, usage: "makeset(field)", does: "as make_set"},
	"makelist":     {min: 1, max: 2, use: aggregate, usage: "makelist(field)", does: "as make_list"},
	"arg_max":      {min: 2, max: 30, use: aggregate, usage: "arg_max(time, *)", does: "other columns where one is largest"},
	"arg_min":      {min: 2, max: 30, use: aggregate, usage: "arg_min(time, *)", does: "other columns where one is smallest"},
	"any":          {min: 1, max: 1, use: aggregate, usage: "any(field)", does: "one of the values"},
	"take_any":     {min: 1, max: 1, use: aggregate, usage: "take_any(field)", does: "one of the values"},
}

func functionNames() []string {
	out := make([]string, 0, len(functions)+3)
	for n := range functions {
		out = append(out, n)
	}
	out = append(out, "datetime", "timespan", "dynamic", "toscalar")
	sort.Strings(out)
	return out
}

func aggregateNames() []string {
	var out []string
	for n, f := range functions {
		if f.use == aggregate {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

// checkCall counts arguments, and works out what is known already.
func (p *parser) checkCall(c Call) (Expr, error) {
	f := functions[c.Name]
	if len(c.Args) < f.min || len(c.Args) > f.max {
		takes := fmt.Sprint(f.min)
		if f.max > f.min {
			takes += fmt.Sprintf(" to %d", f.max)
		}
		return nil, &Error{Pos: c.pos, Len: c.len, What: fmt.Sprintf("%s has %d arguments and takes %s", c.Name, len(c.Args), takes), Suggest: "write " + f.usage}
	}
	switch c.Name {
	case "now":
		if len(c.Args) == 0 {
			return Instant{c.span, p.now.UTC()}, nil
		}
		if d, ok := c.Args[0].(Span); ok {
			return Instant{c.span, p.now.Add(d.Value).UTC()}, nil
		}
		pos, l := c.Args[0].At()
		return nil, &Error{Pos: pos, Len: l, What: "now takes a duration", Suggest: "write now(-1h)"}
	case "ago":
		d, ok := c.Args[0].(Span)
		if !ok {
			pos, l := c.Args[0].At()
			return nil, &Error{Pos: pos, Len: l, What: "ago takes a duration", Suggest: "write ago(24h)"}
		}
		return p.ago(d.Value, c.span), nil
	case "not":
		return Not{c.span, c.Args[0]}, nil
	case "todynamic":
		c.Name = "parse_json"
	case "todecimal":
		c.Name = "toreal"
	case "iif":
		c.Name = "iff"
	case "makeset":
		c.Name = "make_set"
	case "makelist":
		c.Name = "make_list"
	case "any":
		c.Name = "take_any"
	case "bin", "floor":
		return checkBin(c)
	case "todatetime", "startofday", "startofweek", "startofmonth":
		return constantCall(c), nil
	}
	return c, nil
}

func checkBin(c Call) (Expr, error) {
	if len(c.Args) == 1 {
		c.Args = append(c.Args, Number{c.span, "1"})
	}
	c.Name = "bin"
	switch step := c.Args[1].(type) {
	case Span:
		if step.Value.Microseconds() > 0 {
			return constantCall(c), nil
		}
	case Number:
		if isNumber(step.Value) && !strings.HasPrefix(step.Value, "-") && strings.Trim(step.Value, "0.") != "" {
			return c, nil
		}
	}
	pos, l := c.Args[1].At()
	return nil, &Error{Pos: pos, Len: l, What: "bin takes a step larger than nothing", Suggest: "write bin(time, 5m) or bin(field, 10)"}
}

// suggest names the known word nearest to what was written, or says otherwise.
func suggest(word string, known []string, otherwise string) string {
	return nearest.Say(word, known, 3, otherwise)
}
