package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/api"
	"holdfast/query"
)

// querying is what `holdfast query` was asked to do.
type querying struct {
	last             time.Duration
	from, to         string
	limit            int
	format, output   string
	explain, offered bool
	link             bool
}

func (a *app) query() *cobra.Command {
	var q querying
	c := &cobra.Command{
		Use: "query QUERY", Short: "Search events: field:value terms, a KQL pipe, or sql SELECT …",
		Long: `Terms: words, "phrases", field:value, field:>5, field:[1 TO 9], *, -, OR and parentheses.
Pipe: where, extend, project, summarize … by, join, union, parse, mv-expand, distinct, order by, top, take, count.
docs/query.md shows the language by example.`,
		Example: `  holdfast query failed user:root
  holdfast query 'events | where action == "login_failed" | summarize fails=count() by src_ip | order by fails'
  holdfast query --last 7d 'dataset:deadletter'
  holdfast query 'sql SELECT dataset, count(*) FROM events GROUP BY dataset'
  holdfast query --output failed.parquet 'action:login_failed'
  holdfast query --format csv 'events | summarize count() by dataset'
  holdfast query --link --last 1h 'action:login_failed'
  holdfast query --explain 'source.ip:192.0.2.7 OR destination.ip:192.0.2.7'
  holdfast query --complete 'events | where src'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			text := strings.Join(args, " ")
			return pointed(a.runQuery(c.Context(), text, q), text)
		},
	}
	q.flags(c)
	f := c.Flags()
	f.BoolVar(&q.explain, "explain", false, "show how the query would be run, and do not run it")
	f.BoolVar(&q.offered, "complete", false, "show what may stand at the end of the query")
	f.BoolVar(&q.link, "link", false, "print the address of this search in the console, and do not run it")
	return c
}

// flags are those of everything that runs a query.
func (q *querying) flags(c *cobra.Command) {
	f := c.Flags()
	durationVar(f, &q.last, "last", 0, "how far back, as 90m, 24h or 7d; by default what the query says, else 24h")
	f.StringVar(&q.from, "from", "", "start, RFC 3339")
	f.StringVar(&q.to, "to", "", "end, RFC 3339")
	f.IntVar(&q.limit, "limit", 0, "rows at most; 200 by default, 1000000 with --output")
	f.StringVar(&q.format, "format", "table", "table, json, ndjson or csv")
	f.StringVar(&q.output, "output", "", "write the answer to this file: .parquet, .csv or .ndjson")
}

func (a *app) runQuery(ctx context.Context, text string, q querying) error {
	in := map[string]any{"q": text}
	if q.limit > 0 {
		in["limit"] = q.limit
	}
	now := time.Now()
	if q.last > 0 {
		in["from"] = now.Add(-q.last).UTC()
	}
	for name, v := range map[string]string{"from": q.from, "to": q.to} {
		if v == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return errUsage{fmt.Errorf("--%s: %q is no time; write 2026-01-31T12:00:00Z", name, v)}
		}
		in[name] = t
	}
	switch {
	case q.link:
		return a.linkQuery(text, q, in)
	case q.offered:
		return a.completeQuery(ctx, in, text)
	case q.explain:
		return a.explainQuery(ctx, in)
	case q.output != "":
		return a.exportQuery(ctx, in, q.output)
	}
	if a.json && q.format == "table" {
		q.format = "ndjson"
	}
	switch q.format {
	case "table", "json":
		if q.limit == 0 {
			in["limit"] = 200
		}
		if q.format == "json" {
			return a.showJSON(ctx, in)
		}
		var found api.Found
		if err := a.call(ctx, http.MethodPost, "/query", in, &found); err != nil {
			return err
		}
		return a.showFound(found, text)
	case "ndjson", "csv":
		if q.limit == 0 {
			in["limit"] = 200
		}
		return a.streamQuery(ctx, in, q.format)
	}
	return errUsage{fmt.Errorf("--format %q is not known; take table, json, ndjson or csv", q.format)}
}

func (a *app) linkQuery(text string, q querying, in map[string]any) error {
	last := q.last
	from, _ := in["from"].(time.Time)
	to, _ := in["to"].(time.Time)
	if q.from == "" && to.IsZero() {
		from = time.Time{}
	} else if from.IsZero() {
		from = to.Add(-24 * time.Hour)
	}
	link, err := a.searchLink(text, last, from, to)
	if err != nil {
		return err
	}
	if a.json {
		return a.print(map[string]string{"link": link})
	}
	fmt.Fprintln(a.out, link)
	return nil
}

func (a *app) completeQuery(ctx context.Context, in map[string]any, text string) error {
	in["cursor"] = len(text)
	delete(in, "limit")
	var c query.Completion
	if err := a.call(ctx, http.MethodPost, "/query/complete", in, &c); err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(c)
	}
	rows := make([][]string, len(c.Items))
	for i, x := range c.Items {
		rows[i] = []string{clean(x.Text), x.Kind, clean(x.Detail)}
	}
	return a.table("TEXT KIND DETAIL", rows)
}

func (a *app) explainQuery(ctx context.Context, in map[string]any) error {
	var x api.Explained
	if err := a.call(ctx, http.MethodPost, "/query/explain", in, &x); err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(x)
	}
	fmt.Fprintf(a.out, "events from %s to %s\n\n%s\n", x.From.Format(time.RFC3339), x.To.Format(time.RFC3339), cleanLines(x.Plan))
	for _, r := range x.Rewrites {
		fmt.Fprintln(a.out, "rewritten:", clean(r))
	}
	for _, h := range x.Hints {
		fmt.Fprintln(a.out, "hint:", clean(h.Error()))
	}
	fmt.Fprintf(a.out, "\n%s\n", cleanLines(x.SQL))
	for i, v := range x.Args {
		fmt.Fprintf(a.out, "  $%d = %s\n", i+1, clean(v))
	}
	return nil
}

// exportQuery writes an answer to a file that gets its name when it is whole.
func (a *app) exportQuery(ctx context.Context, in map[string]any, path string) error {
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	if format == "json" || format == "jsonl" {
		format = "ndjson"
	}
	if format != "parquet" && format != "csv" && format != "ndjson" {
		return errUsage{fmt.Errorf("--output %s: the name ends in .parquet, .csv or .ndjson", path)}
	}
	in["format"] = format
	c, err := a.contact()
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodPost, "/query/export", in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	defer os.Remove(f.Name())
	n, err := io.Copy(f, resp.Body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s was not written to its end; try again, or narrow the time range: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	more := ""
	if resp.Trailer.Get(api.Truncated) == "true" {
		more = ", and there are more rows: raise --limit"
	}
	fmt.Fprintf(a.err, "%s: %d bytes%s\n", path, n, more)
	return nil
}

// longestLine is the longest line of an answer: a few events of the largest
// size in one list.
const longestLine = 64 << 20

// streamQuery shows rows as they come.
func (a *app) streamQuery(ctx context.Context, in map[string]any, format string) error {
	c, err := a.contact()
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, http.MethodPost, "/query/stream", in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 1<<16), longestLine)
	var head api.StreamHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil {
		return fmt.Errorf("the answer has no beginning; are server and command line of the same version?")
	}
	if head.Columns == nil { // it failed before its first row
		_, err := a.ended(lines.Bytes())
		return err
	}
	show, finish := a.rowWriter(head, format)
	for lines.Scan() {
		b := lines.Bytes()
		if len(b) > 0 && b[0] == '{' {
			end, err := a.ended(b)
			if err := errors.Join(finish(), err); err != nil {
				return err
			}
			text, _ := in["q"].(string)
			a.hint(head.Hints, end.Rows, text)
			if end.Truncated {
				fmt.Fprintf(a.err, "%d rows, there are more: raise --limit, or write them to a file by --output\n", end.Rows)
			}
			return nil
		}
		var row []json.RawMessage
		if err := json.Unmarshal(b, &row); err != nil || len(row) != len(head.Columns) {
			return fmt.Errorf("a row of the answer is not understood: %w", err)
		}
		if err := show(row); err != nil {
			return err
		}
	}
	return errors.Join(finish(), fmt.Errorf("the answer broke off: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF)))
}

// ended says how a streamed answer has ended.
func (a *app) ended(line []byte) (end api.StreamEnd, err error) {
	if err := json.Unmarshal(line, &end); err != nil {
		return end, fmt.Errorf("the end of the answer is not understood: %w", err)
	}
	if end.Lost != "" {
		fmt.Fprintln(a.err, "!", clean(end.Lost))
	}
	if end.Error != "" {
		return end, errors.New(end.Error)
	}
	return end, nil
}

func (a *app) rowWriter(head api.StreamHead, format string) (show func([]json.RawMessage) error, finish func() error) {
	if format == "csv" {
		w := csv.NewWriter(a.out)
		names := make([]string, len(head.Columns))
		for i, c := range head.Columns {
			names[i] = c.Name
		}
		first := w.Write(names)
		return func(row []json.RawMessage) error {
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = api.CSVCell(v)
			}
			return errors.Join(first, w.Write(cells))
		}, func() error { w.Flush(); return w.Error() }
	}
	return func(row []json.RawMessage) error {
		b := []byte{'{'}
		for i, v := range row {
			if i > 0 {
				b = append(b, ',')
			}
			name, err := json.Marshal(head.Columns[i].Name)
			if err != nil {
				return err
			}
			b = append(append(append(b, name...), ':'), v...)
		}
		_, err := a.out.Write(append(b, '}', '\n'))
		return err
	}, func() error { return nil }
}

func (a *app) showJSON(ctx context.Context, in map[string]any) error {
	var raw json.RawMessage
	if err := a.call(ctx, http.MethodPost, "/query", in, &raw); err != nil {
		return err
	}
	_, err := a.out.Write(append(raw, '\n'))
	return err
}

// pointed shows a query's fault under its characters.
func pointed(err error, q string) error {
	var f *fault
	if !errors.As(err, &f) || f.Fault == nil || strings.ContainsAny(q, "\n\t") {
		return err
	}
	pos, width := min(max(f.Fault.Pos, 0), len(q)), max(f.Fault.Len, 1)
	pad := len([]rune(q[:pos]))
	return fmt.Errorf("%s\n  %s\n  %s%s%w", f.Fault.What, clean(q), strings.Repeat(" ", pad), strings.Repeat("^", min(width, len(q)-pos+1)), suggestion{f, f.Fault.Suggest})
}

type suggestion struct {
	*fault
	text string
}

func (s suggestion) Error() string {
	if s.text == "" {
		return ""
	}
	return " " + s.text
}

func (s suggestion) Unwrap() error { return s.fault }

// hint says what may be meant otherwise. It stands beside the answer, not in it.
func (a *app) hint(hints []query.Error, rows int, text string) {
	for _, h := range hints {
		if (h.Suggest != "" || rows == 0) && !strings.ContainsAny(text, "\n\t") {
			fmt.Fprintln(a.err, "hint:", clean(h.Error()))
		}
	}
}

func (a *app) showFound(found api.Found, text string) error {
	a.hint(found.Hints, len(found.Rows), text)
	if found.Events {
		col := map[string]int{}
		for i, c := range found.Columns {
			col[c.Name] = i
		}
		for _, r := range found.Rows {
			fmt.Fprintf(a.out, "%v  %-14v %v\n", r[col["time"]], clean(fmt.Sprint(r[col["dataset"]])), clean(fmt.Sprint(r[col["raw"]])))
		}
	} else {
		head := make([]string, len(found.Columns))
		for i, c := range found.Columns {
			head[i] = strings.ReplaceAll(c.Name, " ", "_")
		}
		rows := make([][]string, 0, len(found.Rows))
		for _, r := range found.Rows {
			row := make([]string, len(r))
			for i, v := range r {
				if v != nil {
					row[i] = plainText(v)
				}
			}
			rows = append(rows, row)
		}
		if err := a.table(strings.Join(head, " "), rows); err != nil {
			return err
		}
	}
	more := ""
	if found.Truncated {
		more = ", there are more: raise --limit"
	}
	if found.Lost != "" {
		fmt.Fprintln(a.err, "!", clean(found.Lost))
	}
	rows := "rows"
	if len(found.Rows) == 1 {
		rows = "row"
	}
	fmt.Fprintf(a.err, "%d %s in %.0f ms%s\n", len(found.Rows), rows, found.TookMS, more)
	return nil
}
