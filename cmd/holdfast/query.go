package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/api"
)

func (a *app) query() *cobra.Command {
	var last time.Duration
	var limit int
	var from, to string
	c := &cobra.Command{
		Use: "query QUERY", Short: "Search events: field:value terms, or a KQL pipe",
		Long: `Terms: words, "phrases", field:value, field:>5, *, -, OR and parentheses.
Pipe: where, extend, project, summarize … by, distinct, order by, top, take, count.`,
		Example: `  holdfast query failed user:root
  holdfast query 'events | where action == "login_failed" | summarize fails=count() by src_ip | order by fails'
  holdfast query --last 168h 'dataset:deadletter'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			in := map[string]any{"q": strings.Join(args, " "), "limit": limit}
			now := time.Now()
			if last > 0 {
				in["from"] = now.Add(-last).UTC()
			}
			for name, v := range map[string]string{"from": from, "to": to} {
				if v == "" {
					continue
				}
				t, err := time.Parse(time.RFC3339, v)
				if err != nil {
					return errUsage{fmt.Errorf("--%s: %q is no time; write 2026-01-31T12:00:00Z", name, v)}
				}
				in[name] = t
			}
			var found api.Found
			if err := a.call(c.Context(), "POST", "/query", in, &found); err != nil {
				return pointed(err, strings.Join(args, " "))
			}
			return a.showFound(found)
		},
	}
	f := c.Flags()
	f.DurationVar(&last, "last", 0, "how far back, as 90m or 168h; default 24h")
	f.StringVar(&from, "from", "", "start, RFC 3339")
	f.StringVar(&to, "to", "", "end, RFC 3339")
	f.IntVar(&limit, "limit", 200, "rows at most")
	return c
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

func (a *app) showFound(found api.Found) error {
	if a.json {
		enc := json.NewEncoder(a.out)
		for _, r := range found.Rows {
			row := make(map[string]any, len(r))
			for i, c := range found.Columns {
				row[c.Name] = r[i]
			}
			if err := enc.Encode(row); err != nil {
				return err
			}
		}
		return nil
	}
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
	fmt.Fprintf(a.err, "%d rows in %.0f ms%s\n", len(found.Rows), found.TookMS, more)
	return nil
}
