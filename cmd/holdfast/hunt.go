package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/api"
	"holdfast/hunt/indicator"
)

// hunting is what `holdfast hunt` was asked to do.
type hunting struct {
	list, last, from, to, format string
	raw, skip, detach            bool
}

func (a *app) hunt() *cobra.Command {
	var h hunting
	c := &cobra.Command{
		Use: "hunt [RULE]", Short: "Look for one rule, or a list of indicators, over all stored history",
		Long: `RULE is a file, which need not be loaded, or the id or name of a loaded rule. The
store finds the events that may fit, and the rule decides.

--indicators takes a file, or - for the standard input: lines of text, CSV or a
STIX 2.1 bundle, of addresses, networks, domains (and all below them), URLs,
hashes and names or paths of files, 100,000 at most; hxxp and [.] are understood.
They are looked for in the columns of events; with --raw, in the records
themselves as well, which takes longer.

Hunts run on the server and are kept with what they found. Ctrl-C cancels.
Exit codes: 0 nothing was found, 3 something was.`,
		Example: `  holdfast hunt ssh_bruteforce --last 365d
  holdfast hunt my-rules/new.yml --last 30d --format csv
  holdfast hunt --indicators iocs.csv --last 90d
  holdfast hunt --indicators bundle.json --raw
  holdfast hunt list`,
		Args: atMost(1, "one rule, or --indicators"),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := a.huntBody(args, h)
			if err != nil {
				return err
			}
			return a.runHunt(c.Context(), body, h)
		},
	}
	f := c.Flags()
	f.StringVar(&h.list, "indicators", "", "a file with a list of indicators, or -")
	f.StringVar(&h.last, "last", "30d", "how far back: 12h, 30d, 4w, 365d")
	f.StringVar(&h.from, "from", "", "a time instead: 2026-11-01 or RFC 3339")
	f.StringVar(&h.to, "to", "", "until when; default: now")
	f.BoolVar(&h.raw, "raw", false, "look for indicators in the records as well")
	f.BoolVar(&h.skip, "skip-faults", false, "hunt with what is right of a list, and pass over the rest")
	f.BoolVar(&h.detach, "detach", false, "do not wait for the end; see `holdfast hunt show HUNT`")
	f.StringVar(&h.format, "format", "table", "table, json or csv")
	c.AddCommand(a.listHunts(), a.showHunt(), a.cancelHunt(), a.deleteHunt())
	return c
}

// huntBody is what the server is asked.
func (a *app) huntBody(args []string, h hunting) (map[string]any, error) {
	if (len(args) == 0) == (h.list == "") {
		return nil, errUsage{errors.New("name one rule, or a list by --indicators FILE; see holdfast hunt --help")}
	}
	if h.format != "table" && h.format != "json" && h.format != "csv" {
		return nil, errUsage{fmt.Errorf("--format %q is not known; take table, json or csv", h.format)}
	}
	if h.list == "" && (h.raw || h.skip) {
		return nil, errUsage{errors.New("--raw and --skip-faults go with --indicators")}
	}
	rule := ""
	if len(args) > 0 {
		rule = args[0]
	}
	body, err := replayBody(rule, h.last, h.from, h.to, a.clock.Now())
	if err != nil || h.list == "" {
		return body, err
	}
	text, err := a.readList(h.list)
	if err != nil {
		return nil, err
	}
	delete(body, "rule")
	name := filepath.Base(h.list)
	if h.list == "-" {
		name = "stdin"
	}
	body["indicators"], body["name"], body["raw"], body["skip_faults"] = text, cut(name, 200), h.raw, h.skip
	return body, nil
}

// readList reads a list and no more than is taken of one.
func (a *app) readList(path string) (string, error) {
	in := a.in
	if path != "-" {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("--indicators: %w", err)
		}
		if info.Mode().IsRegular() && info.Size() > indicator.MaxBytes {
			return "", fmt.Errorf("%s has %s, and a list has %s at most; cut it in several: %w", path, bytesText(uint64(info.Size())), bytesText(indicator.MaxBytes), holdfast.ErrTooLarge)
		}
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("--indicators: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, indicator.MaxBytes+1))
	if err != nil {
		return "", fmt.Errorf("--indicators: %w", err)
	}
	if len(b) > indicator.MaxBytes {
		return "", fmt.Errorf("%s is larger than %s, which is the most for a list; cut it in several: %w", path, bytesText(indicator.MaxBytes), holdfast.ErrTooLarge)
	}
	if len(b) == 0 {
		return "", fmt.Errorf("%s is empty; put one indicator on each line: %w", path, holdfast.ErrInvalid)
	}
	// JSON has no way to say bytes that are no UTF-8; the list is at fault there
	// anyway, and U+FFFD is no indicator.
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}

// huntPoll is how often a hunt is asked how far it is.
const huntPoll = 200 * time.Millisecond

func (a *app) runHunt(ctx context.Context, body map[string]any, o hunting) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	var h holdfast.Hunt
	if err := a.call(ctx, "POST", "/hunts", body, &h); err != nil {
		return err
	}
	if o.detach {
		if a.json || o.format == "json" {
			return a.print(h)
		}
		fmt.Fprintf(a.out, "%s is under way; `holdfast hunt show %s` says how far\n", h.ID, h.ID)
		return nil
	}
	h, err := a.waitHunt(ctx, h)
	if err != nil {
		return err
	}
	if err := a.showHuntAs(h, o.format); err != nil {
		return err
	}
	return huntEnd(h)
}

