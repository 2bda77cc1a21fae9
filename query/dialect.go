package query

import (
	"strconv"
	"strings"
	"time"
)

// Dialect is the SQL of one engine: DuckDB or ClickHouse.
type Dialect interface {
	// Name is "duckdb" or "clickhouse".
	Name() string
	// operation is the SQL of an operation over arguments that are SQL already.
	// $1, $2 stand for them, $* for all of them with commas between.
	operation(op string) string
	// grouped is the SQL of an aggregate; $1 stands for its argument, #n for the
	// number that belongs to it, #o for its order.
	grouped(op string) string
	// place is where the n-th argument of the statement stands, as a text.
	place(n int) string
	// argument is a value as the engine is given it.
	argument(v any) any
	// instantAt is a time that is given as the n-th argument.
	instantAt(n int) string
	quote(name string) string
	null(kind byte) string
	empty(kind byte) string
	// number makes numbers of different width go together.
	number(sql string) string
	join(kind string) string
	field(n int, of, name string) (sql string, arg any)
	// member is what stands at a way inside of JSON: "n" and a name, or "i" and a
	// place from 0, by turns as they come. Place gives the SQL of a constant.
	member(of string, path []string, place func(any) string) string
	format(parts []string) string
	// bucket is the beginning of the span of us microseconds that a time is in;
	// ours says that the time is one of an event, which is never out of range.
	bucket(us int64, of string, ours bool) string
	window(op, of, n, order string) string
	unnest(sql string) string
	// shown is a value of the answer.
	shown(kind byte, sql string) string
	settings() string
	// keys counts the keys of the JSON objects that a statement gives as "fields",
	// and their different values, about or exactly.
	keys(statement string, limit int, exact bool) string
	// within is the relation that has the events of the range and no others, ""
	// where a statement has to narrow "events" itself.
	within() string
	// kept is the column of the relation that has a native field, "" for none.
	kept(field string) string
	// places are the columns that say where an event lies, nil where a store
	// cannot fetch one by that.
	places() []string
	// counts is the relation that CountsOf names, "" for none.
	counts(of string) string
}

// filled puts arguments into a template.
func filledIn(template string, args []string) string {
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		if template[i] != '$' || i+1 == len(template) {
			b.WriteByte(template[i])
			continue
		}
		i++
		switch c := template[i]; {
		case c == '*':
			b.WriteString(strings.Join(args, ", "))
		case c >= '1' && c <= '9' && int(c-'1') < len(args):
			b.WriteString(args[c-'1'])
		default:
			b.WriteByte('$')
			b.WriteByte(c)
		}
	}
	return b.String()
}

// operations that both engines write alike.
var operations = map[string]string{
	"and": "($1 AND $2)", "or": "($1 OR $2)", "not": "(NOT $1)", "eq": "($1 = $2)", "lt": "($1 < $2)", "le": "($1 <= $2)", "gt": "($1 > $2)",
	"ge": "($1 >= $2)", "sure": "coalesce($1, false)", "ortext": "coalesce($1, '')", "asseconds": "($1 / 1e6)", "isnull": "($1 IS NULL)",
	"first": "coalesce($*)", "+": "($1 + $2)", "-": "($1 - $2)", "*": "($1 * $2)", "/": "($1 / nullif($2, 0))", "%": "($1 % nullif($2, 0))",
	"floorto": "(floor($1 / $2) * $2)", "ceil": "ceil($1)", "abs": "abs($1)", "sqrt": "sqrt(CASE WHEN $1 >= 0 THEN $1 END)",
	"log2": "log2(CASE WHEN $1 > 0 THEN $1 END)", "log10": "log10(CASE WHEN $1 > 0 THEN $1 END)", "exp": "exp($1)",
	"ln": "ln(CASE WHEN $1 > 0 THEN $1 END)", "pow": "pow($1, $2)", "round": "round($1, $2)", "least": "least($*)", "greatest": "greatest($*)",
	"concat": "concat($*)",
}

// DuckDB is the dialect of the embedded store.
func DuckDB() Dialect { return duckDB{} }

type duckDB struct{}

func (duckDB) Name() string       { return "duckdb" }
func (duckDB) place(n int) string { return "$" + strconv.Itoa(n) + "::VARCHAR" }
func (duckDB) argument(v any) any { return v }

func (duckDB) instantAt(n int) string { return "$" + strconv.Itoa(n) + "::TIMESTAMP" }

