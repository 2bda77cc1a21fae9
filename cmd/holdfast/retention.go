package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/spine"
	"holdfast/store/events"
)

func (a *app) retention() *cobra.Command {
	c := &cobra.Command{
		Use: "retention", Short: "How long each dataset is kept", Args: exactly(0, "show, set or run"),
		Example: "  holdfast store retention show\n  holdfast store retention set linux.sshd --age 90d\n  holdfast store retention set '*' --age 365d --size 200GB\n  holdfast store retention run --dry-run",
	}
	c.AddCommand(a.showRetention(), a.setRetention(), a.runRetention())
	return c
}

func (a *app) showRetention() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "The rules; the longest pattern that fits a dataset counts", Args: exactly(0, "no arguments"),
		Example: "  holdfast store retention show",
		RunE: func(c *cobra.Command, _ []string) error {
			var l list[holdfast.Retention]
			if err := a.call(c.Context(), "GET", "/retention", nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			if len(l.Items) == 0 {
				fmt.Fprintln(a.out, "everything is kept for ever; holdfast store retention set DATASET --age 90d changes that")
				return nil
			}
			rows := make([][]string, 0, len(l.Items))
			for _, r := range l.Items {
				age, size := "for ever", "any"
				if r.Age > 0 {
					age = short(r.Age.Std())
				}
				if r.Size > 0 {
					size = bytesText(r.Size)
				}
				rows = append(rows, []string{r.Dataset, age, size, r.SetBy})
			}
			return a.table("DATASET AGE SIZE SET-BY", rows)
		},
	}
}

func (a *app) setRetention() *cobra.Command {
	var age, size string
	c := &cobra.Command{
		Use: "set DATASET", Short: "Say how long, and how much, of a dataset is kept", Args: exactly(1, "a dataset, or a pattern with *"),
		Long: `Age counts from when an event was received; it goes by whole days from three days
on. Size is what its part of the segments takes on disk. --age 0 and --size 0
keep for ever. What a hold names is never dropped. See what would go with
holdfast store retention run --dry-run.`,
		Example: "  holdfast store retention set linux.sshd --age 90d\n  holdfast store retention set 'zeek.*' --age 30d --size 50GB\n  holdfast store retention set linux.sshd --age 0",
		RunE: func(c *cobra.Command, args []string) error {
			if age == "" && size == "" {
				return errUsage{errors.New("say --age, --size or both; see holdfast store retention set --help")}
			}
			r, err := retentionOf(args[0], age, size)
			if err != nil {
				return errUsage{err}
			}
			body := map[string]any{"dataset": r.Dataset, "age": r.Age, "size": r.Size}
			if err := a.call(c.Context(), "PUT", "/retention", body, &r); err != nil {
				return err
			}
			if a.json {
				return a.print(r)
			}
			fmt.Fprintf(a.out, "%s is kept by this rule from now on; holdfast store retention run --dry-run shows what it drops\n", r.Dataset)
			return nil
		},
	}
	c.Flags().StringVar(&age, "age", "", "how long: 90d, 36h; 0 for ever")
	c.Flags().StringVar(&size, "size", "", "how much: 500MB, 50GB, 2TB; 0 for any")
	return c
}

func retentionOf(dataset, age, size string) (r holdfast.Retention, err error) {
	r.Dataset = dataset
	if age != "" && age != "0" {
		if err := r.Age.UnmarshalText([]byte(age)); err != nil || r.Age < 0 {
			return r, fmt.Errorf("the age %q is no length of time: write 90d or 36h", age)
		}
	}
	if size != "" && size != "0" {
		if r.Size, err = sizeOf(size); err != nil {
			return r, err
		}
	}
	return r, spine.CheckRetention(r)
}

