package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/detect"
	parsers "holdfast/ingest/parser/all"
	"holdfast/scan"
)

func (a *app) testRules() *cobra.Command {
	var failed bool
	c := &cobra.Command{
		Use: "test [PATH...]", Short: "Run the cases beside rules; needs no server",
		Long: `Runs the cases that stand beside each rule (name.test.yml beside name.yml) and
shows what came of each. A path is a folder, a rule or a file of cases; those
that Holdfast ships are run if none is named.

Ends with 3 if a case does not come out as written, or a rule lacks a case that
fires or one that does not.`,
		Example: "  holdfast rules test my-rules/\n  holdfast rules test my-rules/new.yml\n  holdfast rules test --failed",
		RunE: func(c *cobra.Command, args []string) error {
			sources, only, err := caseSources(args)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			results, without, faults, err := detect.RunCases(ctx, caseOptions(), only, sources...)
			if err != nil {
				return err
			}
			a.showFaults(faults)
			bad := 0
			shown := results[:0:0]
			for _, r := range results {
				if !r.Passed() {
					bad++
				}
				if !failed || !r.Passed() {
					shown = append(shown, r)
				}
			}
			if err := a.showCases(shown); err != nil {
				return err
			}
			for _, m := range without {
				fmt.Fprintf(a.err, "! %s: the rule %s has no cases of both kinds; write %s, or let `holdfast rules new NAME` write it\n", clean(m.File), clean(m.Key()), clean(casesBeside(m.File)))
			}
			fmt.Fprintf(a.err, "%d cases, %d failed; %d rules without cases of both kinds\n", len(results), bad, len(without))
			if bad > 0 || len(without) > 0 || len(faults) > 0 {
				return errBroken
			}
			return nil
		},
	}
	c.Flags().BoolVar(&failed, "failed", false, "show only what failed")
	return c
}

// caseOptions have records read by the parsers that Holdfast ships.
func caseOptions() detect.Options {
	all := parsers.All()
	return detect.Options{
		Datasets: knownDatasets(),
		Parse:    func(raw []byte) ([]holdfast.Event, error) { return scan.Events(all, raw) },
	}
}

func (a *app) showCases(results []detect.CaseResult) error {
	if a.json {
		if results == nil {
			results = []detect.CaseResult{}
		}
		return a.print(results)
	}
	rows := make([][]string, 0, len(results))
	word := map[bool]string{true: "fires", false: "silent"}
	for _, r := range results {
		came, why := "ok", ""
		switch {
		case r.Error != "":
			came, why = "FAIL", r.Error
		case !r.Passed():
			came, why = "FAIL", fmt.Sprintf("should be %s, is %s (%s:%d)", word[r.Want], word[r.Fired], r.File, r.Line)
		}
		rows = append(rows, []string{came, r.Rule, word[r.Want], r.Say, why})
	}
	return a.table("CASE RULE WANT SAY WHY", rows)
}

// casesBeside names the cases of a rule file.
func casesBeside(rule string) string {
	return strings.TrimSuffix(rule, filepath.Ext(rule)) + ".test.yml"
}

// caseSources are folders as they are; of a file, its whole folder, since
// correlations refer to other files, but only its own cases.
func caseSources(paths []string) ([]detect.Source, func(string) bool, error) {
	if len(paths) == 0 {
		s, err := ruleSources(nil)
		return s, nil, err
	}
	var dirs, files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil, info.IsDir():
			dirs = append(dirs, p)
		default:
			dirs = append(dirs, filepath.Dir(p))
			rule := p
			for _, ext := range []string{".test.yml", ".test.yaml"} {
				rule = strings.TrimSuffix(rule, ext)
			}
			rule = strings.TrimSuffix(rule, filepath.Ext(rule))
			files = append(files, filepath.ToSlash(filepath.Clean(rule)))
		}
	}
	sources, err := ruleSources(dirs)
	if err != nil || len(files) == 0 {
		return sources, nil, err
	}
	return sources, func(name string) bool {
		for _, f := range files {
			if rest, ok := strings.CutPrefix(name, f); ok && (rest == ".yml" || rest == ".yaml" || rest == ".test.yml" || rest == ".test.yaml") {
				return true
			}
		}
		// A folder named beside a file: what is below it.
		for _, p := range paths {
			if info, err := os.Stat(p); err == nil && info.IsDir() && strings.HasPrefix(name, filepath.ToSlash(filepath.Clean(p))+"/") {
				return true
			}
		}
		return false
	}, nil
}
