package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/spine"
)

func (a *app) inputs() *cobra.Command {
	c := &cobra.Command{
		Use: "inputs", Short: "The ways in, and how each is doing",
		Example: "  holdfast inputs\n  holdfast inputs list              the kinds of way in, and a line to try each\n" +
			"  holdfast inputs token shipper     a token that may only send events",
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var l list[spine.InputInfo]
			if err := a.call(c.Context(), "GET", "/inputs", nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, x := range l.Items {
				rows = append(rows, []string{x.Source, x.Asset, fmt.Sprint(x.Received), ago(x.Last), x.Lossy, x.Trouble})
			}
			return a.table("SOURCE ASSET RECEIVED LAST LOSSY TROUBLE", rows)
		},
	}
	c.AddCommand(a.inputToken(), a.inputList())
	return c
}

// newToken is the command that makes a token of one kind. More may add to what
// is asked for.
func (a *app) newToken(use, say, path string, more ...func(ask map[string]any) error) *cobra.Command {
	var ttl time.Duration
	c := &cobra.Command{
		Use: use, Short: say, Args: exactly(1, "a name"),
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Token  holdfast.Token `json:"token"`
				Secret string         `json:"secret"`
			}
			ask := map[string]any{"name": args[0], "ttl": holdfast.Duration(ttl)}
			for _, m := range more {
				if err := m(ask); err != nil {
					return err
				}
			}
			if err := a.call(c.Context(), "POST", path, ask, &out); err != nil {
				return err
			}
			if a.json {
				return a.print(out)
			}
			fmt.Fprintln(a.out, out.Secret)
			fmt.Fprintf(a.err, "shown once; valid until %s\n", out.Token.Expires.Local().Format(time.DateTime))
			return nil
		},
	}
	durationVar(c.Flags(), &ttl, "for", 90*24*time.Hour, "how long it is valid")
	return c
}

func (a *app) drills() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "drills [DRILL]", Short: "Safe attempts to violate a requirement, measured hop by hop",
		Example: "  holdfast drills\n  holdfast drills run ssh-bruteforce --asset web-01 --incident inc-1",
		Args:    atMost(1, "at most one drill"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var d holdfast.Drill
				if err := a.call(c.Context(), "GET", "/drills/"+args[0], nil, &d); err != nil {
					return err
				}
				return a.showDrill(d)
			}
			items, err := listed[holdfast.Drill](c.Context(), a, limit, "/drills")
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, d := range items {
				rows = append(rows, []string{d.ID, d.Status, d.Kind, d.Asset, ago(d.Started), d.Took.Round(time.Millisecond).String(), cut(d.Why, 80)})
			}
			return a.table("ID STATUS KIND ASSET STARTED TOOK WHY", rows)
		},
	}
	limited(c, &limit)
	c.AddCommand(a.runDrill())
	return c
}

func (a *app) runDrill() *cobra.Command {
	var on, incident string
	c := &cobra.Command{
		Use: "run KIND", Short: "Run a drill and wait for its outcome; ends with 3 if it fails", Args: exactly(1, "one kind, such as ssh-bruteforce"),
		RunE: func(c *cobra.Command, args []string) error {
			asset, err := a.asset(c.Context(), on)
			if err != nil {
				return err
			}
			var d holdfast.Drill
			in := map[string]string{"kind": args[0], "asset": asset.ID, "incident": incident}
			if err := a.call(c.Context(), "POST", "/drills", in, &d); err != nil {
				return err
			}
			for end := time.Now().Add(2 * time.Minute); d.Status == holdfast.DrillRunning && time.Now().Before(end); {
				select {
				case <-c.Context().Done():
					return c.Context().Err()
				case <-time.After(200 * time.Millisecond):
				}
				if err := a.call(c.Context(), "GET", "/drills/"+d.ID, nil, &d); err != nil {
					return err
				}
			}
			return a.showDrill(d)
		},
	}
	c.Flags().StringVar(&on, "asset", "", "the host, by id or name; default: this one")
	c.Flags().StringVar(&incident, "incident", "", "the incident whose detection it proves")
	return c
}

func (a *app) showDrill(d holdfast.Drill) error {
	if a.json {
		if err := a.print(d); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%s  %s against %s: %s  %s\n", d.ID, d.Kind, d.Target, d.Status, clean(d.Why))
		for _, h := range d.Hops {
			mark := "ok  "
			if !h.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(a.out, "  %s %-9s +%-8s %s\n", mark, h.Name, h.Took.Round(time.Millisecond), clean(h.Say))
		}
	}
	if d.Status != holdfast.DrillPassed {
		return errBroken
	}
	return nil
}

func (a *app) users() *cobra.Command {
	c := &cobra.Command{
		Use: "users", Short: "Who may do what",
		Example: "  holdfast users\n  holdfast users add alice --role analyst\n  holdfast users token ci",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := listed[holdfast.User](c.Context(), a, 0, "/users")
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, u := range items {
				state := ""
				if u.Disabled {
					state = "disabled"
				}
				rows = append(rows, []string{u.Name, fmt.Sprint(u.Roles), ago(u.Seen), state})
			}
			return a.table("NAME ROLES SEEN STATE", rows)
		},
	}
	var roles []string
	add := &cobra.Command{
		Use: "add NAME", Short: "Create a user; prints a one-time login link", Args: exactly(1, "a name"),
		RunE: func(c *cobra.Command, args []string) error {
			var out json.RawMessage
			if err := a.call(c.Context(), "POST", "/users", map[string]any{"name": args[0], "roles": roles}, &out); err != nil {
				return err
			}
			if a.json {
				return a.print(out)
			}
			var x struct{ Link string }
			if err := json.Unmarshal(out, &x); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s logs in, once and within 30 minutes, at\n  %s\n", args[0], x.Link)
			return nil
		},
	}
	add.Flags().StringSliceVar(&roles, "role", []string{"analyst"}, "architect, engineer, analyst or auditor; may stand several times")
	c.AddCommand(add, a.userState("disable", true), a.userState("enable", false), a.newToken("token NAME", "Make an API token with your own rights", "/tokens"))
	return c
}

func (a *app) userState(verb string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: verb + " a user", Args: exactly(1, "a name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "PATCH", "/users/"+args[0], map[string]any{"disabled": disabled}, nil)
		},
	}
}