// huntEnd is how a hunt ends the command.
func huntEnd(h holdfast.Hunt) error {
	switch {
	case h.Status == holdfast.HuntFailed:
		return fmt.Errorf("%s failed: %s", h.ID, clean(h.Error))
	case h.Status == holdfast.HuntCancelled:
		return fmt.Errorf("%s was cancelled by %s: %w", h.ID, clean(h.Cancel), holdfast.ErrConflict)
	case h.Found > 0:
		return errBroken
	}
	return nil
}

// waitHunt waits for the end of a hunt and shows how far it is; who does not
// want to wait any more cancels it.
func (a *app) waitHunt(ctx context.Context, h holdfast.Hunt) (holdfast.Hunt, error) {
	f, ok := a.err.(*os.File)
	shown := ok && isTerminal(f)
	start := a.clock.Now()
	for h.Status == holdfast.HuntRunning {
		if shown && a.clock.Now().Sub(start) > time.Second {
			fmt.Fprintf(a.err, "\r\033[K%d of %d parts, %d events, %d found", h.Done, h.Parts, h.Events, h.Found)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return h, errors.Join(ctx.Err(), a.call(last, "POST", "/hunts/"+url.PathEscape(h.ID)+"/cancel", map[string]any{}, nil))
		case <-time.After(huntPoll):
		}
		if err := a.call(ctx, "GET", "/hunts/"+url.PathEscape(h.ID), nil, &h); err != nil && ctx.Err() == nil {
			return h, fmt.Errorf("%w; the hunt outlives its server: `holdfast hunt show %s` says how far it is", err, h.ID)
		}
	}
	if shown {
		fmt.Fprint(a.err, "\r\033[K")
	}
	return h, nil
}

func (a *app) showHuntAs(h holdfast.Hunt, format string) error {
	switch {
	case a.json || format == "json":
		return a.print(h)
	case format == "csv":
		return a.huntCSV(h)
	}
	a.tellHunt(h)
	return nil
}

// huntCSV writes what was found: a line for each indicator, or for each event
// of a rule that was kept.
func (a *app) huntCSV(h holdfast.Hunt) error {
	w := csv.NewWriter(a.out)
	line := func(cells ...string) {
		for i := range cells {
			cells[i] = api.CSVText(cells[i])
		}
		_ = w.Write(cells) // Error says so at the end
	}
	if h.Kind == holdfast.HuntIndicators {
		line("indicator", "type", "note", "events", "hosts", "first", "last", "fields", "host names")
		for _, x := range h.Hits {
			names := make([]string, len(x.Hosts))
			for i := range x.Hosts {
				names[i] = x.Hosts[i].Name
			}
			line(x.Indicator, x.Type, x.Note, strconv.FormatUint(x.Events, 10), strconv.Itoa(x.HostCount), x.First.Format(time.RFC3339Nano), x.Last.Format(time.RFC3339Nano), strings.Join(x.Fields, " "), strings.Join(names, " "))
		}
	} else {
		line("time", "rule", "event", "asset", "message")
		for _, r := range h.Rules {
			for _, x := range r.Samples {
				line(x.Time.Format(time.RFC3339Nano), x.Rule, x.Event.String(), x.Asset, x.Message)
			}
		}
	}
	w.Flush()
	return w.Error()
}

