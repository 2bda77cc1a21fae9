package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	parsers "holdfast/ingest/parser/all"
	"holdfast/scan"
)

func (a *app) scan() *cobra.Command {
	var rules, tags, only, outs []string
	var level, since, until, format, placeholders string
	var workers int
	c := &cobra.Command{
		Use: "scan PATH...", Short: "Run Sigma rules over files; needs no server",
		Long: `Holds rules against the events of files and folders. What a file is, is found by
what stands in it:
  Windows    event logs (.evtx), their JSON, exported tables
  Linux      syslog, journal exports, auditd, Sysmon
  macOS      eslogger
  network    Zeek (tables and JSON), Suricata EVE
  web        access logs of Apache, nginx, IIS and Squid
  cloud      CloudTrail, GuardDuty, Azure, Entra, Microsoft 365, GCP, Google Workspace,
             Okta, GitHub, Kubernetes and others, as exported
  any        JSON in any arrangement, CSV with a header
in UTF-8 or UTF-16, packed by gzip, zstd or bzip2, in tar and zip, and in each
other. Correlations are counted over the time of the events, in
whatever order the files are read; rules that only feed them make no match.

--format says how matches are printed, --out writes them to a file in the form
of its extension, as often as needed; FORMAT:FILE names the form:
` + formatHelp() + `
Ends with 3 if a file, a part of one or a rule was left out; the summary names
it, and the rest was scanned.`,
		Example: "  holdfast scan Security.evtx\n  holdfast scan evidence/ --rules sigma/rules --min-level high\n  holdfast scan evidence/ --out report.html --out hits.sarif\n  holdfast scan logs/ --tags t1490 --since 2026-11-01 --until 2026-11-08 --format csv",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errUsage{errors.New("scan takes one path at least; see holdfast scan --help")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o := scan.Options{Paths: args, Parsers: parsers.All(), MinLevel: holdfast.Level(level), Tags: tags, Only: only, Workers: workers}
			if level != "" && o.MinLevel.Rank() == 0 {
				return errUsage{fmt.Errorf("%q is no level: informational, low, medium, high or critical", level)}
			}
			var err error
			if o.Since, err = moment("--since", since); err != nil {
				return errUsage{err}
			}
			if o.Until, err = moment("--until", until); err != nil {
				return errUsage{err}
			}
			faults, err := scanRules(&o, rules, placeholders)
			if err != nil {
				return err
			}
			if a.json && format == "table" {
				format = "ndjson"
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.scanned(ctx, o, format, outs, faults)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&rules, "rules", nil, "a folder or file of Sigma rules, as often as needed; default: those that Holdfast ships")
	f.StringVar(&placeholders, "placeholders", "", "a YAML file of values for the %names% of rules; placeholders.yml among the rules is read anyway")
	f.StringSliceVar(&only, "rule", nil, "only matches of these rules, by id, name or title")
	f.StringVar(&level, "min-level", "", "leave out rules below a level")
	f.StringSliceVar(&tags, "tags", nil, "rules with one of these tags only (attack.t1490, or t1490)")
	f.StringVar(&since, "since", "", "events from a time on: 2026-11-01, RFC 3339, or how long ago (72h)")
	f.StringVar(&until, "until", "", "events before a time, written as for --since")
	f.StringVar(&format, "format", "table", "how matches are printed: table, "+strings.Join(formatNames(), ", "))
	f.StringArrayVarP(&outs, "out", "o", nil, "a file to write matches to, as often as needed")
	f.IntVar(&workers, "workers", 0, "files at a time; default: one for each processor")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "output" {
			name = "out"
		}
		return pflag.NormalizedName(name)
	})
	return c
}

func formatNames() []string {
	var names []string
	for _, f := range scan.Formats() {
		names = append(names, f.Name)
	}
	return names
}

func formatHelp() string {
	var b strings.Builder
	for _, f := range scan.Formats() {
		fmt.Fprintf(&b, "  %-10s %-42s %s\n", f.Name, f.Title, strings.Join(f.Extensions, " "))
	}
	return b.String()
}

// moment reads a date, a time, or how long ago; "" is the beginning.
func moment(flag, s string) (time.Time, error) {
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
	return time.Time{}, fmt.Errorf("%s %q is no time: 2026-11-01, 2026-11-01T10:00:00Z or 72h", flag, s)
}

// readPlaceholders reads the file of --placeholders, if there is one.
func readPlaceholders(path string) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--placeholders: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, sigma.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("--placeholders: %w", err)
	}
	values, faults := sigma.ParsePlaceholders(path, b)
	if len(faults) > 0 {
		return nil, fmt.Errorf("--placeholders: %w", faults[0])
	}
	return values, nil
}

// scanRules compiles the rules of the folders, or those shipped.
func scanRules(o *scan.Options, paths []string, placeholders string) (holdfast.Faults, error) {
	sources, err := ruleSources(paths)
	if err != nil {
		return nil, fmt.Errorf("--rules: %w", err)
	}
	values, err := readPlaceholders(placeholders)
	if err != nil {
		return nil, err
	}
	set, faults := detect.Read(sources, &sigma.Parser{Placeholders: values})
	eng, more := engine.New(set.Rules, set.Filters)
	_, unlinked := correlate.New(set.Rules, set.Correlations, nil)
	faults = append(append(faults, more...), unlinked...)
	if len(set.Rules) == 0 && len(faults) > 0 {
		return nil, fmt.Errorf("none of the rules in %s can be used:\n%w", strings.Join(paths, ", "), faults[:min(len(faults), 20)])
	}
	if len(set.Rules) == 0 {
		return nil, fmt.Errorf("there is no rule in %s: %w", strings.Join(paths, ", "), holdfast.ErrNotFound)
	}
	for _, want := range o.Only {
		is := func(m *sigma.Meta) bool { return want == m.ID || want == m.Name || want == m.Title }
		if !slices.ContainsFunc(set.Rules, func(r *sigma.Rule) bool { return is(&r.Meta) }) &&
			!slices.ContainsFunc(set.Correlations, func(c *sigma.Correlation) bool { return is(&c.Meta) }) {
			return nil, fmt.Errorf("--rule: no rule that is loaded has the id, name or title %q: %w", want, holdfast.ErrNotFound)
		}
	}
	o.Engine, o.Rules, o.Correlations = eng, set.Rules, set.Correlations
	return faults, nil
}

// scanFiles opens what matches are written to. What was opened is dropped if
// another cannot be.
func scanFiles(outs []string) (files []*scan.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				f.Drop()
			}
		}
	}()
	for _, out := range outs {
		path := out
		format, err := scan.FormatOf(out)
		if name, rest, ok := strings.Cut(out, ":"); ok && slices.Contains(formatNames(), name) {
			path = rest
			format, err = scan.FormatNamed(name)
		}
		if err != nil {
			return files, errUsage{fmt.Errorf("--out %w", err)}
		}
		f, err := scan.Create(path, format)
		if err != nil {
			return files, fmt.Errorf("--out: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

func (a *app) scanned(ctx context.Context, o scan.Options, format string, outs []string, faults holdfast.Faults) (err error) {
	var writers []scan.Writer
	if format != "table" {
		f, err := scan.FormatNamed(format)
		if err != nil {
			return errUsage{fmt.Errorf("--format: %w", err)}
		}
		writers = append(writers, f.New(a.out))
	}
	files, err := scanFiles(outs)
	if err != nil {
		return err
	}
	whole := false
	defer func() {
		for _, f := range files {
			if !whole {
				f.Drop()
			}
		}
	}()
	for _, f := range files {
		writers = append(writers, f)
	}
	tallies := scan.Tallies{}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var broken error
	o.Found = func(m *scan.Match) {
		for _, w := range writers {
			if err := w.Match(m); err != nil && broken == nil {
				broken = err
				stop() // there is no use in matches that nobody gets
			}
		}
		if format == "table" {
			tallies.Add(m)
		}
	}
	if f, ok := a.err.(*os.File); ok && isTerminal(f) {
		start := time.Now()
		o.Progress = func(p scan.Progress) { a.scanProgress(p, time.Since(start)) }
	}
	roomy(scan.GCPercent, 1<<30)
	started := a.clock.Now()
	sum, err := scan.Run(ctx, o)
	if o.Progress != nil {
		fmt.Fprint(a.err, "\r\033[K")
	}
	if broken != nil {
		return fmt.Errorf("the matches cannot be written: %w", broken)
	}
	if err != nil {
		return err
	}
	r := scan.Report{Version: version, Paths: o.Paths, Rules: len(o.Rules) + len(o.Correlations), Started: started, Summary: sum, Faults: faults}
	for _, w := range writers {
		if err := w.Close(r); err != nil {
			return err
		}
	}
	whole = true
	if format == "table" {
		if err := scanTable(a, tallies); err != nil {
			return err
		}
	}
	a.scanSummary(sum, faults)
	if len(sum.Left) > 0 || len(faults) > 0 {
		return errBroken
	}
	return nil
}

func (a *app) scanSummary(sum scan.Summary, faults holdfast.Faults) {
	a.showFaults(faults)
	for _, l := range sum.Left {
		fmt.Fprintf(a.err, "! %s: %s\n", clean(l.File), clean(l.What))
	}
	if sum.More > 0 {
		fmt.Fprintf(a.err, "! and %d more\n", sum.More)
	}
	for _, l := range sum.Noted {
		fmt.Fprintf(a.err, "? %s: %s; read all the same\n", clean(l.File), clean(l.What))
	}
	correlated := ""
	if sum.Correlated > 0 {
		correlated = fmt.Sprintf("; %d hits correlated", sum.Correlated)
	}
	fmt.Fprintf(a.err, "%d events of %d files (%s) in %s, %.0f events/s; %d matches%s; %d left out\n", sum.Events, sum.Files, bytesText(uint64(sum.Bytes)),
		sum.Took.Round(time.Millisecond), float64(sum.Events)/max(sum.Took.Seconds(), 0.001), sum.Matches, correlated, len(sum.Left)+sum.More+len(faults))
}

func scanTable(a *app, tallies scan.Tallies) error {
	all := tallies.Sorted()
	rows := make([][]string, 0, len(all))
	for _, t := range all {
		names := t.HostList()
		hosts := strings.Join(names[:min(len(names), 3)], ",")
		if n := len(names) - 3; n > 0 {
			hosts += fmt.Sprintf(" +%d", n)
		}
		rows = append(rows, []string{
			string(t.Level), fmt.Sprint(t.Count), cut(t.Title, 70), strings.Join(t.Attack, ","),
			t.First.UTC().Format("2006-01-02 15:04:05"), t.Last.UTC().Format("2006-01-02 15:04:05"), hosts,
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
