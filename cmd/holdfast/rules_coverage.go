package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/sigma"
	"holdfast/scan"
)

func (a *app) coverRules() *cobra.Command {
	var offline bool
	var places []string
	var layer string
	c := &cobra.Command{
		Use: "coverage", Short: "Which techniques of ATT&CK would be seen: rule, data, proof",
		Long: `Crosses the techniques of ATT&CK with three questions: is there a rule, did data
that it looks at come in within the last week, and when has a drill last made it
fire. With --offline, or --rules, only the first, without a server.`,
		Example: "  holdfast rules coverage\n  holdfast rules coverage --offline --rules my-rules/ --navigator mine.layer.json",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var cover holdfast.Coverage
			offline = offline || len(places) > 0
			if offline {
				sources, err := ruleSources(places)
				if err != nil {
					return err
				}
				set, faults := detect.Read(sources, &sigma.Parser{})
				a.showFaults(faults)
				cover = detect.Cover(set, knownDatasets(), nil, nil)
			} else if err := a.call(c.Context(), "GET", "/rules/coverage", nil, &cover); err != nil {
				return err
			}
			if layer != "" {
				if err := writeLayer(layer, cover, offline); err != nil {
					return err
				}
			}
			if a.json {
				return a.print(cover)
			}
			return a.showCoverage(cover, offline)
		},
	}
	f := c.Flags()
	f.BoolVar(&offline, "offline", false, "only the rules that Holdfast ships, without a server")
	f.StringArrayVar(&places, "rules", nil, "a folder or file of rules instead, as often as needed; without a server")
	f.StringVar(&layer, "navigator", "", "also write a layer for the ATT&CK Navigator to a file")
	return c
}

func (a *app) showCoverage(cover holdfast.Coverage, offline bool) error {
	rows := make([][]string, 0, len(cover.Techniques))
	data, proven := 0, 0
	when := func(t time.Time, n *int) string {
		switch {
		case !t.IsZero():
			*n++
			return ago(t)
		case offline:
			return "?"
		}
		return "no"
	}
	for _, t := range cover.Techniques {
		var titles []string
		for _, r := range t.Rules[:min(len(t.Rules), 2)] {
			titles = append(titles, cut(r.Title, 50))
		}
		if n := len(t.Rules) - 2; n > 0 {
			titles = append(titles, fmt.Sprintf("and %d more", n))
		}
		rows = append(rows, []string{t.Technique, fmt.Sprint(len(t.Rules)), when(t.Data, &data), when(t.Proven, &proven), strings.Join(titles, "; ")})
	}
	if err := a.table("TECHNIQUE RULES DATA PROVEN TITLES", rows); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d techniques have a rule", len(cover.Techniques))
	if !offline {
		fmt.Fprintf(a.err, ", %d of them data within a week, %d are proven by a drill", data, proven)
	}
	if n := len(cover.Untagged); n > 0 {
		fmt.Fprintf(a.err, "; %d rules name no technique", n)
	}
	fmt.Fprintln(a.err)
	return nil
}

// writeLayer scores a technique 1 for a rule, 2 if its data flows, 3 if it is
// proven.
func writeLayer(path string, cover holdfast.Coverage, offline bool) error {
	l := scan.NewLayer("Holdfast coverage", "1: a rule is there, 2: its data flows, 3: a drill has made it fire")
	if offline {
		l.Description = "1: a rule is there; whether data flows and what is proven was not asked"
	}
	l.Gradient.Max = 3
	l.Legend = []scan.LayerLegend{{Label: "rule", Color: l.Gradient.Colors[0]}, {Label: "rule and data", Color: l.Gradient.Colors[1]}, {Label: "proven", Color: l.Gradient.Colors[2]}}
	for _, t := range cover.Techniques {
		one := scan.LayerTechnique{ID: t.Technique, Score: 1, Enabled: true, ShowSub: true}
		if !t.Data.IsZero() {
			one.Score = 2
		}
		if !t.Proven.IsZero() {
			one.Score = 3
		}
		one.Color = l.Gradient.Colors[one.Score-1]
		for i, r := range t.Rules {
			if i == 20 {
				one.Comment += fmt.Sprintf("and %d more\n", len(t.Rules)-i)
				break
			}
			one.Comment += fmt.Sprintf("%s: %s\n", r.Level, r.Title)
		}
		one.Comment = strings.TrimSpace(one.Comment)
		l.Techniques = append(l.Techniques, one)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(l.Write(f), f.Close())
}
