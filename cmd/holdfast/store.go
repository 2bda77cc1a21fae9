package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/spine"
	"holdfast/store/events"
	"holdfast/store/state"
)

func (a *app) store() *cobra.Command {
	c := &cobra.Command{
		Use: "store", Short: "What is kept: is it whole, how long, what must stay",
		Example: "  holdfast store stats\n  holdfast store verify --deep\n  holdfast store retention set linux.sshd --age 90d\n  holdfast store hold add case-2026-17 --dataset 'linux.*' --from 2026-03-01 --to 2026-03-08 --reason 'police inquiry'",
		Args:    exactly(0, "stats, verify, ledger, retention, drops or hold"),
	}
	c.AddCommand(a.storeStats(), a.verifyStore(), a.ledger(), a.retention(), a.drops(), a.holds())
	return c
}

func (a *app) storeStats() *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "How much is kept of each dataset, and what it has cost", Args: exactly(0, "no arguments"),
		Example: "  holdfast store stats\n  holdfast store stats --json | jq '.written / .raw'",
		RunE: func(c *cobra.Command, _ []string) error {
			var s spine.StoreStats
			if err := a.call(c.Context(), "GET", "/store/stats", nil, &s); err != nil {
				return err
			}
			if a.json {
				return a.print(s)
			}
			fmt.Fprintf(a.out, "%d events in %d segments: %s on disk of %s of records; %s written in all; %d dropped\n\n",
				s.Events, s.Segments, bytesText(s.Bytes), bytesText(s.Raw), bytesText(s.Written), s.Dropped)
			rows := make([][]string, 0, len(s.Datasets))
			for _, d := range s.Datasets {
				rows = append(rows, []string{d.Dataset, fmt.Sprint(d.Events), bytesText(d.Bytes), bytesText(d.Raw), d.Oldest.Format("2006-01-02"), ago(d.Newest)})
			}
			return a.table("DATASET EVENTS DISK RECORDS SINCE NEWEST", rows)
		},
	}
}

func (a *app) verifyStore() *cobra.Command {
	var deep, offline bool
	c := &cobra.Command{
		Use: "verify", Short: "Is every event there that was acknowledged; which were in what is damaged", Args: exactly(0, "no arguments"),
		Long: `Holds every segment against the manifest (size, SHA-256, and with --deep every
row), the places on the bus without gap or overlap, and the counts of the
segments against the ledger of every source and hour. For a segment that is
damaged or missing it says which events were in it. It changes nothing.

A server that can be reached does it; otherwise, and with --offline, the data
folder is read. Ends with 3 if anything does not hold.`,
		Example: "  holdfast store verify\n  holdfast store verify --deep --json\n  holdfast --data /mnt/copy store verify --offline --deep",
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.verified(c.Context(), deep, offline)
			if err != nil {
				return err
			}
			if a.json {
				err = a.print(v)
			} else {
				err = a.showVerified(v)
			}
			if err == nil && !v.Holds() {
				err = errBroken
			}
			return err
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "read every row, and look for events that are there twice")
	c.Flags().BoolVar(&offline, "offline", false, "read the data folder, whether a server runs or not")
	return c
}

func (a *app) verified(ctx context.Context, deep, offline bool) (v events.Verification, err error) {
	path := filepath.Join(a.data, "state.db")
	if !offline {
		err = a.callFor(ctx, 24*time.Hour, "POST", "/store/verify", map[string]any{"deep": deep}, &v)
		var away errAway
		if !errors.As(err, &away) || a.server != "" {
			return v, err
		}
		if _, serr := os.Stat(path); serr != nil {
			return v, err
		}
		fmt.Fprintf(a.err, "no server answers; reading %s\n", a.data)
	}
	db, err := state.OpenReadOnly(ctx, path)
	if err != nil {
		return v, err
	}
	defer db.Close()
	return events.Verify(ctx, filepath.Join(a.data, "events"), db, deep, nil)
}

func (a *app) showVerified(v events.Verification) error {
	how := "files and ledger"
	if v.Deep {
		how = "every row, files and ledger"
	}
	fmt.Fprintf(a.out, "%d events in %d segments, %s; %d blocks of the bus; %d sources, %d rows by the hour; %d dropped by retention\n",
		v.Events, v.Segments, bytesText(v.Bytes), v.Blocks, v.Sources, v.Hours, v.Dropped)
	if v.Holds() {
		fmt.Fprintf(a.out, "all holds (%s, in %s)\n", how, v.Took.Round(time.Millisecond))
		return nil
	}
	for _, p := range v.Problems {
		fmt.Fprintf(a.out, "\n! %s", p.Kind)
		if p.Segment != "" {
			fmt.Fprintf(a.out, " segment %s", clean(p.Segment))
		}
		fmt.Fprintf(a.out, ": %s\n", clean(p.What))
		if p.Segment == "" {
			continue
		}
		fmt.Fprintf(a.out, "  %d events from %s to %s, ids %s to %s\n", p.Events, p.Oldest.Format(time.RFC3339), p.Newest.Format(time.RFC3339), p.FirstID, p.LastID)
		for _, x := range p.Parts {
			fmt.Fprintf(a.out, "  %8d of %s from %s, received in the hour from %s\n", x.Events, clean(x.Dataset), clean(x.Source), x.Hour.Format("2006-01-02 15:04"))
		}
	}
	return nil
}

func (a *app) ledger() *cobra.Command {
	var source, last string
	var limit int
	c := &cobra.Command{
		Use: "ledger", Short: "What came in and what became of it, by source and hour", Args: exactly(0, "no arguments"),
		Long: `Received = stored + rejected + dead-lettered, in every hour and for every source;
what still waits for a segment stands in holdfast status. The hour is that of
receiving.`,
		Example: "  holdfast store ledger --last 24h\n  holdfast store ledger --source journald --json",
		RunE: func(c *cobra.Command, _ []string) error {
			from, err := backTo(last, a.clock.Now())
			if err != nil {
				return errUsage{err}
			}
			var l list[holdfast.LedgerRow]
			path := "/ledger" + params("source", source, "from", from.UTC().Format(time.RFC3339), "limit", fmt.Sprint(limit))
			if err := a.call(c.Context(), "GET", path, nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, r := range l.Items {
				hour, balance := "before", "balanced"
				if !r.Hour.IsZero() {
					hour = r.Hour.Format("2006-01-02 15:04")
				}
				if !r.Balanced() {
					balance = "DOES NOT ADD UP"
				}
				rows = append(rows, []string{hour, r.Source, fmt.Sprint(r.Received), fmt.Sprint(r.Stored), fmt.Sprint(r.Rejected), fmt.Sprint(r.DeadLettered), fmt.Sprint(r.Doubled), fmt.Sprint(r.Reparsed), fmt.Sprint(r.Dropped + r.DroppedDead), balance})
			}
			return a.table("HOUR SOURCE RECEIVED STORED REJECTED DEAD DOUBLED REPARSED DROPPED LEDGER", rows)
		},
	}
	c.Flags().StringVar(&source, "source", "", "one source only")
	c.Flags().StringVar(&last, "last", "7d", "so far back: 12h, 30d")
	c.Flags().IntVar(&limit, "limit", 1000, "rows at most")
	return c
}

// backTo reads how far back something goes.
func backTo(last string, now time.Time) (time.Time, error) {
	var d holdfast.Duration
	if err := d.UnmarshalText([]byte(last)); err != nil || d <= 0 {
		return time.Time{}, fmt.Errorf("--last %q is no length of time: write 12h, 7d or 90d", last)
	}
	return now.Add(-d.Std()), nil
}
