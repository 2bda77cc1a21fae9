package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/spine"
	"holdfast/spine/health"
)

func (a *app) health() *cobra.Command {
	c := &cobra.Command{
		Use: "health", Short: "Which sources are well, what is wrong, and which rules are blind for it",
		Long: `Shows every source with its rhythm, when it was last heard of, and after how long
a silence is a trouble; what is wrong with the pipeline, each with the rules and
requirements that are blind for it; how far rules and store are behind, and how
long the disk lasts. Each trouble is an alert, too, until it is over.
Ends with 3 while something is wrong that is not muted.`,
		Example: "  holdfast health\n  holdfast health --json | jq '.troubles[].what'\n  holdfast health blind quiet syslog:tcp:192.0.2.7\n  holdfast health mute 'syslog:udp:192.0.2.*' --because 'moved on Friday' --for 3d",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			var h spine.Health
			if err := a.call(c.Context(), "GET", "/health", nil, &h); err != nil {
				return err
			}
			var err error
			if a.json {
				err = a.print(h)
			} else {
				err = a.showHealth(h)
			}
			if err != nil {
				return err
			}
			for _, t := range h.Troubles {
				if t.Mute == nil {
					return errBroken
				}
			}
			return nil
		},
	}
	c.AddCommand(a.healthBlind(), a.healthMute(), a.healthMutes(), a.healthUnmute())
	return c
}

func (a *app) showHealth(h spine.Health) error {
	rows := make([][]string, 0, len(h.Sources))
	for _, s := range h.Sources {
		limit := "-"
		if s.Limit > 0 {
			limit = short(time.Duration(s.Limit * float64(time.Second)))
		}
		state := "well"
		if len(s.Troubles) > 0 {
			state = strings.Join(s.Troubles, ", ")
		}
		name := s.Source.Source
		if s.Host != "" {
			name = strings.Replace(name, s.Asset+"/", s.Host+": ", 1)
		}
		rows = append(rows, []string{name, state, ago(s.Last), limit, fmt.Sprint(s.Rules), s.Rhythm})
	}
	if err := a.table("SOURCE STATE LAST QUIET-AFTER RULES RHYTHM", rows); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	for _, r := range h.Readers {
		fmt.Fprintf(a.out, "%-6s %d blocks, %s behind\n", r.Name, r.Blocks, short(time.Duration(r.Behind*float64(time.Second))))
	}
	fmt.Fprintf(a.out, "disk   %s free of %s; %s\n", bytesText(h.Disk.Free), bytesText(h.Disk.Total), diskWords(h.Disk))
	for _, n := range h.Nodes {
		state := map[bool]string{true: "GONE since " + ago(n.Seen), false: "here"}[n.Gone]
		fmt.Fprintf(a.out, "node   %s (%s), %s\n", clean(n.ID), clean(strings.Join(n.Roles, ", ")), state)
	}
	if len(h.Troubles) == 0 {
		fmt.Fprintln(a.out, "\nnothing is wrong")
	}
	for _, t := range h.Troubles {
		fmt.Fprintf(a.out, "\n! %s, %s, since %s: %s\n", t.Kind, t.Level, t.Since.Local().Format("2006-01-02 15:04"), clean(t.What))
		if t.Blind.Rules > 0 {
			fmt.Fprintf(a.out, "  blind: %s\n  all of them: holdfast health blind %s %s\n", clean(blindText(t.Blind)), t.Kind, quoteArg(t.Subject))
		}
		if len(t.Blind.Requirements) > 0 {
			fmt.Fprintf(a.out, "  requirements not watched: %s\n", clean(strings.Join(t.Blind.Requirements, ", ")))
		}
		fmt.Fprintf(a.out, "  do: %s\n", clean(t.Do))
		if t.Mute != nil {
			fmt.Fprintf(a.out, "  muted by %s until %s: %s\n", clean(t.Mute.By), t.Mute.Expires.Local().Format("2006-01-02 15:04"), clean(t.Mute.Reason))
		}
	}
	return nil
}

func diskWords(f health.Forecast) string {
	switch {
	case f.Days > 0:
		return fmt.Sprintf("%s more a day, full in %.0f days", bytesText(uint64(f.PerDay)), f.Days)
	case f.Hours < 6:
		return "how fast it fills is not known yet"
	}
	return "it does not fill"
}

