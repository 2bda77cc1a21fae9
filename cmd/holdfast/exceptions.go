package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/detect"
)

func (a *app) exceptions() *cobra.Command {
	c := a.listExceptions("exceptions")
	c.Example += "\n  holdfast exceptions add ssh_root_login --where src_ip=192.0.2.7 --owner ops --reason 'backup pulls as root' --until 720h"
	c.AddCommand(a.listExceptions("list"), a.showException(), a.addException(), a.removeException())
	return c
}

// listExceptions is both `holdfast exceptions` and `holdfast exceptions list`.
func (a *app) listExceptions(use string) *cobra.Command {
	name := "exceptions"
	if use != name {
		name += " " + use
	}
	return &cobra.Command{
		Use: use, Short: "What keeps events from rules, and what each has hidden", Args: exactly(0, "no arguments"),
		Long: `Lists exceptions, and the filters of Sigma among the rules: whom they keep from
which rule, who answers for it and until when, and how many events they have
hidden. Hidden events are stored and found by searches; they make no alert.`,
		Example: "  holdfast " + name,
		RunE: func(c *cobra.Command, _ []string) error {
			var l list[holdfast.Exception]
			if err := a.call(c.Context(), "GET", "/exceptions", nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, x := range l.Items {
				last := "–"
				if !x.Hidden.Last.IsZero() {
					last = ago(x.Hidden.Last)
				}
				rows = append(rows, []string{x.ID, cut(x.Rule, 40), cut(x.Where, 60), x.Owner, ends(x), fmt.Sprint(x.Hidden.Count), last})
			}
			return a.table("ID RULE WHERE OWNER ENDS HIDDEN LAST", rows)
		},
	}
}

func ends(x holdfast.Exception) string {
	switch {
	case x.Filter != "":
		return "(a filter)"
	case x.Expired:
		return "ended " + ago(x.Expires)
	}
	return x.Expires.UTC().Format("2006-01-02 15:04")
}

func (a *app) showException() *cobra.Command {
	return &cobra.Command{
		Use: "show EXCEPTION", Short: "One exception, with the newest events it has hidden", Args: exactly(1, "the id of an exception"),
		Example: "  holdfast exceptions show exc-1",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Exception
			if err := a.call(c.Context(), "GET", "/exceptions/"+args[0], nil, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			a.tellException(x)
			return nil
		},
	}
}

func (a *app) tellException(x holdfast.Exception) {
	fmt.Fprintf(a.out, "%s keeps events from %s\n  where   %s\n", clean(x.ID), clean(x.Rule), clean(x.Where))
	if x.Filter != "" {
		fmt.Fprintf(a.out, "  filter  %s\n", clean(x.Filter))
	} else {
		fmt.Fprintf(a.out, "  owner   %s\n  reason  %s\n  added   %s by %s\n  ends    %s\n", clean(x.Owner), clean(x.Reason), x.Created.UTC().Format("2006-01-02 15:04"), clean(x.CreatedBy), ends(x))
	}
	fmt.Fprintf(a.out, "  hidden  %d events\n", x.Hidden.Count)
	for _, h := range x.Hidden.Samples {
		fmt.Fprintf(a.out, "    %s  %s  %s\n", h.Time.UTC().Format("2006-01-02 15:04:05"), h.Event, clean(cut(h.Message, 120)))
	}
}

func (a *app) addException() *cobra.Command {
	var where []string
	var owner, reason, until, try string
	c := &cobra.Command{
		Use: "add RULE", Short: "Keep events from a rule for a time", Args: exactly(1, "the rule"),
		Long: `From now on, events that --where holds for make no alert by the rule; they are
counted. --where is field=value, with modifiers if need be (Image|endswith=\a.exe);
given several times, all must hold. Or it is one selection in Sigma's words:
--where '{User: [backup, restore], CommandLine|contains: robocopy}'.

An exception has an owner, a reason and an end, a year away at most. --try adds
nothing: it shows what it would have hidden of the events stored since then.`,
		Example: "  holdfast exceptions add ssh_root_login --where src_ip=192.0.2.7 --owner ops --reason 'backup pulls as root' --until 720h\n  holdfast exceptions add ssh_root_login --where src_ip=192.0.2.7 --try 30d",
		RunE: func(c *cobra.Command, args []string) error {
			text, err := whereOf(where)
			if err != nil {
				return errUsage{err}
			}
			if try != "" {
				return a.tryException(c, args[0], text, try)
			}
			if owner == "" || reason == "" || until == "" {
				return errUsage{errors.New("an exception has --owner, --reason and --until; see holdfast exceptions add --help")}
			}
			end, err := untilWhen(until, a.clock.Now())
			if err != nil {
				return errUsage{err}
			}
			var x holdfast.Exception
			body := map[string]any{"rule": args[0], "where": text, "owner": owner, "reason": reason, "expires": end}
			if err := a.call(c.Context(), "POST", "/exceptions", body, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is in force until %s\n", x.ID, ends(x))
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVar(&where, "where", nil, "field=value, as often as needed, or one selection in Sigma's words")
	f.StringVar(&owner, "owner", "", "who answers for it")
	f.StringVar(&reason, "reason", "", "why it is right")
	f.StringVar(&try, "try", "", "only show what it would have hidden, so far back: 12h, 30d, 4w")
	f.StringVar(&until, "until", "", "when it ends: 2026-12-31, RFC 3339, or from now (720h)")
	return c
}

// tryException replays the rule with the exception.
func (a *app) tryException(c *cobra.Command, rule, where, last string) error {
	body, err := replayBody(rule, last, "", "", a.clock.Now())
	if err != nil {
		return err
	}
	body["where"] = where
	out, err := a.replay(c.Context(), body)
	if err != nil {
		return err
	}
	if a.json {
		return a.print(out)
	}
	for _, r := range out.Rules {
		if !r.Asked {
			continue
		}
		fmt.Fprintf(a.out, "of %d events since %s that %s holds for, it would have hidden %d\n", r.Events+r.Tried.Count, out.From.UTC().Format("2006-01-02 15:04"), clean(r.Rule), r.Tried.Count)
		for _, h := range r.Tried.Samples {
			fmt.Fprintf(a.out, "    %s  %s\n", h.Time.UTC().Format("2006-01-02 15:04:05"), clean(cut(h.Message, 120)))
		}
	}
	return nil
}

// whereOf makes one selection of what was given.
func whereOf(where []string) (string, error) {
	if len(where) == 0 {
		return "", errors.New("say by --where which events: field=value, or a selection in Sigma's words")
	}
	text := where[0]
	if len(where) > 1 || !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var parts []string
		for _, w := range where {
			field, value, ok := strings.Cut(w, "=")
			if !ok || field == "" {
				return "", fmt.Errorf("--where %q is not field=value", w)
			}
			if !strings.Contains(field, "|re") {
				value = sigmaText(value)
			}
			parts = append(parts, yamlText(field)+": "+yamlText(value))
		}
		text = "{" + strings.Join(parts, ", ") + "}"
	}
	if _, err := detect.ParseWhere(text); err != nil {
		return "", fmt.Errorf("--where: %w", err)
	}
	return text, nil
}

// untilWhen reads a date, a time, or how long from now.
func untilWhen(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--until %q is no time: 2026-12-31, 2026-12-31T10:00:00Z or 720h", s)
}

func (a *app) removeException() *cobra.Command {
	return &cobra.Command{
		Use: "remove EXCEPTION", Short: "End an exception at once", Args: exactly(1, "the id of an exception"),
		Example: "  holdfast exceptions remove exc-1",
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Exception
			if err := a.call(c.Context(), "DELETE", "/exceptions/"+args[0], nil, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is removed; it hid %d events\n", x.ID, x.Hidden.Count)
			return nil
		},
	}
}
