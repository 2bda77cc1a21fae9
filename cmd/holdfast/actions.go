package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
)

func (a *app) actions() *cobra.Command {
	var status, incident string
	var limit int
	c := &cobra.Command{
		Use: "actions [ACTION]", Short: "What was, is and may be changed on hosts",
		Example: "  holdfast actions\n  holdfast actions act-7k2m9qfx3r1t\n  holdfast actions approve act-7k2m9qfx3r1t\n  holdfast actions propose block-address --asset web-01 --value 192.0.2.7 --lease 1h --because 'scanning us'",
		Args:    atMost(1, "at most one action"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var act holdfast.Action
				if err := a.call(c.Context(), "GET", "/actions/"+args[0], nil, &act); err != nil {
					return err
				}
				return a.showAction(&act)
			}
			items, err := listed[holdfast.Action](c.Context(), a, limit, "/actions", "status", status, "incident", incident)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, x := range items {
				ends := ""
				if x.Live() && !x.Expires.IsZero() {
					ends = ago(x.Expires)
				}
				rows = append(rows, []string{x.ID, string(x.Status), x.Part, x.Asset, ends, x.Incident + x.Requirement, cut(x.Why+" "+x.Error, 80)})
			}
			return a.table("ID STATUS PART ASSET ENDS FOR WHY", rows)
		},
	}
	wordVar(c, &status, "status", "only those that are ", texts(holdfast.Proposed, holdfast.Planned, holdfast.Approved, holdfast.Applying, holdfast.Applied, holdfast.Verified, holdfast.Undoing, holdfast.Undone, holdfast.Accepted, holdfast.Failed, holdfast.Rejected)...)
	c.Flags().StringVar(&incident, "incident", "", "of one incident")
	limited(c, &limit)
	for verb, say := range map[string]string{
		"approve": "Approve a plan: it is applied and verified", "reject": "Reject a plan", "undo": "Undo now",
		"accept": "Keep the effect for good", "verify": "Prove the effect again, with new connections",
	} {
		c.AddCommand(a.decide(verb, say))
	}
	c.AddCommand(a.propose())
	return c
}

func (a *app) decide(verb, say string) *cobra.Command {
	var because string
	c := &cobra.Command{
		Use: verb + " ACTION", Short: say, Args: exactly(1, "one action"),
		RunE: func(c *cobra.Command, args []string) error {
			act, err := a.decided(c.Context(), args[0], verb, because)
			if err != nil {
				return err
			}
			return a.showAction(&act)
		},
	}
	c.Flags().StringVar(&because, "because", "", "the reason")
	return c
}

// decided sends a decision and waits until it is carried out, or one minute.
func (a *app) decided(ctx context.Context, id, verb, because string) (holdfast.Action, error) {
	var act holdfast.Action
	if err := a.call(ctx, "POST", "/actions/"+id+"/"+verb, map[string]string{"because": because}, &act); err != nil {
		return act, err
	}
	return a.settled(ctx, act, time.Minute)
}

// settled waits until an action is not on its way any more.
func (a *app) settled(ctx context.Context, act holdfast.Action, most time.Duration) (holdfast.Action, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for moving(act.Status) {
		select {
		case <-ctx.Done():
			why := ""
			if act.Error != "" {
				why = " (" + clean(act.Error) + ")"
			}
			return act, fmt.Errorf("%s is still %s after %s%s; `holdfast actions %s` shows how it goes on", act.ID, act.Status, most, why, act.ID)
		case <-time.After(200 * time.Millisecond):
		}
		if err := a.call(ctx, "GET", "/actions/"+act.ID, nil, &act); err != nil {
			return act, err
		}
	}
	return act, nil
}

func moving(s holdfast.ActionStatus) bool {
	switch s {
	case holdfast.Proposed, holdfast.Approved, holdfast.Applying, holdfast.Applied, holdfast.Undoing:
		return true
	}
	return false
}