func blindText(b holdfast.Blind) string {
	out := fmt.Sprintf("%d rules", b.Rules)
	if b.Everywhere > 0 {
		out += fmt.Sprintf(", %d of them everywhere", b.Everywhere)
	}
	first := b.First[:min(len(b.First), 5)]
	out += ": " + strings.Join(first, ", ")
	if n := b.Rules - len(first); n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

func quoteArg(s string) string {
	if strings.ContainsAny(s, " *?'\"$&;|<>()[]{}\\`") {
		return "'" + strings.ReplaceAll(clean(s), "'", `'\''`) + "'"
	}
	return clean(s)
}

func (a *app) healthBlind() *cobra.Command {
	return &cobra.Command{
		Use: "blind KIND SUBJECT", Short: "All rules that one trouble blinds",
		Example: "  holdfast health blind quiet syslog:tcp:192.0.2.7\n  holdfast health blind field windows.sysmon/CommandLine --json",
		Args:    exactly(2, "the kind of a trouble and what it is about, as holdfast health shows them"),
		RunE: func(c *cobra.Command, args []string) error {
			var b spine.Blindness
			if err := a.call(c.Context(), "GET", "/health/blind?kind="+url.QueryEscape(args[0])+"&subject="+url.QueryEscape(args[1]), nil, &b); err != nil {
				return err
			}
			if a.json {
				return a.print(b)
			}
			rows := make([][]string, 0, len(b.Rules))
			for _, r := range b.Rules {
				where := "here"
				if r.Everywhere {
					where = "everywhere"
				}
				rows = append(rows, []string{r.Rule, string(r.Level), where, cut(r.Title, 80)})
			}
			if err := a.table("RULE LEVEL BLIND TITLE", rows); err != nil {
				return err
			}
			if len(b.Requirements) > 0 {
				fmt.Fprintf(a.out, "\nrequirements not watched meanwhile: %s\n", clean(strings.Join(b.Requirements, ", ")))
			}
			return nil
		},
	}
}

func (a *app) healthMute() *cobra.Command {
	var kind, because, span string
	c := &cobra.Command{
		Use: "mute SUBJECT", Short: "Keep a trouble from raising alerts, for a time and a reason",
		Example: "  holdfast health mute 'syslog:udp:192.0.2.*' --because 'the site is moved' --for 3d\n  holdfast health mute ast-… --kind agent --because 'laptop of a colleague on leave' --for 21d",
		Args:    exactly(1, "what the trouble is about, as holdfast health shows it; * stands for any text"),
		RunE: func(c *cobra.Command, args []string) error {
			var d holdfast.Duration
			if err := d.UnmarshalText([]byte(span)); err != nil {
				return errUsage{fmt.Errorf("--for: %w", err)}
			}
			var m holdfast.Mute
			body := map[string]any{"kind": kind, "subject": args[0], "reason": because, "expires": time.Now().Add(d.Std()).UTC()}
			if err := a.call(c.Context(), "POST", "/health/mutes", body, &m); err != nil {
				return err
			}
			if a.json {
				return a.print(m)
			}
			fmt.Fprintf(a.out, "%s: %s raises no alert until %s; what is blind for it stays unknown\n", m.ID, clean(m.Subject), m.Expires.Local().Format("2006-01-02 15:04"))
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "only this kind: "+strings.Join(health.Kinds(), ", "))
	c.Flags().StringVar(&because, "because", "", "the reason")
	c.Flags().StringVar(&span, "for", "7d", "for how long, a year at most")
	return c
}

func (a *app) healthMutes() *cobra.Command {
	return &cobra.Command{
		Use: "mutes", Short: "What raises no alert, why, and until when", Args: exactly(0, "no arguments"),
		Example: "  holdfast health mutes\n  holdfast health mutes --json",
		RunE: func(c *cobra.Command, _ []string) error {
			var l list[holdfast.Mute]
			if err := a.call(c.Context(), "GET", "/health/mutes", nil, &l); err != nil {
				return err
			}
			if a.json {
				return a.print(l.Items)
			}
			rows := make([][]string, 0, len(l.Items))
			for _, m := range l.Items {
				rows = append(rows, []string{m.ID, m.Kind, m.Subject, m.By, m.Expires.Local().Format("2006-01-02 15:04"), m.Reason})
			}
			return a.table("ID KIND SUBJECT BY UNTIL REASON", rows)
		},
	}
}

func (a *app) healthUnmute() *cobra.Command {
	return &cobra.Command{
		Use: "unmute MUTE", Short: "End a mute before its time", Args: exactly(1, "the id of a mute; holdfast health mutes lists them"),
		Example: "  holdfast health unmute mut-…",
		RunE: func(c *cobra.Command, args []string) error {
			var m holdfast.Mute
			if err := a.call(c.Context(), "DELETE", "/health/mutes/"+url.PathEscape(args[0]), nil, &m); err != nil {
				return err
			}
			if a.json {
				return a.print(m)
			}
			fmt.Fprintf(a.out, "%s ended\n", m.ID)
			return nil
		},
	}
}
