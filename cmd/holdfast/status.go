package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/spine"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Is everything flowing, is anything lost",
		Long: `Shows the pipeline: the ledger of every source (received = stored + rejected +
dead-lettered + waiting), the bus, the segments, the disk, and what is wrong.
Ends with 3 if the ledger does not balance or events are refused.`,
		Example: "  holdfast status\n  holdfast status --json | jq .ledger",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var s spine.Status
			if err := a.call(c.Context(), "GET", "/status", nil, &s); err != nil {
				return err
			}
			broken := !s.Ingest.Accepting
			for _, r := range s.Ledger {
				broken = broken || !r.Balanced()
			}
			if a.json {
				if err := a.print(s); err != nil {
					return err
				}
			} else if err := a.showStatus(s); err != nil {
				return err
			}
			if broken {
				return errBroken
			}
			return nil
		},
	}
}

func (a *app) showStatus(s spine.Status) error {
	fmt.Fprintf(a.out, "holdfast %s, up %s, data in %s, %s of memory\n", s.Version, ago(s.Started), s.DataDir, bytesText(s.Memory.RSS))
	if s.Ingest.Accepting {
		fmt.Fprintln(a.out, "ingest    accepting")
	} else {
		fmt.Fprintln(a.out, "ingest    REFUSING:", s.Ingest.Why)
	}
	fmt.Fprintf(a.out, "bus       block %d, written to %d, detected to %d\n", s.Bus.Last, s.Bus.Written, s.Bus.Detected)
	fmt.Fprintf(a.out, "events    %d in %d segments, %s\n", s.Events.Events, s.Events.Segments, bytesText(s.Events.Bytes))
	if n := s.Events.Searches; n > 0 {
		fmt.Fprintf(a.out, "          %d searches run or wait\n", n)
	}
	if c := s.Events.Compaction; c.Day != "" {
		fmt.Fprintf(a.out, "          putting segments of %s together: %d of %d events\n", c.Day, c.Rows, c.Of)
	} else if c.Trouble != "" {
		fmt.Fprintf(a.out, "          segments could not be put together: %s\n", clean(c.Trouble))
	}
	fmt.Fprintf(a.out, "disk      %s free of %s\n", bytesText(s.Disk.Free), bytesText(s.Disk.Total))
	fmt.Fprintf(a.out, "loaded    %d rules, %d checks, %d requirements\n", s.Rules.Loaded, s.Checks.Loaded, s.Requirements.Loaded)
	c := s.Correlation
	fmt.Fprintf(a.out, "windows   %d with %d hits, %d live alerts\n", c.Groups, c.Entries, c.Live)
	if c.Late+c.NoGroup+c.Overflowed+c.Evicted+c.Alerts > 0 {
		fmt.Fprintf(a.out, "          passed over: %d late, %d without a group-by field; dropped because of limits: %d hits, %d windows, %d live alerts\n", c.Late, c.NoGroup, c.Overflowed, c.Evicted, c.Alerts)
	}
	fmt.Fprintln(a.out)
	rows := make([][]string, 0, len(s.Ledger))
	for _, r := range s.Ledger {
		balance := "balanced"
		if !r.Balanced() {
			balance = "DOES NOT ADD UP"
		}
		if r.Lossy != "" {
			balance += " (lossy: " + r.Lossy + ")"
		}
		rows = append(rows, []string{
			r.Source, fmt.Sprint(r.Received), fmt.Sprint(r.Stored), fmt.Sprint(r.Rejected), fmt.Sprint(r.DeadLettered),
			fmt.Sprint(r.Waiting), ago(r.Last), balance,
		})
	}
	if err := a.table("SOURCE RECEIVED STORED REJECTED DEAD WAITING LAST LEDGER", rows); err != nil {
		return err
	}
	for _, n := range s.Notes {
		fmt.Fprintf(a.out, "\n! %s: %s", clean(n.Source), clean(n.Trouble))
	}
	for _, l := range []spine.Loaded{s.Rules, s.Checks, s.Requirements} {
		for _, f := range l.Faults {
			fmt.Fprintf(a.out, "\n! %s", clean(f.Error()))
		}
	}
	fmt.Fprintln(a.out)
	return nil
}
