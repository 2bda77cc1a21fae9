package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
)

func (a *app) search() *cobra.Command {
	c := &cobra.Command{
		Use: "search", Short: "Saved searches: keep, run and share them, or make one a rule",
		Example: `  holdfast search save failed-logins 'action:login_failed' --last 24h --shared
  holdfast search run failed-logins
  holdfast search schedule failed-logins --every 5m --threshold 20 --group-by source.ip --level high`,
	}
	c.AddCommand(a.saveSearch(), a.listSearches(), a.showSearch(), a.runSearch(), a.editSearch(), a.deleteSearch(), a.scheduleSearch(), a.unscheduleSearch())
	return c
}

// saving is what a search is saved or changed with.
type saving struct {
	title, last     string
	shared, private bool
}

func (s *saving) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.title, "title", "", "what it looks for, in words; the title of its alerts")
	f.StringVar(&s.last, "last", "", "how far back it looks: 12h, 30d, 4w; by default what the query says, else 24h")
	f.BoolVar(&s.shared, "shared", false, "everybody sees it")
	f.BoolVar(&s.private, "private", false, "only you see it")
}

// on puts what was given on a search.
func (s *saving) on(x *holdfast.Search) error {
	if s.shared && s.private {
		return errUsage{errors.New("--shared or --private, not both")}
	}
	if s.title != "" {
		x.Title = s.title
	}
	if s.last != "" {
		d, err := daysOrHours(s.last)
		if err != nil {
			return errUsage{fmt.Errorf("--last %w", err)}
		}
		x.Last = holdfast.Duration(d)
	}
	x.Shared = (x.Shared || s.shared) && !s.private
	return nil
}

func (a *app) putSearch(ctx context.Context, x holdfast.Search) error {
	body := map[string]any{"title": x.Title, "query": x.Query, "last": x.Last, "shared": x.Shared}
	if err := a.call(ctx, "PUT", searchPath(x.Name), body, &x); err != nil {
		return pointed(err, x.Query)
	}
	if a.json {
		return a.print(x)
	}
	fmt.Fprintf(a.out, "%s is saved, %s\n", x.Name, sharedText(x))
	return nil
}

func searchPath(name string) string { return "/searches/" + url.PathEscape(name) }

func sharedText(x holdfast.Search) string {
	if x.Shared {
		return "shared"
	}
	return "for " + x.Owner + " alone"
}

func (a *app) saveSearch() *cobra.Command {
	var s saving
	c := &cobra.Command{
		Use: "save NAME QUERY", Short: "Keep a search under a name", Args: atLeast(2, "a name and a query"),
		Long: `Keeps a search under a name such as failed-logins. It is yours alone unless it
is --shared. Saving under a name of yours again takes the old one's place.`,
		Example: "  holdfast search save failed-logins 'action:login_failed' --shared\n  holdfast search save new-admins --last 30d 'events | where action == \"user_added\" | summarize count() by user.name'",
		RunE: func(c *cobra.Command, args []string) error {
			x := holdfast.Search{Name: args[0], Query: strings.Join(args[1:], " ")}
			if err := s.on(&x); err != nil {
				return err
			}
			return a.putSearch(c.Context(), x)
		},
	}
	s.flags(c)
	return c
}

func (a *app) editSearch() *cobra.Command {
	var s saving
	var query string
	c := &cobra.Command{
		Use: "edit NAME", Short: "Change a saved search", Args: exactly(1, "a name"),
		Long:    "Changes what is given and leaves the rest. A search that is a rule is changed by\nengineers, and goes on where it stands.",
		Example: "  holdfast search edit failed-logins --query 'action:login_failed -user:backup'\n  holdfast search edit failed-logins --private",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Search
			if err := a.call(c.Context(), "GET", searchPath(args[0]), nil, &x); err != nil {
				return err
			}
			if query != "" {
				x.Query = query
			}
			if err := s.on(&x); err != nil {
				return err
			}
			return a.putSearch(c.Context(), x)
		},
	}
	s.flags(c)
	c.Flags().StringVar(&query, "query", "", "the query")
	return c
}

func (a *app) listSearches() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Your searches, and the shared ones", Args: exactly(0, "no arguments"),
		Example: "  holdfast search list",
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := listed[holdfast.Search](c.Context(), a, 0, "/searches")
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, x := range items {
				rule := "–"
				if x.Rule != nil {
					rule = "every " + lastText(x.Rule.Every.Std())
					if x.Runs.Fault != "" {
						rule += ", FAILS"
					}
				}
				rows = append(rows, []string{x.Name, x.Owner, map[bool]string{true: "yes", false: "no"}[x.Shared], strings.ReplaceAll(rule, " ", "\u00a0"), cut(oneLine(x.Query), 80)})
			}
			return a.table("NAME OWNER SHARED RULE QUERY", rows)
		},
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (a *app) showSearch() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "One saved search, its link, and how its rule runs", Args: exactly(1, "a name"),
		Example: "  holdfast search show failed-logins",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Search
			if err := a.call(c.Context(), "GET", searchPath(args[0]), nil, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			link, err := a.searchLink(x.Query, x.Last.Std(), time.Time{}, time.Time{})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s  %s\n%s\n\n", clean(x.Name), clean(x.Title), cleanLines(x.Query))
			fmt.Fprintf(a.out, "  owner    %s, %s\n  changed  %s by %s\n  link     %s\n", clean(x.Owner), map[bool]string{true: "shared", false: "private"}[x.Shared], x.Updated.UTC().Format("2006-01-02 15:04"), clean(x.By), link)
			if x.Rule != nil {
				a.tellRule(x)
			}
			return nil
		},
	}
}

