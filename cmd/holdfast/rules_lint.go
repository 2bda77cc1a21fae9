package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"holdfast/detect"
)

func (a *app) lintRules() *cobra.Command {
	var strict bool
	var leave []string
	c := &cobra.Command{
		Use: "lint [PATH...]", Short: "Say what is wrong with rules, and what probably is; needs no server",
		Long: `Reads rules from files and folders, those that Holdfast ships if none is named,
and says with file, line and column what keeps a rule from being loaded (error)
and what loads and is probably not meant, or will be missed by others (warning).

Ends with 3 if there is an error, with --strict also if there is a warning.`,
		Example: "  holdfast rules lint my-rules/\n  holdfast rules lint my-rules/new.yml --strict\n  holdfast rules lint sigma/rules --ignore no-falsepositives,no-dataset --json",
		RunE: func(c *cobra.Command, args []string) error {
			sources, err := ruleSources(args)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			l, err := detect.LintRules(ctx, detect.Options{Datasets: knownDatasets()}, sources...)
			if err != nil {
				return err
			}
			l = l.Without(leave)
			return a.showLint(l, strict)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "warnings fail too")
	c.Flags().StringSliceVar(&leave, "ignore", nil, "warnings of these kinds are left out: no-dataset, no-falsepositives, …")
	return c
}

func (a *app) showLint(l detect.Lint, strict bool) error {
	if a.json {
		if err := a.print(l); err != nil {
			return err
		}
	} else {
		for _, f := range l.Findings {
			first, more := cleanFault(f.Error())
			fmt.Fprintf(a.out, "%s [%s %s]\n%s", first, f.Severity, f.Check, more)
		}
		fmt.Fprintf(a.err, "%d rules of %d files: %d errors, %d warnings\n", l.Rules, l.Files, l.Errors, l.Warnings)
	}
	if l.Errors > 0 || strict && l.Warnings > 0 {
		return errBroken
	}
	return nil
}