func (duckDB) quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (duckDB) null(kind byte) string {
	return "NULL::" + map[byte]string{numeric: "DOUBLE", instant: "TIMESTAMP", period: "BIGINT", truth: "BOOLEAN"}[kind]
}

func (duckDB) empty(kind byte) string {
	if kind == numbers {
		return "[]::DOUBLE[]"
	}
	return "[]::VARCHAR[]"
}

func (duckDB) number(sql string) string { return sql }

func (duckDB) join(kind string) string {
	return map[string]string{"inner": "JOIN", "leftouter": "LEFT JOIN", "leftsemi": "SEMI JOIN", "leftanti": "ANTI JOIN"}[kind]
}

// field is a JSON pointer (RFC 6901) into the flat object of native fields.
func (duckDB) field(n int, of, name string) (string, any) {
	pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return "coalesce(json_extract_string(" + of + ", $" + strconv.Itoa(n) + "), '')", pointer
}

func (duckDB) format(parts []string) string { return "strftime($1, '" + strings.Join(parts, "") + "')" }

// sinceYearOne is how many microseconds before 1970 the first event can be.
const sinceYearOne = 62135596800 * 1_000_000

func (duckDB) bucket(us int64, of string, ours bool) string {
	if ours && us > 0 && us < 1e15 { // half the work of time_bucket
		step, off := strconv.FormatInt(us, 10), strconv.FormatInt((sinceYearOne+us-1)/us*us, 10)
		return "make_timestamp((epoch_us(" + of + ") + " + off + ") // " + step + " * " + step + " - " + off + ")"
	}
	return "time_bucket(to_microseconds(" + strconv.FormatInt(us, 10) + "), " + of + ", TIMESTAMP '1970-01-01')"
}

func (duckDB) window(op, of, n, order string) string {
	name := map[string]string{"prev": "lag", "next": "lead"}[op]
	return name + "(" + of + ", " + n + ") OVER (" + order + ")"
}

func (duckDB) unnest(sql string) string { return "unnest(" + sql + ")" }

func (duckDB) shown(kind byte, sql string) string {
	if kind == period {
		return "(" + sql + " / 1e6)"
	}
	return sql
}

func (duckDB) settings() string     { return "" }
func (duckDB) within() string       { return "" }
func (duckDB) kept(string) string   { return "" }
func (duckDB) places() []string     { return nil }
func (duckDB) counts(string) string { return "" }

func (duckDB) keys(statement string, limit int, exact bool) string {
	different := "approx_count_distinct(value)"
	if exact {
		different = "count(DISTINCT value)"
	}
	return "SELECT name, count(*) AS n, " + different + " AS different FROM (SELECT unnest(json_keys(fields)) AS name, unnest(json_extract(fields, '$.*')) AS value FROM (" +
		statement + ")) GROUP BY name ORDER BY n DESC, name LIMIT " + strconv.Itoa(limit)
}

func (duckDB) operation(op string) string {
	if t, ok := duckOperations[op]; ok {
		return t
	}
	return operations[op]
}

const octets = `'^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$'`