func (a *app) tellRule(x holdfast.Search) {
	r, n := x.Rule, x.Runs
	by := ""
	if r.GroupBy != "" {
		by = " by " + clean(r.GroupBy)
	}
	fmt.Fprintf(a.out, "  rule     every %s: %d rows%s within %s raise an alert of level %s\n", lastText(r.Every.Std()), r.Threshold, by, lastText(r.Window.Std()), r.Level)
	fmt.Fprintf(a.out, "  runs     %d, until %s; %d alerts, %d held back\n", n.Runs, n.At.UTC().Format("2006-01-02 15:04"), n.Alerts, n.Throttled)
	if n.Note != "" {
		fmt.Fprintf(a.out, "  note     %s\n", clean(n.Note))
	}
	if n.Fault != "" {
		fmt.Fprintf(a.out, "  FAILS    since %s: %s\n           nothing is lost: what came in since is looked at when it can be run\n", n.Failed.UTC().Format("2006-01-02 15:04"), clean(n.Fault))
	}
}

func (a *app) runSearch() *cobra.Command {
	var q querying
	c := &cobra.Command{
		Use: "run NAME", Short: "Run a saved search", Args: exactly(1, "a name"),
		Example: "  holdfast search run failed-logins\n  holdfast search run failed-logins --last 7d --format csv",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Search
			if err := a.call(c.Context(), "GET", searchPath(args[0]), nil, &x); err != nil {
				return err
			}
			if q.last == 0 && q.from == "" {
				q.last = x.Last.Std()
			}
			return pointed(a.runQuery(c.Context(), x.Query, q), x.Query)
		},
	}
	q.flags(c)
	return c
}

func (a *app) deleteSearch() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Forget a saved search, and its rule", Args: exactly(1, "a name"),
		Example: "  holdfast search delete failed-logins",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Search
			if err := a.call(c.Context(), "DELETE", searchPath(args[0]), nil, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is deleted\n", x.Name)
			return nil
		},
	}
}

func (a *app) scheduleSearch() *cobra.Command {
	var every, window, throttle time.Duration
	var threshold int
	var by, level string
	var attack []string
	c := &cobra.Command{
		Use: "schedule NAME", Short: "Make a saved search a rule that raises alerts", Args: exactly(1, "a name"),
		Long: `Runs a saved search over what comes in from now on, every so often. A run looks
at the events that came in since the last one, by their place in the stream:
events that are late by their own time are looked at, and after a pause of the
server, or a fault, the next run goes on where the last one ended. At least
--threshold rows raise an alert, for each value of --group-by if it is given.
The search becomes shared. Again, it changes the rule.`,
		Example: "  holdfast search schedule failed-logins --every 5m --threshold 20 --group-by source.ip --level high --attack T1110 --throttle 1h\n  holdfast search schedule failed-logins --every 5m --window 1h --threshold 100",
		RunE: func(c *cobra.Command, args []string) error {
			if every == 0 {
				return errUsage{errors.New("say how often by --every 5m; see holdfast search schedule --help")}
			}
			var x holdfast.Search
			body := map[string]any{
				"every": every.String(), "window": window.String(), "throttle": throttle.String(), "threshold": threshold, "group_by": by, "level": level, "attack": append([]string{}, attack...),
			}
			if err := a.call(c.Context(), "PUT", searchPath(args[0])+"/rule", body, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is a rule, run every %s from now on; `holdfast search show %s` says how it runs\n", x.Name, lastText(x.Rule.Every.Std()), x.Name)
			return nil
		},
	}
	f := c.Flags()
	durationVar(f, &every, "every", 0, "how often, in whole minutes: 5m")
	durationVar(f, &window, "window", 0, "what is counted together; by default what came in since the last run, else a multiple of --every")
	f.IntVar(&threshold, "threshold", 1, "so many rows raise an alert")
	f.StringVar(&by, "group-by", "", "the column whose values are counted apart: source.ip")
	f.StringVar(&level, "level", string(holdfast.Medium), "informational, low, medium, high or critical")
	f.StringSliceVar(&attack, "attack", nil, "techniques of ATT&CK: T1110.001")
	durationVar(f, &throttle, "throttle", 0, "no second alert of the same value for so long")
	return c
}

func (a *app) unscheduleSearch() *cobra.Command {
	return &cobra.Command{
		Use: "unschedule NAME", Short: "End the rule of a saved search; the search stays", Args: exactly(1, "a name"),
		Example: "  holdfast search unschedule failed-logins",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Search
			if err := a.call(c.Context(), "DELETE", searchPath(args[0])+"/rule", nil, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is no rule any more\n", x.Name)
			return nil
		},
	}
}

// searchLink is the address of the console's Search page with a query and its
// time range.
func (a *app) searchLink(text string, last time.Duration, from, to time.Time) (string, error) {
	c, err := a.contact()
	if err != nil {
		return "", err
	}
	v := url.Values{"q": {text}}
	switch {
	case !from.IsZero():
		if to.IsZero() {
			to = a.clock.Now()
		}
		v.Set("from", from.UTC().Format(time.RFC3339))
		v.Set("to", to.UTC().Format(time.RFC3339))
	case last > 0 && last%time.Minute == 0:
		v.Set("last", lastText(last))
	case last > 0:
		v.Set("last", lastText(last.Truncate(time.Minute)+time.Minute))
	}
	return strings.TrimSuffix(c.URL, "/") + "/search?" + v.Encode(), nil
}

// lastText is a duration as the console writes it: 15m, 24h, 30d.
func lastText(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0 && d > 24*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dm", int(d.Minutes()))
}
