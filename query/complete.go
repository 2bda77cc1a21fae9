package query

import (
	"errors"
	"sort"
	"strings"
	"time"
	"unicode/utf8"
)

// Candidate is a word that may stand at the cursor.
type Candidate struct {
	Text   string `json:"text"`
	Kind   string `json:"kind" doc:"operator, function, field, value or keyword"`
	Detail string `json:"detail,omitempty"`
}

// Completion is what may stand at the cursor in place of the bytes From to To.
type Completion struct {
	From  int         `json:"from"`
	To    int         `json:"to"`
	Items []Candidate `json:"items"`
	// Field, if set, is the field whose values are wanted; Typed is how they start.
	Field string `json:"-"`
	Typed string `json:"-"`
	quote string // what a value is put into
}

// maxCandidates is the most that one completion gives.
const maxCandidates = 50

// Complete says what may stand at the cursor, a byte of the text. Fields are
// the native fields that there are. Values are left to the caller, who asks
// the store for those of Field and adds them with Value.
func Complete(s string, cursor int, fields []string, now time.Time) Completion {
	cursor = min(max(cursor, 0), len(s))
	for cursor > 0 && cursor < len(s) && !utf8.RuneStart(s[cursor]) {
		cursor--
	}
	s = s[:cursor]
	if len(s) > MaxText {
		return Completion{From: cursor, To: cursor, Items: []Candidate{}}
	}
	toks, open := scanAll(s)
	c := Completion{From: cursor, To: cursor, Items: []Candidate{}}
	if inTerms(toks, s) {
		c.terms(s, fields)
		return c
	}
	at := cursorIn{toks: toks}
	if n := len(toks); open < 0 && n > 0 && toks[n-1].end == cursor && toks[n-1].kind == tokWord {
		at.word, c.From = toks[n-1].text, toks[n-1].pos
		at.toks = toks[:n-1]
	}
	if open >= 0 {
		if c.Field = at.fieldOfValue(); c.Field != "" {
			c.From, c.Typed, c.quote = open, s[open+1:], s[open:open+1]
		}
		return c
	}
	if at.after("|") || len(at.toks) > 0 && at.last().text == "-" {
		if len(at.toks) > 1 && at.last().text == "-" && !at.after("|") { // project-
			head := at.toks[len(at.toks)-2]
			at.word, c.From = head.text+"-"+at.word, head.pos
		}
		c.add(at.word, "operator", operators, nil)
		return c
	}
	c.expression(at, columnsAt(s, at, fields, now))
	return c
}

// scanAll reads tokens as far as it can; open is where a text begins that has
// no end, or -1.
func scanAll(s string) (toks []token, open int) {
	l := lexer{s: s}
	for {
		t, err := l.next()
		if err != nil {
			var e *Error
			if errors.As(err, &e) && strings.HasPrefix(e.What, "this text has no closing") {
				return toks, e.Pos
			}
			if l.pos++; l.pos >= len(s) {
				return toks, -1
			}
			continue
		}
		if t.kind == tokEnd {
			return toks, -1
		}
		toks = append(toks, t)
	}
}

// inTerms tells whether the cursor stands in search terms, before any pipe.
func inTerms(toks []token, s string) bool {
	if len(toks) == 0 {
		return true
	}
	switch toks[0].text {
	case "let", "union", "datatable":
		return len(toks) == 1 && strings.HasSuffix(s, toks[0].text)
	}
	for _, t := range toks {
		if t.kind == tokSign && t.text == "|" {
			return false
		}
	}
	return toks[0].text != "events" || len(toks) > 1 || strings.HasSuffix(s, "events")
}

// terms completes search terms: fields with a colon, and values after one.
func (c *Completion) terms(s string, fields []string) {
	start := strings.LastIndexAny(s, " \t\n(\"") + 1
	word := strings.TrimLeft(s[start:], "-")
	c.From = len(s) - len(word)
	if field, value, ok := strings.Cut(word, ":"); ok {
		c.Field, c.Typed, c.From = field, strings.TrimLeft(value, "<>="), len(s)-len(strings.TrimLeft(value, "<>="))
		return
	}
	if strings.TrimSpace(s[:start]) == "" {
		c.add(word, "keyword", []string{"events", "let", "union", "sql"}, nil)
	}
	c.add(word, "field", append(EventColumns(), fields...), func(f string) string { return f + ":" })
}

