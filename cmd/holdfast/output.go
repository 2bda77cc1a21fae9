package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast"
)

// print writes v as indented JSON.
func (a *app) print(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table writes rows under a head, in columns.
// duration is the value of a flag that takes days as well: 90s, 15m, 48h, 7d.
type duration struct{ of *time.Duration }

func (d duration) String() string {
	if d.of == nil || *d.of == 0 {
		return ""
	}
	return d.of.String()
}

func (d duration) Set(s string) error {
	var x holdfast.Duration
	err := x.UnmarshalText([]byte(s))
	if err == nil {
		*d.of = x.Std()
	}
	return err
}

func (d duration) Type() string { return "duration" }

// word is the value of a flag that takes one of a few words.
type word struct {
	of    *string
	words []string
}

func (w word) String() string {
	if w.of == nil {
		return ""
	}
	return *w.of
}

func (w word) Set(s string) error {
	if s != "" && !slices.Contains(w.words, s) {
		return fmt.Errorf("%q is none of %s", s, strings.Join(w.words, ", "))
	}
	*w.of = s
	return nil
}

func (w word) Type() string { return "word" }

// texts are words of a type of their own as plain ones.
func texts[T ~string](words ...T) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// wordVar adds a flag that takes one of some words, and completes them.
func wordVar(c *cobra.Command, into *string, name, usage string, words ...string) {
	c.Flags().Var(word{into, words}, name, usage+strings.Join(words, ", "))
	if err := c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was added in the line before
	}
}

// durationVar adds a flag for a duration.
func durationVar(f *pflag.FlagSet, into *time.Duration, name string, value time.Duration, usage string) {
	*into = value
	f.Var(duration{into}, name, usage)
}

func (a *app) table(head string, rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	for _, r := range rows {
		for i := range r {
			r[i] = clean(r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// showFaults names what was not loaded, beside the answer.
func (a *app) showFaults(faults holdfast.Faults) {
	for _, f := range faults {
		first, more := cleanFault(f.Error())
		fmt.Fprintf(a.err, "! %s\n%s", first, more)
	}
}

// clean makes text from outside safe for a terminal: control characters and
// those that turn the reading direction are shown, not obeyed.
func clean(s string) string {
	if strings.IndexFunc(s, hostile) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hostile(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hostile(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f
}

// cleanFault is clean for what a fault says: its first line, and what it advises to
// write, set in.
func cleanFault(s string) (first, more string) {
	first, advice, _ := strings.Cut(s, "\n")
	if advice != "" {
		more = "    " + strings.ReplaceAll(cleanLines(advice), "\n", "\n    ") + "\n"
	}
	return clean(first), more
}

// cleanLines is clean for text of several lines.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// ago says how long a time is past.
func ago(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return "never"
	}
	d := time.Since(t)
	switch {
	case d < -time.Second:
		return "in " + short(-d)
	case d < time.Second:
		return "now"
	}
	return short(d) + " ago"
}

func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func bytesText(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := uint64(unit), 0
	for m := n / unit; m >= unit; m /= unit {
		div *= unit
		exp++
	}
	return fmt.Sprintf("%.1f %ciB", float64(n)/float64(div), "KMGTPE"[exp])
}