// To DuckDB "nan" and "inf" are numbers, which are larger than all others and
// spoil each sum that they are in, and 1_0 is one too. $1 of num may be costly,
// so it stands there once; translate is five times as slow as this.
var duckOperations = map[string]string{
	"maybe": "$1", "bit": "($1)::INTEGER", "micros": "epoch_us($1)", "num": "TRY_CAST(regexp_replace($1, '[nN_]', 'x') AS DOUBLE)", "seconds": "TRY_CAST($1 * 1e6 AS BIGINT)",
	"numtext": `regexp_replace(CAST($1 AS VARCHAR), '\.0$', '')`, "timetext": "strftime($1, '%Y-%m-%dT%H:%M:%S.%fZ')", "truthtext": "CAST($1 AS VARCHAR)",
	"listtext": "CAST(to_json($1) AS VARCHAR)", "totime": "TRY_CAST($1 AS TIMESTAMP)",
	"lower": "lower($1)", "upper": "upper($1)", "length": "length($1)", "from": "substring($1, $2 + 1)", "substring": "substring($1, $2 + 1, $3)",
	"countof": "((length($1) - length(replace($1, $2, ''))) // nullif(length($2), 0))", "base64": "coalesce(TRY(decode(from_base64($1))), '')",
	"urldecoded": "coalesce(TRY(url_decode($1)), '')", "sha256": "sha256($1)",
	"place":   "greatest(coalesce(TRY_CAST($1 AS BIGINT), 0), 0)",
	"indexof": "(instr($1, $2) - 1)", "replace": "replace($*)", "replacere": "regexp_replace($1, $2, $3, 'g')", "reverse": "reverse($1)",
	"split": "string_split($1, $2)", "element": "coalesce(list_extract($1, $2), '')", "elementnum": "list_extract($1, $2)",
	"elements": "CASE WHEN starts_with($1, '[') AND json_valid($1) THEN coalesce(json_extract_string($1, '$[*]'), []::VARCHAR[]) WHEN $1 = '' THEN []::VARCHAR[] ELSE [$1] END",
	"filled":   "CASE WHEN $2 = '' THEN [''] ELSE $1 END", "listlen": "len($1)", "joined": "array_to_string($1, $2)",
	"ipv4": "CASE WHEN regexp_matches($1, " + octets + ") THEN TRY_CAST(split_part($1, '.', 1) AS BIGINT) * 16777216 + TRY_CAST(split_part($1, '.', 2) AS BIGINT) * 65536 + " +
		"TRY_CAST(split_part($1, '.', 3) AS BIGINT) * 256 + TRY_CAST(split_part($1, '.', 4) AS BIGINT) END",
	"month": "date_trunc('month', $1)::TIMESTAMP", "hour": "hour($1)", "weekday": "(dayofweek($1) * 86400000000)", "monthday": "day($1)", "yearmonth": "month($1)",
	"year": "year($1)", "time+": "($1 + to_microseconds($2))", "time-": "($1 - to_microseconds($2))", "between": "(epoch_us($1) - epoch_us($2))",
	"period*": "TRY_CAST(trunc($1 * $2) AS BIGINT)", "period/": "TRY_CAST(trunc($1 / nullif($2, 0)) AS BIGINT)", "periodbin": "(CAST(floor($1 / $2) AS BIGINT) * $2)",
	"floordiv": "CAST(floor($1 / $2) AS BIGINT)", "int": "TRY_CAST(trunc($1) AS BIGINT)",
	"contains": "contains($1, $2)", "icontains": "contains(lower($1), $2)", "startswith": "starts_with($1, $2)", "endswith": "suffix($1, $2)",
	"match": "regexp_matches($1, $2)", "like": `($1 LIKE $2 ESCAPE '\')`, "when": "CASE WHEN $1 THEN $2 END", "group": "regexp_extract($1, $2, $3)",
}

func (duckDB) grouped(op string) string { return duckGrouped[op] }

var duckGrouped = map[string]string{
	"count": "count(*)", "countif": "count(*) FILTER (WHERE $1)", "dcount": "count(DISTINCT $1)", "sum": "coalesce(sum($1), 0)", "avg": "avg($1)", "min": "min($1)", "max": "max($1)",
	"mintext": "coalesce(min($1), '')", "maxtext": "coalesce(max($1), '')",
	"minnative":  "coalesce(CASE WHEN count($2) > 0 THEN arg_min($1, $2) ELSE min($1) END, '')",
	"maxnative":  "coalesce(CASE WHEN count($2) > 0 THEN arg_max($1, $2) ELSE max($1) END, '')",
	"percentile": "quantile_cont($1, #n)", "stdev": "stddev_samp($1)", "variance": "var_samp($1)",
	"set":     "coalesce(list_sort(list(DISTINCT $1) FILTER (WHERE $1 IS NOT NULL))[1:#n], [])",
	"list":    "coalesce((list($1#o) FILTER (WHERE $1 IS NOT NULL))[1:#n], [])",
	"counted": "coalesce(sum($1), 0)::BIGINT", "countedif": "coalesce(sum($2) FILTER (WHERE $1), 0)::BIGINT",
	"any": "any_value($1)", "argmax": "arg_max_null($1, $2)", "argmin": "arg_min_null($1, $2)",
	"argmaxnative": "CASE WHEN count($3) > 0 THEN arg_max_null($1, $3) ELSE arg_max_null($1, $2) END",
	"argminnative": "CASE WHEN count($3) > 0 THEN arg_min_null($1, $3) ELSE arg_min_null($1, $2) END",
}

// timeText is a time as ClickHouse reads it.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }
