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

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	parsers "holdfast/ingest/parser/all"
	"holdfast/scan"
)

func (a *app) explainRule() *cobra.Command {
	var rules []string
	var record uint64
	c := &cobra.Command{
		Use: "explain RULE EVENT", Short: "Show what each part of a rule sees in an event; needs no server",
		Long: `RULE is a file of rules, or the id, name or title of one that Holdfast ships or
that --rules has. EVENT is a file of any form that scan reads, or - for what is
put in. Of several events, the first for which the rule holds is taken, else the
first that its logsource serves, else the first; --record names one.

Shows the condition and each selection with what the event has for it. If the
rule does not hold, it says what would have to differ. Of a correlation, the
rules that it refers to are shown. Ends with 3 if none holds.`,
		Example: "  holdfast rules explain ssh_login_failed /var/log/auth.log\n  holdfast rules explain my.yml Security.evtx --record 1204\n  holdfast rules explain my.yml - --json",
		Args:    exactly(2, "a rule and a file with an event"),
		RunE: func(c *cobra.Command, args []string) error {
			set, faults, err := explained(args[0], rules)
			if err != nil {
				return err
			}
			a.showFaults(faults)
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			path := args[1]
			if path == "-" {
				if path, err = spooled(a.in); err != nil {
					return err
				}
				defer os.Remove(path)
			}
			e, err := pickEvent(ctx, path, record, set)
			if err != nil {
				return err
			}
			e.path = args[1]
			return a.explain(set, e)
		},
	}
	c.Flags().StringArrayVar(&rules, "rules", nil, "a folder or file with the rule, as often as needed; default: those that Holdfast ships")
	c.Flags().Uint64Var(&record, "record", 0, "the number of the event in its file; the record id of an event log")
	return c
}

// explained finds a rule, with those it refers to.
func explained(rule string, places []string) (sigma.Set, holdfast.Faults, error) {
	key := rule
	if _, err := os.Stat(rule); err == nil {
		places, key = append([]string{rule}, places...), ""
	}
	sources, err := ruleSources(places)
	if err != nil {
		return sigma.Set{}, nil, err
	}
	set, faults := detect.Read(sources[:1], &sigma.Parser{})
	if key == "" {
		whole, _ := detect.Read(append(sources, shippedOrNone()...), &sigma.Parser{})
		out := sigma.Set{Rules: set.Rules, Filters: whole.Filters, Correlations: set.Correlations}
		for _, c := range set.Correlations {
			for _, r := range detect.Needed(whole, c.Key()).Rules {
				if !slices.ContainsFunc(out.Rules, func(have *sigma.Rule) bool { return have.Key() == r.Key() }) {
					out.Rules = append(out.Rules, r)
				}
			}
		}
		if len(out.Rules) == 0 {
			return out, nil, fmt.Errorf("no rule of %s can be explained: %w", rule, errors.Join(faults, holdfast.ErrInvalid))
		}
		return out, faults, nil
	}
	set, _ = detect.Read(sources, &sigma.Parser{})
	out := detect.Needed(set, key)
	if len(out.Rules) == 0 {
		for _, r := range set.Rules {
			if strings.EqualFold(r.Title, rule) {
				out.Rules = append(out.Rules, r)
			}
		}
	}
	if len(out.Rules) == 0 {
		return out, nil, fmt.Errorf("there is no rule %q, neither as a file nor by id, name or title; see `holdfast rules list`, or name its folder by --rules: %w", rule, holdfast.ErrNotFound)
	}
	return out, nil, nil
}

func shippedOrNone() []detect.Source {
	s, err := shippedRules()
	if err != nil {
		return nil
	}
	return []detect.Source{s}
}

// maxPut bounds what is put in by -.
const maxPut = 64 << 20