// sizeOf reads 50GB; units are powers of 1024.
func sizeOf(s string) (uint64, error) {
	text := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(s)), "B"), "I")
	shift := 0
	if text != "" {
		if i := strings.IndexByte("KMGT", text[len(text)-1]); i >= 0 {
			shift, text = 10*(i+1), text[:len(text)-1]
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil || n > 1<<62>>shift {
		return 0, fmt.Errorf("the size %q is no number of bytes: write 500MB, 50GB or 2TB", s)
	}
	return n << shift, nil
}

// retentionSetting reads one rule of the settings: linux.sshd=90d,50GB.
func retentionSetting(v string) (holdfast.Retention, error) {
	dataset, rest, ok := strings.Cut(v, "=")
	if !ok {
		return holdfast.Retention{}, fmt.Errorf("%q is no rule of retention; write linux.sshd=90d, or *=365d+200GB", v)
	}
	age, size := "", ""
	for part := range strings.SplitSeq(rest, "+") {
		at := &age
		if _, err := sizeOf(part); err == nil && strings.HasSuffix(strings.ToUpper(part), "B") {
			at = &size
		}
		if part == "" || *at != "" {
			return holdfast.Retention{}, fmt.Errorf("%q is no rule of retention: one age, one size or both stand behind =; write linux.sshd=90d, or *=365d+200GB", v)
		}
		*at = part
	}
	r, err := retentionOf(dataset, age, size)
	r.SetBy = spine.SetBySettings
	return r, err
}

func (c *config) retention() ([]holdfast.Retention, error) {
	var out []holdfast.Retention
	for _, v := range c.Retention {
		r, err := retentionSetting(v)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (a *app) runRetention() *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use: "run", Short: "Drop now what was kept long enough, as happens by itself every ten minutes", Args: exactly(0, "no arguments"),
		Example: "  holdfast store retention run --dry-run\n  holdfast store retention run",
		RunE: func(c *cobra.Command, _ []string) error {
			var out events.Retained
			method, path := "POST", "/retention/run"
			if dry {
				method, path = "GET", "/retention/preview"
			}
			if err := a.callFor(c.Context(), time.Hour, method, path, nil, &out); err != nil {
				return err
			}
			if a.json {
				return a.print(out)
			}
			did := "dropped"
			if dry {
				did = "would drop"
			}
			fmt.Fprintf(a.out, "%s %d events of %d segments; holds keep %d\n", did, out.Events, out.Segments, out.Held)
			rows := make([][]string, 0, len(out.Datasets))
			for _, d := range out.Datasets {
				rows = append(rows, []string{d.Dataset, fmt.Sprint(d.Events), bytesText(d.Raw), fmt.Sprint(d.Held), d.Before.Format("2006-01-02 15:04"), d.Why})
			}
			for _, t := range out.Troubles {
				fmt.Fprintln(a.err, "!", clean(t))
			}
			if len(rows) == 0 {
				return nil
			}
			return a.table("DATASET EVENTS RECORDS HELD RECEIVED-BEFORE WHY", rows)
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only show what would go")
	return c
}

func (a *app) drops() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "drops", Short: "What retention took away, for ever on record", Args: exactly(0, "no arguments"),
		Example: "  holdfast store drops\n  holdfast store drops --json | jq '.[].parts'",
		RunE: func(c *cobra.Command, _ []string) error {
			items, err := listed[holdfast.Drop](c.Context(), a, limit, "/drops")
			if err != nil {
				return err
			}
			if a.json {
				return a.print(items)
			}
			rows := make([][]string, 0, len(items))
			for _, d := range items {
				rows = append(rows, []string{d.At.Format("2006-01-02 15:04"), d.Segment, fmt.Sprint(d.Events), bytesText(d.Bytes), cut(d.Why, 80)})
			}
			return a.table("AT SEGMENT EVENTS FREED WHY", rows)
		},
	}
	limited(c, &limit)
	return c
}

func (a *app) holds() *cobra.Command {
	c := &cobra.Command{
		Use: "hold", Short: "What must not be dropped, whatever retention says", Args: exactly(0, "list, add or release"),
		Example: "  holdfast store hold list\n  holdfast store hold add case-2026-17 --query 'source.ip:192.0.2.7' --reason 'police inquiry'\n  holdfast store hold release case-2026-17 --because 'closed by counsel'",
	}
	c.AddCommand(a.listHolds(), a.addHold(), a.releaseHold())
	return c
}

func (a *app) listHolds() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "All holds, those that were released too", Args: exactly(0, "no arguments"), Example: "  holdfast store hold list",
		RunE: func(c *cobra.Command, _ []string) error {
			var l list[holdfast.Hold]
			if err := a.call(c.Context(), "GET", "/holds", nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, h := range l.Items {
				state := "in force"
				if !h.Released.IsZero() {
					state = "released " + h.Released.Format("2006-01-02")
				}
				rows = append(rows, []string{h.Name, cut(holdWhat(h), 60), h.By, h.Created.Format("2006-01-02"), state, cut(h.Reason, 60)})
			}
			return a.table("NAME KEEPS BY SINCE STATE REASON", rows)
		},
	}
}

