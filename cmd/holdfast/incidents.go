package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/api"
)

func (a *app) alerts() *cobra.Command {
	var status string
	var limit int
	return withFlags(&cobra.Command{
		Use: "alerts [ALERT]", Short: "Rules that fired, with what matched",
		Example: "  holdfast alerts\n  holdfast alerts alt-… --json",
		Args:    atMost(1, "at most one alert"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var x holdfast.Alert
				if err := a.call(c.Context(), "GET", "/alerts/"+args[0], nil, &x); err != nil {
					return err
				}
				return a.print(x)
			}
			items, err := listed[holdfast.Alert](c.Context(), a, limit, "/alerts", "status", status)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, x := range items {
				rows = append(rows, []string{x.ID, string(x.Level), x.Title, entityText(x.Group), fmt.Sprint(x.Count), ago(x.Last), x.Incident, x.Drill})
			}
			return a.table("ID LEVEL TITLE GROUP EVENTS LAST INCIDENT DRILL", rows)
		},
	}, func(c *cobra.Command) {
		wordVar(c, &status, "status", "only those that are ", holdfast.AlertOpen, holdfast.AlertClosed)
		limited(c, &limit)
	})
}

func withFlags(c *cobra.Command, add func(*cobra.Command)) *cobra.Command {
	add(c)
	return c
}

func entityText(es []holdfast.Entity) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = e.Kind + "=" + e.Value
	}
	return strings.Join(out, " ")
}

func (a *app) incidents() *cobra.Command {
	var status string
	var limit int
	c := &cobra.Command{
		Use: "incidents [INCIDENT]", Short: "What belongs together, what was done, and what still stands open",
		Example: "  holdfast incidents\n  holdfast incidents inc-1\n  holdfast incidents close inc-1\n  holdfast incidents override inc-1 --because 'vendor fix due Friday' --for 72h",
		Args:    atMost(1, "at most one incident"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var v api.IncidentView
				if err := a.call(c.Context(), "GET", "/incidents/"+args[0], nil, &v); err != nil {
					return err
				}
				return a.showIncident(v)
			}
			items, err := listed[holdfast.Incident](c.Context(), a, limit, "/incidents", "status", status)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, x := range items {
				rows = append(rows, []string{x.ID, fmt.Sprint(x.Rank), string(x.Level), x.Status, cut(x.Title, 80), ago(x.Updated), x.Drill})
			}
			return a.table("ID RANK LEVEL STATUS TITLE UPDATED DRILL", rows)
		},
	}
	wordVar(c, &status, "status", "only those that are ", holdfast.IncidentOpen, holdfast.IncidentContained, holdfast.IncidentEradicated, holdfast.IncidentRestored, holdfast.IncidentVerified, holdfast.IncidentClosed)
	limited(c, &limit)
	c.AddCommand(a.closeIncident(), a.reopen(), a.assign(), a.override(), a.grant(), a.note(), a.task(), a.addEvent(), a.openIncident())
	return c
}

func (a *app) showIncident(v api.IncidentView) error {
	if a.json {
		return a.print(v)
	}
	x := v.Incident
	fmt.Fprintf(a.out, "%s  %s  rank %d, %s, %s\n", x.ID, clean(x.Title), x.Rank, x.Level, x.Status)
	if x.Assignee != "" {
		fmt.Fprintln(a.out, "given to", clean(x.Assignee))
	}
	fmt.Fprintln(a.out)
	for _, r := range x.Reasons {
		fmt.Fprintf(a.out, "  %+4d  %s\n", r.Points, clean(r.Why))
	}
	for _, e := range x.Entities {
		fmt.Fprintf(a.out, "  %-18s %s\n", e.Kind, clean(e.Value))
	}
	for _, r := range x.Requirements {
		fmt.Fprintf(a.out, "\nrequirement %s is broken on %s: %s (%s)\n", r.Requirement, r.Asset, clean(r.Why), r.Check)
	}
	fmt.Fprintln(a.out, "\ntimeline")
	for _, m := range x.Timeline {
		fmt.Fprintf(a.out, "  %s  %-11s %s\n", m.At.Local().Format("15:04:05.000"), m.Kind, clean(m.Say))
	}
	if len(v.Actions) > 0 {
		fmt.Fprintln(a.out, "\nactions")
		for i := range v.Actions {
			fmt.Fprintf(a.out, "  %s  %s: %s  %s\n", v.Actions[i].ID, v.Actions[i].Part, v.Actions[i].Status, clean(v.Actions[i].Error))
		}
	}
	a.showOpen(v.Gate)
	return nil
}