// spooled keeps what is put in as a file.
func spooled(in io.Reader) (string, error) {
	f, err := os.CreateTemp("", "holdfast-event-*")
	if err != nil {
		return "", err
	}
	n, err := io.Copy(f, io.LimitReader(in, maxPut+1))
	if n > maxPut {
		err = fmt.Errorf("what is put in has more than %d MiB; name the file: %w", maxPut>>20, holdfast.ErrTooLarge)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// picked is one event of a file.
type picked struct {
	holdfast.Event
	dataset holdfast.Dataset
	number  uint64
	path    string // as it was named
	rank    int
}

// The ranks of events that may be picked.
const (
	anyEvent = iota + 1
	servedEvent
	heldEvent
)

// pickEvent reads a file until the best event is found.
func pickEvent(ctx context.Context, path string, record uint64, set sigma.Set) (picked, error) {
	var best picked
	eng, _ := engine.New(set.Rules, nil)
	ctx, done := context.WithCancel(ctx)
	defer done()
	o := scan.Options{Paths: []string{path}, Parsers: parsers.All(), Workers: 1}
	o.Each = func(path string, number uint64, e *holdfast.Event, ds holdfast.Dataset) {
		rank := anyEvent
		switch {
		case best.rank == heldEvent || record != 0 && number != record:
			return
		case record != 0 || len(eng.Match(e, ds)) > 0:
			rank = heldEvent
		case slices.ContainsFunc(set.Rules, func(r *sigma.Rule) bool { return sigma.Serves(r.Logsource, ds) }):
			rank = servedEvent
		}
		if rank <= best.rank {
			return
		}
		best = picked{*e, ds, number, path, rank}
		best.Raw = slices.Clone(e.Raw)
		best.Fields = slices.Clone(e.Fields)
		for i := range best.Fields { // the parser's memory is used again
			f := &best.Fields[i]
			f.Name, f.Text = strings.Clone(f.Name), strings.Clone(f.Text)
		}
		if rank == heldEvent {
			done()
		}
	}
	sum, err := scan.Run(ctx, o)
	if best.rank > 0 && (record == 0 || best.rank == heldEvent) {
		return best, nil
	}
	switch {
	case err != nil:
		return best, err
	case len(sum.Left) > 0:
		return best, fmt.Errorf("%s: no event can be read: %s: %w", path, sum.Left[0].What, holdfast.ErrInvalid)
	case record != 0:
		return best, fmt.Errorf("%s: there is no event number %d; there are %d: %w", path, record, sum.Events, holdfast.ErrNotFound)
	}
	return best, fmt.Errorf("%s: there is no event in it: %w", path, holdfast.ErrNotFound)
}

// explanation is what is said of one rule.
type explanation struct {
	Rule  string         `json:"rule"`
	Title string         `json:"title"`
	File  string         `json:"file"`
	Level holdfast.Level `json:"level"`
	// Fires says that the rule would have: its logsource serves the event, its
	// condition holds, and no filter keeps the event from it.
	Fires     bool               `json:"fires"`
	Logsource holdfast.Logsource `json:"logsource"`
	engine.Trace
	Filters []filterSeen `json:"filters,omitempty"`
}

type filterSeen struct {
	Filter string `json:"filter"`
	Title  string `json:"title"`
	Keeps  bool   `json:"keeps"` // the event from the rule
}

func (a *app) explain(set sigma.Set, e picked) error {
	var out []explanation
	fires := false
	for _, r := range set.Rules {
		t, err := engine.TraceCondition(r.Logsource, r.Selections, r.Condition, &e.Event, e.dataset)
		if err != nil {
			return fmt.Errorf("%s: %w", r.File, err)
		}
		x := explanation{Rule: r.Key(), Title: r.Title, File: fmt.Sprintf("%s:%d", r.File, r.Pos.Line), Level: r.Level, Logsource: r.Logsource, Trace: t, Fires: t.Fits && t.Held}
		for _, f := range set.Filters {
			if !f.Any && !slices.Contains(f.Rules, r.ID) && !slices.Contains(f.Rules, r.Name) || !sigma.Serves(f.Logsource, holdfast.Dataset{Logsource: r.Logsource}) {
				continue
			}
			ft, err := engine.TraceCondition(f.Logsource, f.Selections, f.Condition, &e.Event, e.dataset)
			if err != nil {
				continue // a filter that does not compile is told as a fault
			}
			x.Filters = append(x.Filters, filterSeen{f.Key(), f.Title, ft.Held})
			x.Fires = x.Fires && !ft.Held
		}
		fires = fires || x.Fires
		out = append(out, x)
	}
	if a.json {
		if err := a.print(map[string]any{"record": e.number, "dataset": e.Dataset, "time": e.Time, "rules": out}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "event %d of %s: %s, %s\n", e.number, clean(e.path), e.Dataset, e.Time.UTC().Format("2006-01-02 15:04:05"))
		for _, c := range set.Correlations {
			fmt.Fprintf(a.out, "\n%s is a correlation (%s within %s): it counts what the rules below find; `holdfast scan FILE` runs it over files\n", clean(c.Title), c.Type, c.Timespan)
		}
		for i := range out {
			a.explainOne(&out[i], e)
		}
	}
	if !fires {
		return errBroken
	}
	return nil
}

func (a *app) explainOne(x *explanation, e picked) {
	word := "does not hold"
	if x.Fires {
		word = "holds"
	}
	fmt.Fprintf(a.out, "\n%s (%s, %s) %s\n", clean(x.Title), clean(x.File), x.Level, word)
	if !x.Fits {
		fmt.Fprintf(a.out, "\nThe logsource does not serve this event, so the rule never sees it:\n  the rule wants  %s\n  the event is    %s (%s)\n", sourceWords(x.Logsource), sourceWords(e.dataset.Logsource), e.Dataset)
		for _, also := range e.dataset.Also {
			fmt.Fprintf(a.out, "  and also        %s\n", sourceWords(also))
		}
	}
	fmt.Fprint(a.out, "\n")
	a.explainNode(x.Condition, x.Selections, "", map[string]bool{})
	for _, f := range x.Filters {
		if f.Keeps {
			fmt.Fprintf(a.out, "\nThe filter %s keeps this event from the rule.\n", clean(f.Title))
		}
	}
	if len(x.Change) > 0 {
		fmt.Fprint(a.out, "\nFor the rule to hold, at the least:\n")
		for _, c := range x.Change {
			verb := "would have to hold"
			if !c.Hold {
				verb = "must not hold"
			}
			fmt.Fprintf(a.out, "  %s %s: %s\n", clean(c.Selection), verb, itemWords(&c.Item))
		}
	}
}

func mark(held bool) string {
	if held {
		return "yes"
	}
	return "no "
}

// explainNode shows a part of the condition, and each selection below where it
// stands first.
func (a *app) explainNode(n engine.TraceNode, selections []engine.TraceSelection, indent string, said map[string]bool) {
	if n.Op != "selection" {
		what := map[string]string{"and": "all of", "or": "any of", "not": "not", "of": fmt.Sprintf("%d of", n.Least)}[n.Op]
		fmt.Fprintf(a.out, "%s%s  %s\n", indent, mark(n.Held), what)
		for _, p := range n.Parts {
			a.explainNode(p, selections, indent+"    ", said)
		}
		return
	}
	fmt.Fprintf(a.out, "%s%s  %s\n", indent, mark(n.Held), clean(n.Name))
	if said[n.Name] {
		return
	}
	said[n.Name] = true
	for _, s := range selections {
		if s.Name != n.Name {
			continue
		}
		for i, c := range s.Clauses {
			in := indent + "      "
			if len(s.Clauses) > 1 {
				fmt.Fprintf(a.out, "%s%s  alternative %d\n", in, mark(c.Held), i+1)
				in += "    "
			}
			for j := range c.Items {
				fmt.Fprintf(a.out, "%s%s  %s\n", in, mark(c.Items[j].Held), itemWords(&c.Items[j]))
			}
		}
	}
}

// itemWords says what an item asks for and what the event has.
func itemWords(i *engine.TraceItem) string {
	field, op := i.Field, i.Op
	if field == "" {
		field = "any field"
	}
	if i.Not {
		op = "not " + op
	}
	if i.Cased {
		op += " (case counts)"
	}
	var want []string
	for _, w := range i.Want { // those that held go first
		if w.Held {
			want = append([]string{quoteCut(w.Text)}, want...)
		} else {
			want = append(want, quoteCut(w.Text))
		}
	}
	list := strings.Join(want[:min(len(want), 5)], ", ")
	if more := len(want) - 5 + i.More; len(want) > 5 && more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	if len(want) > 1 {
		list = map[bool]string{true: "all of ", false: "one of "}[i.All] + list
	}
	out := fmt.Sprintf("%s %s %s", clean(field), op, list)
	switch {
	case i.Field == "":
	case i.Missing:
		out += "; the event has no such field"
	case i.Null:
		out += "; it is null"
	default:
		var got []string
		for _, g := range i.Got[:min(len(i.Got), 3)] {
			got = append(got, quoteCut(g))
		}
		if len(i.Got) > 3 {
			got = append(got, fmt.Sprintf("and %d more", len(i.Got)-3))
		}
		out += "; it is " + strings.Join(got, ", ")
	}
	if len(i.Names) > 0 {
		out += " (as " + clean(strings.Join(i.Names, ", ")) + ")"
	}
	return out
}

func quoteCut(s string) string { return `"` + clean(cut(s, 120)) + `"` }

func sourceWords(l holdfast.Logsource) string {
	var parts []string
	for _, p := range [][2]string{{"product", l.Product}, {"category", l.Category}, {"service", l.Service}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+clean(p[1]))
		}
	}
	if len(parts) == 0 {
		return "anything"
	}
	return strings.Join(parts, ", ")
}