// cursorIn is what stands before the cursor.
type cursorIn struct {
	toks []token
	word string // the word that the cursor is at the end of
}

func (a cursorIn) last() token {
	if len(a.toks) == 0 {
		return token{}
	}
	return a.toks[len(a.toks)-1]
}

func (a cursorIn) after(sign string) bool { return a.last().kind == tokSign && a.last().text == sign }

// fieldOfValue is the field that a text at the end is compared with.
func (a cursorIn) fieldOfValue() string {
	i := len(a.toks) - 1
	for ; i >= 0; i-- { // over the list so far
		t := a.toks[i]
		if t.kind != tokText && (t.kind != tokSign || t.text != "," && t.text != "(") {
			break
		}
	}
	if i < 1 || !isComparison(a.toks[i]) {
		return ""
	}
	switch f := a.toks[i-1]; {
	case f.kind == tokWord:
		return f.text
	case f.kind == tokSign && f.text == "]" && i > 2 && a.toks[i-2].kind == tokText:
		return a.toks[i-2].text
	}
	return ""
}

func isComparison(t token) bool {
	switch t.kind {
	case tokSign:
		return t.text == "==" || t.text == "!=" || t.text == "=~" || t.text == "!~"
	case tokWord:
		return contains(textOps, strings.TrimPrefix(strings.ToLower(t.text), "!"))
	}
	return false
}