func (a *app) showOpen(open []holdfast.Open) {
	if len(open) == 0 {
		fmt.Fprintln(a.out, "\nnothing stands open")
		return
	}
	fmt.Fprintln(a.out, "\nstill open")
	for _, o := range open {
		fmt.Fprintf(a.out, "  [%s] %s: %s\n", o.Gate, clean(o.Entity), clean(o.What))
		if o.Do != "" {
			fmt.Fprintf(a.out, "      → %s\n", clean(o.Do))
		}
	}
}

func (a *app) closeIncident() *cobra.Command {
	return &cobra.Command{
		Use: "close INCIDENT", Short: "Close an incident, if nothing stands open",
		Long: "Ends with 6 and the list of what still stands open if it cannot close yet.",
		Args: exactly(1, "one incident"),
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Incident
			err := a.call(c.Context(), "POST", "/incidents/"+args[0]+"/close", nil, &x)
			var f *fault
			if errors.As(err, &f) && len(f.Open) > 0 {
				if a.json {
					if perr := a.print(map[string]any{"closed": false, "open": f.Open}); perr != nil {
						return perr
					}
				} else {
					a.showOpen(f.Open)
				}
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is %s\n", x.ID, x.Status)
			return nil
		},
	}
}

func (a *app) reopen() *cobra.Command {
	var because string
	c := &cobra.Command{
		Use: "reopen INCIDENT", Short: "Open a closed incident again", Args: exactly(1, "one incident"),
		Example: "  holdfast incidents reopen inc-1 --because 'the same address came back'",
		RunE: func(c *cobra.Command, args []string) error {
			if because == "" {
				return errUsage{errors.New("opening it again wants a reason: --because TEXT")}
			}
			return a.work(c, args[0], "reopen", map[string]string{"because": because}, func(x holdfast.Incident) string {
				return x.ID + " is " + x.Status + " again"
			})
		},
	}
	c.Flags().StringVar(&because, "because", "", "the reason (required)")
	return c
}

func (a *app) assign() *cobra.Command {
	var nobody bool
	c := &cobra.Command{
		Use: "assign INCIDENT USER", Short: "Give an incident to somebody", Args: atMost(2, "an incident and a user"),
		Example: "  holdfast incidents assign inc-1 alice\n  holdfast incidents assign inc-1 --nobody",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || (len(args) == 1) != nobody {
				return errUsage{fmt.Errorf("assign takes an incident and a user, or --nobody; see %s --help", c.CommandPath())}
			}
			to := ""
			if !nobody {
				to = args[1]
			}
			return a.work(c, args[0], "assign", map[string]string{"user": to}, func(x holdfast.Incident) string {
				if x.Assignee == "" {
					return x.ID + " is nobody's"
				}
				return x.ID + " is " + x.Assignee + "'s"
			})
		},
	}
	c.Flags().BoolVar(&nobody, "nobody", false, "take it from whoever has it")
	return c
}

// work does something on an incident and says how it stands then.
func (a *app) work(c *cobra.Command, id, what string, in any, say func(holdfast.Incident) string) error {
	var x holdfast.Incident
	if err := a.call(c.Context(), "POST", "/incidents/"+id+"/"+what, in, &x); err != nil {
		return err
	}
	if a.json {
		return a.print(x)
	}
	fmt.Fprintln(a.out, clean(say(x)))
	return nil
}

