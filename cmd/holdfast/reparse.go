package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/spine"
)

func (a *app) ingest() *cobra.Command {
	c := &cobra.Command{
		Use: "ingest", Short: "Records on their way in, and those that could not be read", Args: exactly(0, "reparse"),
		Example: "  holdfast ingest reparse --last 7d --dry-run",
	}
	c.AddCommand(a.reparse())
	return c
}

func (a *app) reparse() *cobra.Command {
	var source, last string
	var dry bool
	c := &cobra.Command{
		Use: "reparse", Short: "Give dead letters to today's parsers", Args: exactly(0, "no arguments"),
		Long: `A record that no parser could read is kept as a dead letter, with the reason. After
a parser was mended, this reads it again: what can be read now becomes an event,
once, however often this is run; the dead letter stays, marked as read. Rules
look at the events as at all others.`,
		Example: "  holdfast ingest reparse --last 7d --dry-run\n  holdfast ingest reparse --source 'syslog:*' --last 30d",
		RunE: func(c *cobra.Command, _ []string) error {
			from, err := backTo(last, a.clock.Now())
			if err != nil {
				return errUsage{err}
			}
			sum := spine.Reparsed{Dry: dry, By: map[string]int{}, Still: map[string]int{}}
			for {
				var out spine.Reparsed
				body := map[string]any{"source": source, "from": from, "dry_run": dry}
				if err := a.callFor(c.Context(), time.Hour, "POST", "/deadletters/reparse", body, &out); err != nil {
					return err
				}
				sum.Parsed += out.Parsed
				for k, n := range out.By {
					sum.By[k] += n
				}
				sum.Looked, sum.Already, sum.Still = sum.Parsed+out.Looked-out.Parsed, out.Already, out.Still
				if !out.More || out.Parsed == 0 {
					break
				}
			}
			if a.json {
				return a.print(sum)
			}
			did := "are events now"
			if dry {
				did = "would become events"
			}
			fmt.Fprintf(a.out, "of %d dead letters %d %s; %d were read before\n", sum.Looked, sum.Parsed, did, sum.Already)
			for _, k := range slices.Sorted(maps.Keys(sum.By)) {
				fmt.Fprintf(a.out, "  %8d  %s\n", sum.By[k], clean(k))
			}
			for _, k := range slices.Sorted(maps.Keys(sum.Still)) {
				fmt.Fprintf(a.out, "  %8d  stay: %s\n", sum.Still[k], clean(cut(k, 120)))
			}
			return nil
		},
	}
	c.Flags().StringVar(&source, "source", "", "one source, or a pattern with *")
	c.Flags().StringVar(&last, "last", "7d", "so far back: 12h, 30d")
	c.Flags().BoolVar(&dry, "dry-run", false, "only show what would become events")
	return c
}
