package query

import (
	"strconv"
	"strings"
	"time"
)

// ClickHouse is the dialect of the distributed store (ClickHouse 24 or newer).
// Its arguments are texts, p1 and following, to be given as parameters of those
// names (param_p1 over HTTP, where backslash, tab and line feed are escaped as
// in TSV).
func ClickHouse() Dialect { return clickHouse{} }

type clickHouse struct{}

func (clickHouse) Name() string         { return "clickhouse" }
func (clickHouse) within() string       { return "" }
func (clickHouse) kept(string) string   { return "" }
func (clickHouse) places() []string     { return nil }
func (clickHouse) counts(string) string { return "" }
func (clickHouse) place(n int) string   { return "{p" + strconv.Itoa(n) + ":String}" }

func (clickHouse) argument(v any) any {
	if t, ok := v.(time.Time); ok {
		return timeText(t)
	}
	return v
}

func (clickHouse) instantAt(n int) string {
	return "toDateTime64({p" + strconv.Itoa(n) + ":String}, 6, 'UTC')"
}

func (clickHouse) quote(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func (clickHouse) null(kind byte) string {
	return "CAST(NULL AS Nullable(" + map[byte]string{numeric: "Float64", instant: "DateTime64(6, 'UTC')", period: "Int64", truth: "Bool"}[kind] + "))"
}

func (clickHouse) empty(kind byte) string {
	if kind == numbers {
		return "CAST([] AS Array(Float64))"
	}
	return "CAST([] AS Array(String))"
}

func (clickHouse) number(sql string) string { return "toFloat64(" + sql + ")" }

func (clickHouse) join(kind string) string {
	return map[string]string{"inner": "ALL INNER JOIN", "leftouter": "ALL LEFT JOIN", "leftsemi": "LEFT SEMI JOIN", "leftanti": "LEFT ANTI JOIN"}[kind]
}

func (c clickHouse) field(n int, of, name string) (string, any) {
	return "JSONExtract(" + of + ", " + c.place(n) + ", 'String')", name
}

func (clickHouse) format(parts []string) string {
	for i, p := range parts {
		if p == "%M" {
			parts[i] = "%i"
		}
	}
	return "formatDateTime($1, '" + strings.Join(parts, "") + "')"
}

func (clickHouse) bucket(us int64, of string, _ bool) string {
	n := strconv.FormatInt(us, 10)
	return "fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Micro(" + of + "), " + n + ") * " + n + ", 'UTC')"
}

func (clickHouse) window(op, of, n, order string) string {
	name := map[string]string{"prev": "lagInFrame", "next": "leadInFrame"}[op]
	return name + "(toNullable(" + of + "), " + n + ") OVER (" + order + " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
}

func (clickHouse) unnest(sql string) string { return "arrayJoin(" + sql + ")" }

func (clickHouse) shown(kind byte, sql string) string {
	switch kind {
	case period:
		return "(" + sql + " / 1e6)"
	case truth:
		return "CAST(" + sql + " AS Nullable(Bool))"
	}
	return sql
}

func (clickHouse) settings() string { return " SETTINGS join_use_nulls = 1" }

func (clickHouse) keys(statement string, limit int, exact bool) string {
	different := "uniq(pair.2)"
	if exact {
		different = "uniqExact(pair.2)"
	}
	return "SELECT pair.1 AS name, count() AS n, " + different + " AS different FROM (SELECT arrayJoin(JSONExtractKeysAndValuesRaw(fields)) AS pair FROM (" +
		statement + ")) GROUP BY name ORDER BY n DESC, name LIMIT " + strconv.Itoa(limit)
}

func (clickHouse) operation(op string) string {
	if t, ok := clickOperations[op]; ok {
		return t
	}
	return operations[op]
}

var clickOperations = map[string]string{
	"maybe": "toNullable($1)", "bit": "toInt64($1)", "micros": "toUnixTimestamp64Micro($1)", "num": "toFloat64OrNull(translate(trimBoth($1), 'niNI', 'xxxx'))", "seconds": "toInt64(round($1 * 1e6))",
	"numtext": "toString($1)", "timetext": "formatDateTime($1, '%Y-%m-%dT%H:%i:%S.%fZ')", "truthtext": "if($1, 'true', 'false')",
	"listtext": "toJSONString($1)", "totime": "parseDateTime64BestEffortOrNull($1, 6, 'UTC')",
	"lower": "lowerUTF8($1)", "upper": "upperUTF8($1)", "length": "lengthUTF8($1)", "from": "substringUTF8($1, $2 + 1)", "substring": "substringUTF8($1, $2 + 1, $3)",
	"countof": "intDivOrNull(lengthUTF8($1) - lengthUTF8(replaceAll($1, $2, '')), nullIf(lengthUTF8($2), 0))",
	"base64":  "if(isValidUTF8(tryBase64Decode($1)), tryBase64Decode($1), '')", "urldecoded": "if(isValidUTF8(decodeURLComponent($1)), decodeURLComponent($1), '')",
	"sha256":  "lower(hex(SHA256($1)))",
	"place":   "toInt64(greatest(coalesce($1, 0), 0))",
	"indexof": "(toInt64(positionUTF8($1, $2)) - 1)", "replace": "replaceAll($*)", "replacere": "replaceRegexpAll($1, $2, $3)", "reverse": "reverseUTF8($1)",
	"split": "splitByString($2, $1)", "element": "arrayElement($1, $2)", "elementnum": "arrayElementOrNull($1, $2)",
	"elements": "multiIf(startsWith($1, '[') AND isValidJSON($1), JSONExtract($1, 'Array(String)'), $1 = '', CAST([] AS Array(String)), [$1])",
	"filled":   "if($2 = '', [''], $1)", "listlen": "toInt64(length($1))", "joined": "arrayStringConcat($1, $2)",
	"ipv4":  "toInt64(IPv4StringToNumOrNull($1))",
	"month": "toDateTime64(toStartOfMonth($1), 6, 'UTC')", "hour": "toHour($1)", "weekday": "(toInt64(toDayOfWeek($1) % 7) * 86400000000)", "monthday": "toDayOfMonth($1)",
	"yearmonth": "toMonth($1)", "year": "toYear($1)", "time+": "addMicroseconds($1, $2)", "time-": "subtractMicroseconds($1, $2)",
	"between": "(toUnixTimestamp64Micro($1) - toUnixTimestamp64Micro($2))",
	"period*": "toInt64(trunc($1 * $2))", "period/": "toInt64(trunc($1 / nullif($2, 0)))", "periodbin": "(toInt64(floor($1 / $2)) * $2)",
	"floordiv": "toInt64(floor($1 / $2))", "int": "accurateCastOrNull(trunc($1), 'Int64')",
	"contains": "(position($1, $2) > 0)", "icontains": "(positionCaseInsensitiveUTF8($1, $2) > 0)", "startswith": "startsWith($1, $2)", "endswith": "endsWith($1, $2)",
	"match": "match($1, $2)", "like": "($1 LIKE $2)", "when": "if($1, $2, NULL)", "group": "extractGroups($1, $2)[$3]",
}

func (clickHouse) grouped(op string) string { return clickGrouped[op] }

var clickGrouped = map[string]string{
	"count": "count()", "countif": "countIf($1)", "dcount": "uniqExact($1)", "sum": "coalesce(sumOrNull($1), 0)", "avg": "avgOrNull($1)", "min": "minOrNull($1)", "max": "maxOrNull($1)",
	"mintext": "min($1)", "maxtext": "max($1)",
	"minnative":  "if(count($2) > 0, coalesce(argMin($1, $2), ''), min($1))",
	"maxnative":  "if(count($2) > 0, coalesce(argMax($1, $2), ''), max($1))",
	"percentile": "quantileExactInclusiveOrNull(#n)($1)", "stdev": "nullIf(stddevSampOrNull($1), nan)", "variance": "nullIf(varSampOrNull($1), nan)",
	"set":    "arraySlice(arraySort(groupUniqArray($1)), 1, #n)",
	"list":   "arraySlice(groupArray($1), 1, #n)",
	"any":    "any($1)", // a tuple is never null, so a row is not passed over for what it has in $1
	"argmax": "argMax(tuple($1), $2).1", "argmin": "argMin(tuple($1), $2).1",
	"argmaxnative": "if(count($3) > 0, argMax(tuple($1), $3).1, argMax(tuple($1), $2).1)",
	"argminnative": "if(count($3) > 0, argMin(tuple($1), $3).1, argMin(tuple($1), $2).1)",
}