func (a *app) override() *cobra.Command {
	var because string
	var ttl time.Duration
	c := &cobra.Command{
		Use: "override INCIDENT", Short: "Ask to close against the gate, for a time; a second person must grant it",
		Args: exactly(1, "one incident"),
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Incident
			if err := a.call(c.Context(), "POST", "/incidents/"+args[0]+"/override", map[string]any{"because": because, "ttl": holdfast.Duration(ttl)}, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "asked; another person grants it with: holdfast incidents grant %s\n", x.ID)
			return nil
		},
	}
	c.Flags().StringVar(&because, "because", "", "the reason (required)")
	durationVar(c.Flags(), &ttl, "for", 24*time.Hour, "until when")
	return c
}

func (a *app) grant() *cobra.Command {
	return &cobra.Command{
		Use: "grant INCIDENT", Short: "Grant the override that another person asked for", Args: exactly(1, "one incident"),
		RunE: func(c *cobra.Command, args []string) error {
			var x holdfast.Incident
			if err := a.call(c.Context(), "POST", "/incidents/"+args[0]+"/override/grant", nil, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			fmt.Fprintf(a.out, "%s is %s until %s\n", x.ID, x.Status, x.Override.Expires.Local().Format(time.DateTime))
			return nil
		},
	}
}

func (a *app) note() *cobra.Command {
	return &cobra.Command{
		Use: "note INCIDENT TEXT…", Short: "Add a note", Args: atLeast(2, "an incident and a text"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "POST", "/incidents/"+args[0]+"/note", map[string]string{"text": strings.Join(args[1:], " ")}, nil)
		},
	}
}

func (a *app) addEvent() *cobra.Command {
	var because string
	c := &cobra.Command{
		Use: "add-event INCIDENT EVENT", Short: "Add an event that a search found", Args: exactly(2, "an incident and an event"),
		Example: "  holdfast incidents add-event inc-1 00112233445566778899aabbccddeeff --because 'the same key, an hour earlier'",
		RunE: func(c *cobra.Command, args []string) error {
			if because == "" {
				return errUsage{errors.New("adding an event wants a reason: --because TEXT")}
			}
			return a.work(c, args[0], "event", map[string]string{"event": args[1], "because": because}, func(x holdfast.Incident) string {
				return x.ID + " has it in its timeline"
			})
		},
	}
	c.Flags().StringVar(&because, "because", "", "why it belongs there (required)")
	return c
}

func (a *app) openIncident() *cobra.Command {
	var because, level string
	c := &cobra.Command{
		Use: "open EVENT TITLE…", Short: "Open an incident for an event that a search found", Args: atLeast(2, "an event and a title"),
		Example: "  holdfast incidents open 00112233445566778899aabbccddeeff 'A key from nowhere' --level high --because 'nobody knows this key'",
		RunE: func(c *cobra.Command, args []string) error {
			if because == "" {
				return errUsage{errors.New("opening an incident wants a reason: --because TEXT")}
			}
			var x holdfast.Incident
			in := map[string]string{"event": args[0], "title": strings.Join(args[1:], " "), "level": level, "because": because}
			if err := a.call(c.Context(), "POST", "/incidents", in, &x); err != nil {
				return err
			}
			if a.json {
				return a.print(x)
			}
			_, err := fmt.Fprintf(a.out, "%s is open; see `holdfast incidents %s`\n", x.ID, x.ID)
			return err
		},
	}
	c.Flags().StringVar(&because, "because", "", "why (required)")
	c.Flags().StringVar(&level, "level", string(holdfast.Medium), "low, medium, high or critical")
	return c
}

func (a *app) task() *cobra.Command {
	var undone bool
	c := &cobra.Command{
		Use: "task INCIDENT TASK", Short: "Mark a task of an incident as done", Args: exactly(2, "an incident and a task"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "POST", "/incidents/"+args[0]+"/task/"+args[1], map[string]bool{"done": !undone}, nil)
		},
	}
	c.Flags().BoolVar(&undone, "undone", false, "it is not done after all")
	return c
}
