package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/api"
	"holdfast/spine"
)

func (a *app) requirements() *cobra.Command {
	return &cobra.Command{
		Use: "requirements [REQUIREMENT]", Short: "What must hold, and whether it does, per facet",
		Long:    "Shows for each requirement whether it is implemented, verified, monitored and drilled;\nthe worst host decides. Ends with 3 if one is broken.",
		Example: "  holdfast requirements\n  holdfast requirements ssh-hard",
		Args:    atMost(1, "at most one requirement"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var v api.RequirementView
				if err := a.call(c.Context(), "GET", "/requirements/"+args[0], nil, &v); err != nil {
					return err
				}
				return a.showRequirement(v)
			}
			var l struct {
				Items  []api.RequirementView `json:"items"`
				Faults holdfast.Faults       `json:"faults"`
			}
			if err := a.call(c.Context(), "GET", "/requirements", nil, &l); err != nil {
				return err
			}
			a.showFaults(l.Faults)
			return a.showRequirements(l.Items)
		},
	}
}

func (a *app) showRequirements(items []api.RequirementView) error {
	broken := false
	rows := make([][]string, 0, len(items))
	for _, v := range items {
		w := worst(v.Standings)
		for _, f := range w {
			broken = broken || f.State == holdfast.Broken
		}
		rows = append(rows, []string{v.Requirement.ID, string(w[0].State), string(w[1].State), string(w[2].State), string(w[3].State), cut(v.Requirement.Say, 70)})
	}
	if a.json {
		if err := a.print(items); err != nil {
			return err
		}
	} else if err := a.table("REQUIREMENT IMPLEMENTED VERIFIED MONITORED DRILLED SAYS", rows); err != nil {
		return err
	}
	if broken {
		return errBroken
	}
	return nil
}

// worst picks for each facet the state of the worst asset.
func worst(st []holdfast.Standing) [4]holdfast.Facet {
	order := map[holdfast.State]int{
		holdfast.Broken: 6, holdfast.StateUnknown: 5, holdfast.NotYet: 4, holdfast.Excepted: 3, holdfast.Holds: 2, holdfast.Inapplicable: 1,
	}
	out := [4]holdfast.Facet{}
	for i := range out {
		out[i] = holdfast.Facet{State: holdfast.Inapplicable, Why: "no asset is concerned"}
	}
	for _, s := range st {
		for i, f := range [4]holdfast.Facet{s.Implemented, s.Verified, s.Monitored, s.Drilled} {
			if order[f.State] > order[out[i].State] {
				out[i] = f
			}
		}
	}
	return out
}

func (a *app) showRequirement(v api.RequirementView) error {
	if a.json {
		return a.print(v)
	}
	r := v.Requirement
	fmt.Fprintf(a.out, "%s: %s\nowner %s, written in %s:%d\n\n", r.ID, clean(r.Say), clean(r.Owner), r.File, r.Line)
	for _, c := range r.Clauses {
		fmt.Fprintf(a.out, "  %-8s %-40s %s", c.Verb, clean(c.Text), c.How)
		if c.Why != "" {
			fmt.Fprintf(a.out, " (%s)", clean(c.Why))
		}
		fmt.Fprintln(a.out)
	}
	fmt.Fprintln(a.out)
	var rows [][]string
	for _, s := range v.Standings {
		for _, f := range []struct {
			name string
			holdfast.Facet
		}{{"implemented", s.Implemented}, {"verified", s.Verified}, {"monitored", s.Monitored}, {"drilled", s.Drilled}} {
			rows = append(rows, []string{s.Asset, f.name, string(f.State), cut(f.Why, 100)})
		}
	}
	return a.table("ASSET FACET STATE WHY", rows)
}

