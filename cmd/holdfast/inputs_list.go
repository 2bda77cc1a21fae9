package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/ingest/input"
	inputs "holdfast/ingest/input/all"
)

// wayIn is what `holdfast inputs list` shows of a kind of input.
type wayIn struct {
	Name        string            `json:"name"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Where       string            `json:"where"`
	Send        string            `json:"send,omitempty"`
	Options     map[string]string `json:"options,omitempty"`
	Lossy       string            `json:"lossy,omitempty"`
	References  []string          `json:"references"`
}

func (a *app) inputList() *cobra.Command {
	return &cobra.Command{
		Use: "list [NAME]", Short: "The kinds of way in, and a line for a shell that tries each",
		Example: "  holdfast inputs list\n  holdfast inputs list elastic",
		Args:    atMost(1, "at most one kind of input"),
		RunE: func(_ *cobra.Command, args []string) error {
			var out []wayIn
			for _, x := range inputs.All() {
				if len(args) == 0 || args[0] == x.Name {
					out = append(out, describe(x))
				}
			}
			switch {
			case len(out) == 0:
				return fmt.Errorf("there is no kind of input %q; `holdfast inputs list` shows them: %w", args[0], holdfast.ErrNotFound)
			case a.json:
				return a.print(out)
			case len(args) == 1:
				return a.showWayIn(out[0])
			}
			rows := make([][]string, 0, len(out))
			for _, x := range out {
				rows = append(rows, []string{x.Name, x.Title, x.Where})
			}
			return a.table("NAME TITLE WHERE", rows)
		},
	}
}

func describe(x input.Input) wayIn {
	return wayIn{
		Name: x.Name, Title: x.Title, Description: x.Description, Where: x.Example.Where, Send: x.Send,
		Options: x.Options, Lossy: x.Lossy, References: x.References,
	}
}

func (a *app) showWayIn(x wayIn) error {
	fmt.Fprintf(a.out, "%s: %s\n\n%s\n", x.Name, x.Title, x.Description)
	if x.Lossy != "" {
		fmt.Fprintf(a.out, "Lossy: %s\n", x.Lossy)
	}
	if x.Send != "" {
		fmt.Fprintf(a.out, "\nTry it, with the server's address in $URL and a token in $TOKEN (`holdfast inputs token NAME`):\n\n  %s\n", x.Send)
	}
	return nil
}

func (a *app) inputToken() *cobra.Command {
	var rate, quota string
	c := a.newToken("token NAME", "Make a token that may only send events", "/inputs/tokens", func(ask map[string]any) error {
		if rate != "" {
			n, err := readRate(rate)
			if err != nil {
				return errUsage{err}
			}
			ask["rate"] = n
		}
		if quota != "" {
			n, err := readQuota(quota)
			if err != nil {
				return errUsage{err}
			}
			ask["quota"] = n
		}
		return nil
	})
	c.Example = "  holdfast inputs token shipper\n  holdfast inputs token shipper --rate 1000/s --quota 5GB/day"
	c.Flags().StringVar(&rate, "rate", "", "records it may send, such as 1000/s or 60000/min")
	c.Flags().StringVar(&quota, "quota", "", "bytes it may send between 00:00 and 24:00 UTC, such as 5GB/day")
	return c
}

// readRate reads "1000/s", "60000/min" or "1000".
func readRate(s string) (float64, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(s), "/")
	per, ok := map[string]float64{"": 1, "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n > 0) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is no rate; write it as 1000/s or 60000/min", s)
	}
	return n / per, nil
}

// readQuota reads "5GB/day", "500MiB" or "1000000".
func readQuota(s string) (int64, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(s), "/")
	number = strings.ToUpper(strings.TrimSpace(number))
	digits := strings.TrimRight(number, "BKMGTI ")
	scale, ok := map[string]float64{
		"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
	}[strings.TrimSpace(number[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if n *= scale; !ok || unit != "" && unit != "day" && unit != "d" || err != nil || !(n >= 1) || n > 1e18 {
		return 0, fmt.Errorf("%q is no quota; write it as 5GB/day or 500MiB/day", s)
	}
	return int64(n), nil
}
