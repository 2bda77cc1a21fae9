package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/spine"
)

func (a *app) checks() *cobra.Command {
	var on, status string
	var now, catalogue bool
	c := &cobra.Command{
		Use: "checks", Short: "What the checks say about the hosts, with the fact that decided",
		Long:    "Lists verdicts, worst first. Ends with 3 if a check fails.",
		Example: "  holdfast checks\n  holdfast checks --status fail --asset web-01\n  holdfast checks --now        collect and judge again first\n  holdfast checks --catalogue   what is checked, and why",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if catalogue {
				return a.checkCatalogue(c)
			}
			id := ""
			if on != "" || now {
				asset, err := a.asset(c.Context(), on)
				if err != nil {
					return err
				}
				id = asset.ID
			}
			if now {
				var as spine.Assessment
				if err := a.call(c.Context(), "POST", "/assets/"+id+"/assess", nil, &as); err != nil {
					return err
				}
				if !a.json {
					fmt.Fprintf(a.err, "assessed in %s\n", as.Took.Round(time.Millisecond))
				}
			}
			items, err := listed[holdfast.Verdict](c.Context(), a, 0, "/verdicts", "asset", id, "status", status)
			if err != nil {
				return err
			}
			if err := a.checkFaults(c); err != nil {
				return err
			}
			return a.showVerdicts(items)
		},
	}
	f := c.Flags()
	f.StringVar(&on, "asset", "", "one host, by id or name")
	wordVar(c, &status, "status", "only those that are ", texts(holdfast.Pass, holdfast.Fail, holdfast.Unknown, holdfast.NotApplicable)...)
	f.BoolVar(&now, "now", false, "collect facts and judge them first")
	f.BoolVar(&catalogue, "catalogue", false, "list the checks themselves")
	return c
}

func (a *app) showVerdicts(vs []holdfast.Verdict) error {
	failing := false
	for _, v := range vs {
		failing = failing || v.Status == holdfast.Fail
	}
	if a.json {
		if err := a.print(vs); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, s := range []holdfast.Status{holdfast.Fail, holdfast.Unknown, holdfast.Pass, holdfast.NotApplicable} {
			for _, v := range vs {
				if v.Status == s {
					rows = append(rows, []string{string(v.Status), string(v.Severity), v.Check, cut(v.Why, 100), ago(v.FactsAt)})
				}
			}
		}
		if err := a.table("STATUS SEVERITY CHECK WHY FACTS", rows); err != nil {
			return err
		}
	}
	if failing {
		return errBroken
	}
	return nil
}

// checkFaults names the checks that were not loaded.
func (a *app) checkFaults(c *cobra.Command) error {
	var l struct {
		Faults holdfast.Faults `json:"faults"`
	}
	if err := a.call(c.Context(), "GET", "/checks", nil, &l); err != nil {
		return err
	}
	a.showFaults(l.Faults)
	return nil
}

func (a *app) checkCatalogue(c *cobra.Command) error {
	var l struct {
		Items  []spine.CheckInfo `json:"items"`
		Faults holdfast.Faults   `json:"faults"`
	}
	if err := a.call(c.Context(), "GET", "/checks", nil, &l); err != nil {
		return err
	}
	a.showFaults(l.Faults)
	if a.json {
		return a.print(l.Items)
	}
	rows := make([][]string, 0, len(l.Items))
	for _, x := range l.Items {
		rows = append(rows, []string{x.ID, string(x.Severity), x.Title})
	}
	return a.table("CHECK SEVERITY TITLE", rows)
}