// expression completes inside a step: an operator after a value, else a field
// or a function.
func (c *Completion) expression(at cursorIn, fields []string) {
	step := at.step()
	last := at.last()
	operand := last.kind == tokText || last.kind == tokNumber || last.kind == tokSpan || at.after(")") || at.after("]") ||
		last.kind == tokWord && last.text != step && !isComparison(last) && !contains([]string{"and", "or", "not", "by", "on", "with"}, strings.ToLower(last.text))
	if operand {
		var words []string
		switch step {
		case "summarize", "top", "order", "sort":
			words = []string{"by", "asc", "desc"}
		case "join":
			words = []string{"on"}
		case "parse":
			words = []string{"with"}
		}
		c.add(at.word, "keyword", append(words, "and", "or"), nil)
		if step == "where" || step == "filter" || step == "extend" {
			var all []string
			for _, o := range textOps {
				all = append(all, o, "!"+o)
			}
			c.add(at.word, "operator", all, nil)
		}
		return
	}
	switch step {
	case "render":
		c.add(at.word, "keyword", renders, nil)
		return
	case "take", "limit", "count":
		return
	case "join":
		c.add(at.word, "keyword", []string{"kind="}, nil)
	}
	c.add(at.word, "field", fields, quotedField)
	if strings.HasPrefix(step, "project-") || step == "distinct" {
		return
	}
	want := perRow
	if step == "summarize" && !at.by() {
		want = aggregate
	}
	var names []string
	for n, f := range functions {
		if f.use == want || step == "extend" && f.use == window || step == "summarize" && at.depth() > 0 && f.use == perRow {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	c.add(at.word, "function", names, func(n string) string { return n + "(" })
}

// step is the operator of the step that the cursor is in.
func (a cursorIn) step() string {
	for i := len(a.toks) - 2; i >= 0; i-- {
		if a.toks[i].kind == tokSign && a.toks[i].text == "|" {
			name := strings.ToLower(a.toks[i+1].text)
			if i+3 < len(a.toks) && a.toks[i+2].text == "-" && a.toks[i+2].pos == a.toks[i+1].end {
				name += "-" + strings.ToLower(a.toks[i+3].text)
			}
			return name
		}
	}
	return ""
}

func (a cursorIn) by() bool {
	for i := len(a.toks) - 1; i >= 0 && (a.toks[i].kind != tokSign || a.toks[i].text != "|"); i-- {
		if a.toks[i].kind == tokWord && a.toks[i].text == "by" {
			return true
		}
	}
	return false
}

func (a cursorIn) depth() (n int) {
	for i := len(a.toks) - 1; i >= 0 && (a.toks[i].kind != tokSign || a.toks[i].text != "|"); i-- {
		if a.toks[i].kind == tokSign {
			switch a.toks[i].text {
			case "(":
				n++
			case ")":
				n--
			}
		}
	}
	return n
}

// columnsAt are the columns that there are at the step of the cursor, as far as
// what stands before it can be read.
func columnsAt(s string, at cursorIn, fields []string, now time.Time) []string {
	all := append(EventColumns(), fields...)
	pipe := -1
	for _, t := range at.toks {
		if t.kind == tokSign && t.text == "|" {
			pipe = t.pos
		}
	}
	if pipe < 0 {
		return all
	}
	q, err := Parse(s[:pipe], now)
	if err != nil || q.SQL != "" {
		return all
	}
	_, sc, err := newBinder(Options{}).query(q)
	if err != nil {
		return all
	}
	if sc.fields == "" {
		return sc.names()
	}
	return append(sc.names(), fields...)
}

// quotedField writes a field's name as the language reads it.
func quotedField(f string) string {
	l := lexer{s: f}
	if t, err := l.next(); err == nil && t.kind == tokWord && t.end == len(f) && functions[strings.ToLower(f)].usage == "" {
		return f
	}
	return "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(f) + "']"
}

// add adds words that start with what was typed, then those that hold it.
func (c *Completion) add(typed, kind string, words []string, write func(string) string) {
	low := strings.ToLower(typed)
	taken := map[string]bool{}
	for _, start := range []bool{true, false} {
		for _, w := range words {
			lw := strings.ToLower(w)
			if taken[w] || len(c.Items) >= maxCandidates || strings.HasPrefix(lw, low) != start || !strings.Contains(lw, low) {
				continue
			}
			taken[w] = true
			item := Candidate{Text: w, Kind: kind}
			if write != nil {
				item.Text = write(w)
			}
			item.Detail = detail(kind, w)
			c.Items = append(c.Items, item)
		}
	}
}

// Value adds a value of Field.
func (c *Completion) Value(v, detail string) {
	if len(c.Items) >= maxCandidates {
		return
	}
	switch {
	case c.quote != "":
		v = c.quote + strings.NewReplacer(`\`, `\\`, c.quote, `\`+c.quote, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v) + c.quote
	case strings.ContainsAny(v, " \t\r\n|()\"*?[{"):
		v = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v) + `"`
	}
	c.Items = append(c.Items, Candidate{Text: v, Kind: "value", Detail: detail})
}

// Values compiles the search for the most frequent values of a field that start
// with a text.
func Values(field, typed string, o Options) (Statement, error) {
	at := span{}
	f := Field{at, field}
	cond := Expr(Not{at, Call{at, "isempty", []Expr{f}}})
	if typed != "" {
		cond = Binary{at, "and", cond, Binary{at, "startswith", f, Text{at, typed}}}
	}
	q := &Query{From: Events{}, Stages: []Stage{
		Where{cond},
		Take{sampled},
		Summarize{Aggregates: []Named{{"n", Call{at, "count", nil}}}, By: []Named{{"value", Call{at, "tostring", []Expr{f}}}}},
		Order{[]Key{{Expr: Field{at, "n"}, Desc: true}, {Expr: Field{at, "value"}, Desc: false}}},
	}}
	o.MaxRows = maxCandidates
	return CompileWith(q, o)
}

// sampled is how many events are looked at for fields and values.
const sampled = 20_000

// Fields compiles the search for the native fields of some of the newest
// events, the most frequent first.
func Fields(o Options) Statement {
	if o.Dialect == nil {
		o.Dialect = DuckDB()
	}
	p := printer{dialect: o.Dialect, span: o.Range}
	keys := "unnest(json_keys(fields))"
	if o.Dialect.Name() == "clickhouse" {
		keys = "arrayJoin(JSONExtractKeys(fields))"
	}
	sql := "SELECT name, count(*) AS n FROM (SELECT " + keys + " AS name FROM (SELECT fields FROM (" + p.scan(&relation{op: "scan"}) + ") LIMIT 20000)) GROUP BY name ORDER BY n DESC, name LIMIT 2001"
	return Statement{SQL: sql, Args: p.args, Columns: []string{"name", "n"}}
}