func (a *app) propose() *cobra.Command {
	var on, value, incident, because string
	var lease time.Duration
	c := &cobra.Command{
		Use: "propose PART", Short: "Propose an action; it is planned, and waits for approval",
		Args: exactly(1, "one part, such as block-address"),
		RunE: func(c *cobra.Command, args []string) error {
			asset, err := a.asset(c.Context(), on)
			if err != nil {
				return err
			}
			kind := holdfast.EntitySource
			if strings.Contains(args[0], "account") {
				kind = holdfast.EntityUser
			}
			part := args[0]
			if !strings.Contains(part, "/") {
				part = "action/" + part
			}
			in := map[string]any{
				"part": part, "asset": asset.ID, "entity": holdfast.Entity{Kind: kind, Value: value}, "why": because,
				"lease": holdfast.Duration(lease), "incident": incident,
			}
			var act holdfast.Action
			if err := a.call(c.Context(), "POST", "/actions", in, &act); err != nil {
				return err
			}
			if act, err = a.settled(c.Context(), act, 30*time.Second); err != nil {
				return err
			}
			return a.showAction(&act)
		},
	}
	f := c.Flags()
	f.StringVar(&on, "asset", "", "the host, by id or name; default: this one")
	f.StringVar(&value, "value", "", "the address or account")
	f.StringVar(&incident, "incident", "", "the incident it belongs to")
	f.StringVar(&because, "because", "", "the reason (required)")
	durationVar(f, &lease, "lease", 0, "after which it undoes itself; default: the part's own")
	return c
}

func (a *app) showAction(act *holdfast.Action) error {
	if a.json {
		return a.print(act)
	}
	a.showPlan(act)
	for _, p := range []*holdfast.Proof{act.Proof, act.UndoProof} {
		if p == nil {
			continue
		}
		for _, t := range p.Tests {
			mark := "ok  "
			if !t.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(a.out, "  %s %s: wanted %s, got %s\n", mark, clean(t.Say), clean(t.Want), clean(t.Got))
		}
	}
	if act.Status == holdfast.Failed {
		return errBroken
	}
	return nil
}

func (a *app) apply() *cobra.Command {
	var on string
	var yes bool
	c := &cobra.Command{
		Use: "apply REQUIREMENT", Short: "Carry out the plan of a requirement, confirmed over a new connection or undone",
		Long: `Shows the plan, asks, and carries out exactly that plan. The host validates it,
keeps an undo armed, and goes back by itself unless a new connection confirms
that it is still served.`,
		Example: "  holdfast apply ssh-hard --asset web-01\n  holdfast apply ssh-hard --yes",
		Args:    exactly(1, "one requirement"),
		RunE: func(c *cobra.Command, args []string) error {
			acts, err := a.plans(c, args[0], on)
			if err != nil {
				return err
			}
			var done []holdfast.Action
			for i := range acts {
				if acts[i].Plan != nil && acts[i].Plan.Nothing {
					continue
				}
				if !a.json {
					a.showPlan(&acts[i])
				}
				if p := acts[i].Plan; p != nil && len(p.Refused) > 0 {
					return fmt.Errorf("%s refuses %s: %s: %w", acts[i].Asset, acts[i].Part, clean(strings.Join(p.Refused, "; ")), holdfast.ErrRefused)
				}
				if !yes && !a.ask("Apply this?") {
					return errors.New("nothing was applied")
				}
				act, err := a.decided(c.Context(), acts[i].ID, "approve", "")
				if err != nil {
					return err
				}
				done = append(done, act)
			}
			return a.applied(done)
		},
	}
	c.Flags().StringVar(&on, "asset", "", "the host, by id or name; default: this one")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) applied(done []holdfast.Action) error {
	bad := false
	for i := range done {
		bad = bad || done[i].Status != holdfast.Verified
		if !a.json {
			fmt.Fprintf(a.out, "%s: %s %s\n", done[i].ID, done[i].Status, clean(done[i].Error))
		}
	}
	if a.json {
		if err := a.print(done); err != nil {
			return err
		}
	} else if len(done) == 0 {
		fmt.Fprintln(a.out, "Nothing to change.")
	}
	if bad {
		return errBroken
	}
	return nil
}

func (a *app) ask(question string) bool {
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	var answer string
	if _, err := fmt.Fscanln(a.in, &answer); err != nil {
		return false
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}
