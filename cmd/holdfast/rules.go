package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/content"
	"holdfast/detect"
	parsers "holdfast/ingest/parser/all"
)

func (a *app) rules() *cobra.Command {
	c := a.listRules("rules [RULE]")
	c.Example += "\n  holdfast rules lint my-rules/\n  holdfast rules test my-rules/"
	c.Long = `Without a verb, what ` + "`holdfast rules list`" + ` says.`
	list := a.listRules("list [RULE]")
	c.AddCommand(list, a.lintRules(), a.testRules(), a.explainRule(), a.newRule(), a.replayRule(), a.coverRules())
	return c
}

// listRules is both `holdfast rules` and `holdfast rules list`.
func (a *app) listRules(use string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: "The detection rules that are loaded", Args: atMost(1, "at most one rule"),
		Example: "  holdfast rules\n  holdfast rules ssh_bruteforce     the rule as it is written",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var r holdfast.RuleInfo
				if err := a.call(c.Context(), "GET", "/rules/"+args[0], nil, &r); err != nil {
					return err
				}
				if a.json {
					return a.print(r)
				}
				fmt.Fprint(a.out, cleanLines(r.Source))
				return nil
			}
			var l struct {
				Items  []holdfast.RuleInfo `json:"items"`
				Faults holdfast.Faults     `json:"faults"`
			}
			if err := a.call(c.Context(), "GET", "/rules", nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, r := range l.Items {
				rows = append(rows, []string{r.Name, string(r.Level), r.Kind, cut(r.Title, 70)})
			}
			a.showFaults(l.Faults)
			return a.table("RULE LEVEL KIND TITLE", rows)
		},
	}
}

// shippedRules are those of this program.
func shippedRules() (detect.Source, error) {
	shipped, err := fs.Sub(content.FS, "rules")
	return detect.Source{Name: "shipped/rules", FS: shipped}, err
}

// ruleSources are the places that paths name, or the rules shipped if there is
// none.
func ruleSources(paths []string) ([]detect.Source, error) {
	if len(paths) == 0 {
		s, err := shippedRules()
		return []detect.Source{s}, err
	}
	var out []detect.Source
	for _, p := range paths {
		s, err := detect.Place(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %w", err, holdfast.ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// knownDatasets are those that the parsers of this program make.
func knownDatasets() map[string]holdfast.Dataset {
	out := map[string]holdfast.Dataset{}
	for _, p := range parsers.All() {
		for _, d := range p.Datasets {
			out[d.Name] = d
		}
	}
	return out
}