func holdWhat(h holdfast.Hold) string {
	var out []string
	if h.Dataset != "" {
		out = append(out, h.Dataset)
	}
	if !h.From.IsZero() {
		out = append(out, "from "+h.From.Format(time.RFC3339))
	}
	if !h.To.IsZero() {
		out = append(out, "to "+h.To.Format(time.RFC3339))
	}
	if h.Query != "" {
		out = append(out, h.Query)
	}
	if len(out) == 0 {
		return "everything"
	}
	return strings.Join(out, ", ")
}

func (a *app) addHold() *cobra.Command {
	var q, dataset, from, to, reason string
	c := &cobra.Command{
		Use: "add NAME", Short: "Keep events from being dropped until the hold is released", Args: exactly(1, "a name"),
		Long: `What is given must all fit: --dataset (or a pattern), the range of event time,
--query. Without any of them everything is kept. The name is used once.`,
		Example: "  holdfast store hold add case-2026-17 --dataset 'linux.*' --from 2026-03-01 --to 2026-03-08 --reason 'police inquiry'\n  holdfast store hold add mallory --query 'user.name:mallory' --reason 'dispute, see HR-7'",
		RunE: func(c *cobra.Command, args []string) error {
			if reason == "" {
				return errUsage{errors.New("a hold has a --reason")}
			}
			body := map[string]any{"name": args[0], "query": q, "dataset": dataset, "reason": reason}
			for name, v := range map[string]string{"from": from, "to": to} {
				if v == "" {
					continue
				}
				t, err := whenOf(v)
				if err != nil {
					return errUsage{fmt.Errorf("--%s %w", name, err)}
				}
				body[name] = t
			}
			var h holdfast.Hold
			if err := a.call(c.Context(), "POST", "/holds", body, &h); err != nil {
				return err
			}
			if a.json {
				return a.print(h)
			}
			fmt.Fprintf(a.out, "%s keeps %s until it is released\n", h.Name, clean(holdWhat(h)))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q, "query", "", "a search that finds the events")
	f.StringVar(&dataset, "dataset", "", "a dataset, or a pattern with *")
	f.StringVar(&from, "from", "", "from when on, by the events' own time: 2026-03-01 or RFC 3339")
	f.StringVar(&to, "to", "", "before when")
	f.StringVar(&reason, "reason", "", "why")
	return c
}

func whenOf(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-03-01 or 2026-03-01T10:00:00Z", s)
}

func (a *app) releaseHold() *cobra.Command {
	var because string
	c := &cobra.Command{
		Use: "release NAME", Short: "End a hold; retention may then drop what it kept", Args: exactly(1, "a name"),
		Example: "  holdfast store hold release case-2026-17 --because 'closed by counsel'",
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(because) == "" {
				return errUsage{errors.New("say why with --because; see holdfast store hold release --help")}
			}
			var h holdfast.Hold
			if err := a.call(c.Context(), "POST", "/holds/"+args[0]+"/release", map[string]any{"because": because}, &h); err != nil {
				return err
			}
			if a.json {
				return a.print(h)
			}
			fmt.Fprintf(a.out, "%s is released\n", h.Name)
			return nil
		},
	}
	c.Flags().StringVar(&because, "because", "", "why")
	return c
}