func (a *app) tellHunt(h holdfast.Hunt) {
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
	fmt.Fprintf(a.out, "%s %s: %s, %s to %s, by %s\n", h.ID, h.Status, clean(h.Name), day(h.From), day(h.To), clean(h.By))
	if h.Again > 0 {
		times := "once"
		if h.Again > 1 {
			times = fmt.Sprint(h.Again, " times")
		}
		fmt.Fprintf(a.out, "  begun again %s, as the server that ran it was gone\n", times)
	}
	if h.Status == holdfast.HuntRunning {
		fmt.Fprintf(a.out, "  %d of %d parts, %d events, %d found so far\n", h.Done, h.Parts, h.Events, h.Found)
		return
	}
	fmt.Fprintf(a.out, "  %d found in %d events, of which %d were looked at, in %s\n", h.Found, h.Events, h.Looked, h.Ended.Sub(h.Started).Round(10*time.Millisecond))
	for _, n := range h.Notes {
		fmt.Fprintln(a.out, "  note:", clean(n))
	}
	if h.Kind == holdfast.HuntRule {
		fmt.Fprintln(a.out)
		a.showReplay(holdfast.Replay{From: h.From, To: h.To, Step: huntStep(h), Events: h.Events, Rules: fewSamples(h.Rules), Took: h.Ended.Sub(h.Started)})
		return
	}
	if len(h.Hits) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	rows := make([][]string, 0, len(h.Hits))
	for _, x := range h.Hits[:min(len(h.Hits), 100)] {
		hosts := strconv.Itoa(x.HostCount)
		if len(x.Hosts) > 0 {
			hosts += " (" + cut(x.Hosts[0].Name, 30) + ")"
		}
		rows = append(rows, []string{cut(x.Indicator, 64), x.Type, strconv.FormatUint(x.Events, 10), hosts, day(x.First), day(x.Last), strings.Join(x.Fields, " ")})
	}
	if err := a.table("INDICATOR TYPE EVENTS HOSTS FIRST LAST FIELDS", rows); err != nil {
		fmt.Fprintln(a.err, err)
	}
	if more := len(h.Hits) - len(rows) + h.More; more > 0 {
		fmt.Fprintf(a.out, "and %d more; --json has the first %d\n", more, holdfast.MaxHuntHits)
	}
}

func huntStep(h holdfast.Hunt) time.Duration {
	if h.To.Sub(h.From) > 4*24*time.Hour {
		return 24 * time.Hour
	}
	return time.Hour
}

// fewSamples leaves of the events of each rule as many as a page has room for.
func fewSamples(rules []holdfast.ReplayRule) []holdfast.ReplayRule {
	for i := range rules {
		rules[i].Samples = rules[i].Samples[:min(len(rules[i].Samples), 10)]
	}
	return rules
}

func (a *app) listHunts() *cobra.Command {
	var limit int
	return withFlags(&cobra.Command{
		Use: "list", Short: "Hunts that ran or run", Args: exactly(0, "no arguments"), Example: "  holdfast hunt list",
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := listed[holdfast.Hunt](c.Context(), a, limit, "/hunts")
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, h := range items {
				rows = append(rows, []string{h.ID, h.Kind, cut(h.Name, 50), h.Status, h.By, ago(h.Started), fmt.Sprint(h.Events), fmt.Sprint(h.Found)})
			}
			return a.table("ID KIND NAME STATUS BY STARTED EVENTS FOUND", rows)
		},
	}, func(c *cobra.Command) { limited(c, &limit) })
}

func (a *app) showHunt() *cobra.Command {
	format := ""
	c := &cobra.Command{
		Use: "show HUNT", Short: "One hunt, and what it found", Args: exactly(1, "the id of a hunt"),
		Example: "  holdfast hunt show hnt-1\n  holdfast hunt show hnt-1 --format csv",
		RunE: func(c *cobra.Command, args []string) error {
			var h holdfast.Hunt
			if err := a.call(c.Context(), "GET", "/hunts/"+url.PathEscape(args[0]), nil, &h); err != nil {
				return err
			}
			return a.showHuntAs(h, format)
		},
	}
	c.Flags().StringVar(&format, "format", "table", "table, json or csv")
	return c
}

func (a *app) cancelHunt() *cobra.Command {
	return a.doHunt("cancel", "Stop a hunt; what it found until then is kept", "POST", "/cancel", "is asked to stop")
}

func (a *app) deleteHunt() *cobra.Command {
	return a.doHunt("delete", "Forget a hunt that has ended", "DELETE", "", "is deleted")
}

func (a *app) doHunt(verb, say, method, under, done string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " HUNT", Short: say, Args: exactly(1, "the id of a hunt"), Example: "  holdfast hunt " + verb + " hnt-1",
		RunE: func(c *cobra.Command, args []string) error {
			var h holdfast.Hunt
			var body any
			if method == "POST" {
				body = map[string]any{}
			}
			if err := a.call(c.Context(), method, "/hunts/"+url.PathEscape(args[0])+under, body, &h); err != nil {
				return err
			}
			if a.json {
				return a.print(h)
			}
			fmt.Fprintf(a.out, "%s %s\n", h.ID, done)
			return nil
		},
	}
}