func (a *app) plan() *cobra.Command {
	var on string
	c := &cobra.Command{
		Use: "plan REQUIREMENT", Short: "Show the exact change that would make a requirement hold; changes nothing",
		Example: "  holdfast plan ssh-hard\n  holdfast plan ssh-hard --asset web-01 --json",
		Args:    exactly(1, "one requirement"),
		RunE: func(c *cobra.Command, args []string) error {
			acts, err := a.plans(c, args[0], on)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(acts)
			}
			for i := range acts {
				a.showPlan(&acts[i])
			}
			if len(acts) == 0 {
				fmt.Fprintln(a.out, "Nothing to change.")
			}
			return nil
		},
	}
	c.Flags().StringVar(&on, "asset", "", "the host, by id or name; default: this one")
	return c
}

func (a *app) plans(c *cobra.Command, requirement, on string) ([]holdfast.Action, error) {
	asset, err := a.asset(c.Context(), on)
	if err != nil {
		return nil, err
	}
	var out struct {
		Actions []holdfast.Action `json:"actions"`
	}
	err = a.call(c.Context(), "POST", "/requirements/"+requirement+"/plan", map[string]string{"asset": asset.ID}, &out)
	return out.Actions, err
}

func (a *app) showPlan(act *holdfast.Action) {
	fmt.Fprintf(a.out, "%s  %s on %s: %s\n", act.ID, act.Part, act.Asset, act.Status)
	if act.Error != "" {
		fmt.Fprintf(a.out, "  error: %s\n", clean(act.Error))
	}
	p := act.Plan
	if p == nil {
		return
	}
	fmt.Fprintf(a.out, "  %s\n", clean(p.Summary))
	for _, s := range p.Steps {
		fmt.Fprintf(a.out, "  + %s\n", clean(s.Do))
	}
	if p.Diff != "" {
		fmt.Fprintf(a.out, "\n%s\n", cleanLines(p.Diff))
	}
	for _, h := range p.Hits {
		fmt.Fprintf(a.out, "  also hits %s %s: %s\n", h.Kind, clean(h.Value), clean(h.Why))
	}
	for _, r := range p.Refused {
		fmt.Fprintf(a.out, "  REFUSED: %s\n", clean(r))
	}
	if p.Lease > 0 {
		fmt.Fprintf(a.out, "  undoes itself after %s\n", p.Lease)
	}
	if p.Confirm > 0 {
		fmt.Fprintf(a.out, "  undoes itself unless confirmed over a new connection within %s\n", p.Confirm)
	}
}

func (a *app) verify() *cobra.Command {
	var on string
	c := &cobra.Command{
		Use: "verify REQUIREMENT", Short: "Prove a requirement on the live system, with new connections",
		Long:    "Collects and judges facts again and tries the real thing. Ends with 3 if it does not hold.",
		Example: "  holdfast verify ssh-hard --asset web-01",
		Args:    exactly(1, "one requirement"),
		RunE: func(c *cobra.Command, args []string) error {
			asset, err := a.asset(c.Context(), on)
			if err != nil {
				return err
			}
			var p spine.Proofs
			if err := a.call(c.Context(), "POST", "/requirements/"+args[0]+"/verify", map[string]string{"asset": asset.ID}, &p); err != nil {
				return err
			}
			return a.showProofs(p)
		},
	}
	c.Flags().StringVar(&on, "asset", "", "the host, by id or name; default: this one")
	return c
}

func (a *app) showProofs(p spine.Proofs) error {
	holds := true
	var rows [][]string
	for _, v := range p.Verdicts {
		holds = holds && v.Status == holdfast.Pass
		rows = append(rows, []string{string(v.Status), v.Check, cut(v.Why, 100)})
	}
	for _, x := range p.Proofs {
		holds = holds && x.Proof.Holds
		for _, t := range x.Proof.Tests {
			state := "pass"
			if !t.OK {
				state = "fail"
			}
			rows = append(rows, []string{state, x.Part, t.Say + ": wanted " + t.Want + ", got " + t.Got})
		}
	}
	if a.json {
		if err := a.print(p); err != nil {
			return err
		}
	} else if err := a.table("STATUS BY WHAT", rows); err != nil {
		return err
	}
	if !holds {
		return errBroken
	}
	return nil
}
