package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/content"
	"holdfast/detect"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	parsers "holdfast/ingest/parser/all"
	"holdfast/scan"
)

func (a *app) scan() *cobra.Command {
	var rules, tags []string
	var level, since string
	var workers int
	c := &cobra.Command{
		Use: "scan PATH...", Short: "Run Sigma rules over files; needs no server",
		Long: `Reads Windows event logs (.evtx), JSON in any arrangement and lines of text,
packed by gzip or zstd or not, and folders of them; what a file is, is found by
what stands in it. Each rule is held against each event by itself: correlation
rules are named and left out.

Ends with 3 if a file, a part of one or a rule was left out; the summary names
it, and the rest was scanned.`,
		Example: "  holdfast scan Security.evtx\n  holdfast scan evidence/ --rules sigma/rules --min-level high\n  holdfast scan logs/ --tags t1490 --since 2026-11-01 --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errUsage{errors.New("scan takes one path at least; see holdfast scan --help")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o := scan.Options{Paths: args, Parsers: parsers.All(), MinLevel: holdfast.Level(level), Tags: tags, Workers: workers}
			if level != "" && o.MinLevel.Rank() == 0 {
				return errUsage{fmt.Errorf("%q is no level: informational, low, medium, high or critical", level)}
			}
			var err error
			if o.Since, err = moment(since); err != nil {
				return errUsage{err}
			}
			loaded, faults, err := a.scanRules(rules)
			if err != nil {
				return err
			}
			o.Engine = loaded
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.scanned(ctx, o, faults)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&rules, "rules", nil, "a folder or file of Sigma rules, as often as needed; default: those that Holdfast ships")
	f.StringVar(&level, "min-level", "", "leave out rules below a level")
	f.StringSliceVar(&tags, "tags", nil, "rules with one of these tags only (attack.t1490, or t1490)")
	f.StringVar(&since, "since", "", "events from a time on: 2026-11-01, RFC 3339, or how long ago (72h)")
	f.IntVar(&workers, "workers", 0, "files at a time; default: one for each processor")
	return c
}

// moment reads a date, a time, or how long ago; "" is the beginning.
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is no time: 2026-11-01, 2026-11-01T10:00:00Z or 72h", s)
}

// scanRules compiles the rules of the folders, or those shipped.
func (a *app) scanRules(paths []string) (*engine.Engine, holdfast.Faults, error) {
	var sources []detect.Source
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return nil, nil, fmt.Errorf("--rules: %w", err)
		}
		sources = append(sources, detect.Dir(p))
	}
	if len(sources) == 0 {
		shipped, err := fs.Sub(content.FS, "rules")
		if err != nil {
			return nil, nil, err
		}
		sources = []detect.Source{{Name: "shipped/rules", FS: shipped}}
	}
	set, faults := detect.Read(sources, &sigma.Parser{})
	eng, more := engine.New(set.Rules, set.Filters)
	faults = append(faults, more...)
	if len(paths) > 0 { // those shipped are known to correlate
		for _, r := range set.Correlations {
			faults = append(faults, holdfast.Fault{File: r.File, Line: r.Pos.Line, Column: r.Pos.Column, What: "scan does not correlate events yet", Do: "leave it to a server"})
		}
	}
	if len(set.Rules) == 0 {
		return nil, nil, fmt.Errorf("there is no rule in %s: %w", strings.Join(paths, ", "), holdfast.ErrNotFound)
	}
	return eng, faults, nil
}

// tally is what the table says of one rule.
type tally struct {
	scan.Match
	count       int
	first, last time.Time
	hosts       []string
}

func (a *app) scanned(ctx context.Context, o scan.Options, faults holdfast.Faults) error {
	by := map[string]*tally{}
	var broken error
	lines := json.NewEncoder(a.out)
	lines.SetEscapeHTML(false)
	o.Found = func(m *scan.Match) {
		if a.json {
			if err := lines.Encode(m); err != nil && broken == nil {
				broken = err
			}
			return
		}
		by[m.Rule] = by[m.Rule].add(m)
	}
	if f, ok := a.err.(*os.File); ok && isTerminal(f) {
		start := time.Now()
		o.Progress = func(p scan.Progress) { a.scanProgress(p, time.Since(start)) }
	}
	sum, err := scan.Run(ctx, o)
	if o.Progress != nil {
		fmt.Fprint(a.err, "\r\033[K")
	}
	if err := errors.Join(err, broken); err != nil {
		return err
	}
	if !a.json {
		if err := a.scanTable(by); err != nil {
			return err
		}
	}
	a.showFaults(faults)
	for _, l := range sum.Left {
		fmt.Fprintf(a.err, "! %s: %s\n", clean(l.File), clean(l.What))
	}
	if sum.More > 0 {
		fmt.Fprintf(a.err, "! and %d more\n", sum.More)
	}
	fmt.Fprintf(a.err, "%d events of %d files (%s) in %s, %.0f events/s; %d matches; %d left out\n", sum.Events, sum.Files, bytesText(uint64(sum.Bytes)),
		sum.Took.Round(time.Millisecond), float64(sum.Events)/max(sum.Took.Seconds(), 0.001), sum.Matches, len(sum.Left)+sum.More+len(faults))
	if len(sum.Left) > 0 || len(faults) > 0 {
		return errBroken
	}
	return nil
}

func (t *tally) add(m *scan.Match) *tally {
	if t == nil {
		t = &tally{Match: *m, first: m.Time, last: m.Time}
	}
	t.count++
	if m.Time.Before(t.first) {
		t.first = m.Time
	}
	if m.Time.After(t.last) {
		t.last = m.Time
	}
	if m.Host != "" && len(t.hosts) < 100 && !slices.Contains(t.hosts, m.Host) {
		t.hosts = append(t.hosts, m.Host)
	}
	return t
}

func (a *app) scanTable(by map[string]*tally) error {
	all := make([]*tally, 0, len(by))
	for _, t := range by {
		all = append(all, t)
	}
	slices.SortFunc(all, func(x, y *tally) int {
		if d := y.Level.Rank() - x.Level.Rank(); d != 0 {
			return d
		}
		if d := y.count - x.count; d != 0 {
			return d
		}
		return strings.Compare(x.Title, y.Title)
	})
	rows := make([][]string, 0, len(all))
	for _, t := range all {
		hosts := strings.Join(t.hosts[:min(len(t.hosts), 3)], ",")
		if n := len(t.hosts) - 3; n > 0 {
			hosts += fmt.Sprintf(" +%d", n)
		}
		rows = append(rows, []string{
			string(t.Level), fmt.Sprint(t.count), cut(t.Title, 70), strings.Join(t.Attack, ","),
			t.first.UTC().Format("2006-01-02 15:04:05"), t.last.UTC().Format("2006-01-02 15:04:05"), hosts,
		})
	}
	return a.table("LEVEL MATCHES RULE ATT&CK FIRST LAST HOSTS", rows)
}

func (a *app) scanProgress(p scan.Progress, took time.Duration) {
	share := float64(p.Bytes) / float64(max(p.Total, 1))
	left := ""
	if share > 0.01 && took > time.Second {
		left = fmt.Sprintf(", %s left", time.Duration(float64(took)*(1-share)/share).Round(time.Second))
	}
	const width = 30
	full := min(width, int(share*width))
	fmt.Fprintf(a.err, "\r\033[K[%s%s] %3.0f %%  %.0f events/s, %d matches%s", strings.Repeat("#", full), strings.Repeat(".", width-full),
		share*100, float64(p.Events)/max(took.Seconds(), 0.001), p.Matches, left)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
