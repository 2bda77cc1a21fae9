package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/detect/sigma"
)

func (a *app) replayRule() *cobra.Command {
	var last, from, to string
	c := &cobra.Command{
		Use: "replay RULE", Short: "Run a rule over stored events, before it goes live",
		Long: `RULE is a file, which need not be loaded, or the id or name of a loaded rule. It
is run on the server over the events that are stored, with the exceptions in
force; nothing comes of it but the answer: when it would have fired, how often,
and on which hosts. Ctrl-C ends it.`,
		Example: "  holdfast rules replay ssh_bruteforce --last 30d\n  holdfast rules replay my-rules/new.yml --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z",
		Args:    exactly(1, "a rule"),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := replayBody(args[0], last, from, to, a.clock.Now())
			if err != nil {
				return err
			}
			out, err := a.replay(c.Context(), body)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(out)
			}
			a.showReplay(out)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&last, "last", "24h", "how far back: 12h, 30d, 4w")
	f.StringVar(&from, "from", "", "a time instead: 2026-11-01 or RFC 3339")
	f.StringVar(&to, "to", "", "until when; default: now")
	return c
}

func replayBody(rule, last, from, to string, now time.Time) (map[string]any, error) {
	body := map[string]any{"rule": rule}
	if info, err := os.Stat(rule); err == nil && !info.IsDir() {
		if info.Size() > sigma.MaxFile*9/10 {
			return nil, fmt.Errorf("%s has %d bytes, which is too much to send: %w", rule, info.Size(), holdfast.ErrTooLarge)
		}
		b, err := os.ReadFile(rule)
		if err != nil {
			return nil, err
		}
		body = map[string]any{"text": string(b)}
	}
	back, err := daysOrHours(last)
	if err != nil {
		return nil, errUsage{fmt.Errorf("--last %w", err)}
	}
	body["from"] = now.Add(-back).UTC()
	for _, x := range []struct{ name, value string }{{"from", from}, {"to", to}} {
		if x.value == "" {
			continue
		}
		t, err := moment("--"+x.name, x.value)
		if err != nil {
			return nil, errUsage{err}
		}
		body[x.name] = t.UTC()
	}
	return body, nil
}

// daysOrHours reads a duration, also in days and weeks.
func daysOrHours(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			if n, err := strconv.ParseUint(n, 10, 12); err == nil && n > 0 {
				return time.Duration(n) * d, nil
			}
		}
	}
	return 0, fmt.Errorf("%q is no time back: 12h, 30d or 4w", s)
}

// replay asks the server and shows how far it is.
func (a *app) replay(ctx context.Context, body map[string]any) (out holdfast.Replay, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := a.contact()
	if err != nil {
		return out, err
	}
	resp, err := c.send(ctx, "POST", "/rules/replay", body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	f, ok := a.err.(*os.File)
	shown := ok && isTerminal(f)
	dec := json.NewDecoder(bufio.NewReader(io.LimitReader(resp.Body, 256<<20)))
	for {
		var l holdfast.ReplayLine
		if err := dec.Decode(&l); err != nil {
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			return out, errAway{fmt.Errorf("the answer broke off: %w", err)}
		}
		if shown {
			fmt.Fprint(a.err, "\r\033[K")
		}
		switch {
		case l.Error != "":
			return out, errors.New(l.Error)
		case l.Result != nil:
			return *l.Result, nil
		case shown:
			fmt.Fprintf(a.err, "%d of %d segments, %d events, %d found", l.Segments, l.Total, l.Events, l.Found)
		}
	}
}

func (a *app) showReplay(out holdfast.Replay) {
	for _, r := range out.Rules {
		if !r.Asked {
			continue
		}
		what := fmt.Sprintf("held for %d events and would have raised %d alerts", r.Events, r.Alerts)
		if r.Kind == "correlation" {
			what = fmt.Sprintf("would have raised %d alerts", r.Alerts)
		}
		fmt.Fprintf(a.out, "%s (%s) %s\n", clean(r.Title), r.Level, what)
		if r.Hidden > 0 {
			fmt.Fprintf(a.out, "  %d events more are hidden by exceptions and filters\n", r.Hidden)
		}
		if len(r.Buckets) == 0 {
			continue
		}
		fmt.Fprintf(a.out, "  first %s, last %s\n\n", r.First.UTC().Format("2006-01-02 15:04:05"), r.Last.UTC().Format("2006-01-02 15:04:05"))
		a.bars(r.Buckets, out.Step)
		if len(r.Hosts) > 0 {
			fmt.Fprint(a.out, "\n  hosts\n")
			for _, h := range r.Hosts[:min(len(r.Hosts), 10)] {
				fmt.Fprintf(a.out, "  %8d  %s\n", h.Count, clean(h.Name))
			}
		}
		fmt.Fprint(a.out, "\n  samples\n")
		for _, s := range r.Samples {
			fmt.Fprintf(a.out, "  %s  %s\n", s.Time.UTC().Format("2006-01-02 15:04:05"), clean(cut(s.Message, 120)))
		}
		fmt.Fprintln(a.out)
	}
	for _, r := range out.Rules {
		if !r.Asked {
			fmt.Fprintf(a.out, "it rests on %s: %d events\n", clean(r.Title), r.Events)
		}
	}
	if out.Dropped > 0 {
		fmt.Fprintf(a.err, "! %d events are counted and not correlated: choose a shorter time\n", out.Dropped)
	}
	if out.Gone > 0 {
		fmt.Fprintf(a.err, "! %d segments were put together meanwhile, or cannot be read: run it again, and `holdfast store verify` if it says so again\n", out.Gone)
	}
	fmt.Fprintf(a.err, "%d events from %s to %s in %s\n", out.Events, out.From.Format("2006-01-02 15:04"), out.To.Format("2006-01-02 15:04"), out.Took.Round(time.Millisecond))
}

// bars shows counts over time, 60 lines at most: the newest.
func (a *app) bars(buckets []holdfast.ReplayBucket, step time.Duration) {
	most := 1
	for _, b := range buckets {
		most = max(most, b.Count)
	}
	layout := "2006-01-02 15:04"
	if step >= 24*time.Hour {
		layout = "2006-01-02"
	}
	const lines, width = 60, 50
	if n := len(buckets) - lines; n > 0 {
		fmt.Fprintf(a.out, "  (%d earlier ones are left out)\n", n)
		buckets = buckets[n:]
	}
	for _, b := range buckets {
		fmt.Fprintf(a.out, "  %s %8d  %s\n", b.Time.UTC().Format(layout), b.Count, strings.Repeat("#", max(b.Count*width/most, 1)))
	}
}
