package detect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/detect/example"
	"holdfast/detect/sigma"
	"holdfast/internal/nearest"
)

// Finding is one thing that Lint says about a rule. An error keeps the rule
// from being loaded, or from ever firing; a warning does not.
type Finding struct {
	holdfast.Fault
	Severity string `json:"severity"` // "error" or "warning"
	Check    string `json:"check"`    // which kind: "refused", "no-level", "unknown-field" …
}

// The severities of findings.
const (
	LintError   = "error"
	LintWarning = "warning"
)

// Lint is what was said about the rules of some sources. Findings are in the
// order of file, line and column.
type Lint struct {
	Files    int       `json:"files"`
	Rules    int       `json:"rules"` // detections, correlations and filters
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
}

// LintRules reads all rules of the sources as Read does, and also says what
// loads and is probably not meant: see sigma.Style, and the checks here, which
// know the other rules and the datasets. The error is that of the context.
func LintRules(ctx context.Context, o Options, sources ...Source) (Lint, error) {
	type file struct {
		source Source
		name   string
		set    sigma.Set
		out    []Finding
	}
	var files []*file
	var out Lint
	for _, s := range sources {
		for _, f := range s.walk(isRule, func(name string, _ fs.DirEntry) { files = append(files, &file{source: s, name: name}) }) {
			out.add(Finding{f, LintError, "refused"})
		}
	}
	parser, faults := withPlaceholders(&sigma.Parser{Placeholders: o.Placeholders}, sources)
	for _, f := range faults {
		out.add(Finding{f, LintError, "refused"})
	}
	jobs := make(chan *file)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			l := linter{datasets: o.Datasets, fields: map[holdfast.Logsource]fieldNames{}}
			for f := range jobs {
				f.set, f.out = l.file(parser, f.source, f.name)
			}
		})
	}
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		jobs <- f
	}
	close(jobs)
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return out, err
	}
	var set sigma.Set
	for _, f := range files {
		set.Add(f.set)
		for _, x := range f.out {
			out.add(x)
		}
	}
	out.Files, out.Rules = len(files), len(set.Rules)+len(set.Correlations)+len(set.Filters)
	for _, f := range together(set, o) {
		out.add(f)
	}
	slices.SortStableFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return out, nil
}

func (l *Lint) add(f Finding) {
	if f.Severity == LintError {
		l.Errors++
	} else {
		l.Warnings++
	}
	l.Findings = append(l.Findings, f)
}

// Without leaves warnings of some kinds out.
func (l Lint) Without(checks []string) Lint {
	out := Lint{Files: l.Files, Rules: l.Rules, Findings: []Finding{}}
	for _, f := range l.Findings {
		if f.Severity == LintError || !slices.Contains(checks, f.Check) {
			out.add(f)
		}
	}
	return out
}

// together says what is wrong between rules: names taken twice, references to
// nothing, circles.
func together(set sigma.Set, o Options) []Finding {
	u := unique{seen: map[string]*sigma.Meta{}}
	set.Rules = slices.DeleteFunc(set.Rules, func(r *sigma.Rule) bool { return u.twice(&r.Meta) })
	set.Correlations = slices.DeleteFunc(set.Correlations, func(r *sigma.Correlation) bool { return u.twice(&r.Meta) })
	var out []Finding
	for _, f := range u.faults {
		out = append(out, Finding{f, LintError, "duplicate-id"})
	}
	_, faults := engine.New(set.Rules, set.Filters)
	_, more := correlate.New(set.Rules, set.Correlations, o.Clock)
	for _, f := range append(faults, more...) {
		out = append(out, Finding{f, LintError, "refused"})
	}
	return out
}

// fieldNames are what fieldsOf says.
type fieldNames struct {
	names []string
	whole bool
	serve bool
}

// linter serves one goroutine.
type linter struct {
	datasets map[string]holdfast.Dataset
	fields   map[holdfast.Logsource]fieldNames
}

func (l *linter) file(p *sigma.Parser, s Source, name string) (sigma.Set, []Finding) {
	path := s.path(name)
	b, err := s.read(name)
	if err != nil {
		return sigma.Set{}, []Finding{{holdfast.Fault{File: path, What: "cannot be read: " + err.Error(), Do: "check that it may be read"}, LintError, "refused"}}
	}
	set, faults := p.Parse(path, b)
	var out []Finding
	for _, f := range faults {
		out = append(out, Finding{f, LintError, "refused"})
	}
	for _, r := range sigma.Style(path, b) {
		out = append(out, Finding{r.Fault, LintWarning, r.Check})
	}
	warn := func(at sigma.Pos, check, do, format string, args ...any) {
		out = append(out, Finding{holdfast.Fault{File: path, Line: at.Line, Column: at.Column, What: fmt.Sprintf(format, args...), Do: do}, LintWarning, check})
	}
	for _, r := range set.Rules {
		l.condition(r.Selections, r.Condition, warn)
		l.source(r, warn)
		if f := neverFires(r); f != nil {
			out = append(out, Finding{*f, LintError, "never-fires"})
		}
	}
	for _, f := range set.Filters {
		l.condition(f.Selections, f.Condition, warn)
	}
	return set, out
}

// neverFires says what in a rule contradicts itself so that no event has it, as
// far as that can be shown.
func neverFires(r *sigma.Rule) *holdfast.Fault {
	_, err := example.Event(r)
	if !errors.Is(err, example.ErrNever) {
		return nil
	}
	f := &holdfast.Fault{File: r.File, Line: r.Pos.Line, Column: r.Pos.Column, What: err.Error(), Do: "correct the condition or its selections"}
	var c *example.Contradiction
	if errors.As(err, &c) && c.Pos.Line > 0 {
		f.Line, f.Column = c.Pos.Line, c.Pos.Column
	}
	return f
}

type warning func(at sigma.Pos, check, do, format string, args ...any)

// condition looks for selections that nothing asks for, and for "1 of" one.
func (l *linter) condition(selections []sigma.Selection, condition sigma.Expr, warn warning) {
	used := make([]bool, len(selections))
	var walk func(sigma.Expr)
	walk = func(e sigma.Expr) {
		switch e := e.(type) {
		case sigma.And:
			walk(e.Left)
			walk(e.Right)
		case sigma.Or:
			walk(e.Left)
			walk(e.Right)
		case sigma.Not:
			walk(e.X)
		case sigma.Ref:
			used[e.Selection] = true
		case sigma.Of:
			for _, i := range e.Selections {
				used[i] = true
			}
			if len(e.Selections) == 1 {
				s := selections[e.Selections[0]]
				warn(s.Pos, "single-of", fmt.Sprintf("write %s in the condition", s.Name), "the condition asks for some of a group of which %q is the only one", s.Name)
			}
		}
	}
	walk(condition)
	for i, s := range selections {
		if !used[i] {
			warn(s.Pos, "unused-selection", "name it in the condition, or remove it", "the condition does not ask for the selection %q", s.Name)
		}
	}
}

// source looks for a logsource that nothing serves, and for fields that its
// events do not have.
func (l *linter) source(r *sigma.Rule, warn warning) {
	known, ok := l.fields[r.Logsource]
	if !ok {
		known.names, known.whole = fieldsOf(r.Logsource, l.datasets)
		for _, d := range l.datasets {
			known.serve = known.serve || sigma.Serves(r.Logsource, d)
		}
		l.fields[r.Logsource] = known
	}
	if !known.serve && len(l.datasets) > 0 {
		warn(r.Pos, "no-dataset", l.nearSource(r.Logsource), "no parser makes events for this logsource (%s): the rule cannot fire", sourceText(r.Logsource))
	}
	said := map[string]bool{}
	for _, s := range r.Selections {
		for _, c := range s.Clauses {
			for i := range c {
				if !said[c[i].Field] {
					said[c[i].Field] = true
					l.field(&c[i], known, warn)
				}
			}
		}
	}
}

func (l *linter) field(it *sigma.Item, known fieldNames, warn warning) {
	if it.Field == "" || slices.Contains(known.names, it.Field) {
		return
	}
	// A name may differ in case only, or in a letter or two of a longer one.
	var near string
	if i := slices.IndexFunc(known.names, func(n string) bool { return strings.EqualFold(n, it.Field) }); i >= 0 {
		near = known.names[i]
	} else {
		near = nearest.Word(it.Field, known.names, min(3, len(it.Field)/4+1))
	}
	switch {
	case near != "":
		warn(it.Pos, "unknown-field", fmt.Sprintf("did you mean %q?", near), "no known event of the logsource has a field %q", it.Field)
	case known.whole:
		warn(it.Pos, "unknown-field", "see the fields of the event, or correct the logsource", "no known event of the logsource has a field %q", it.Field)
	}
}

func sourceText(l holdfast.Logsource) string {
	var parts []string
	for _, p := range [][2]string{{"product", l.Product}, {"category", l.Category}, {"service", l.Service}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if len(parts) == 0 {
		return "without product, category and service"
	}
	return strings.Join(parts, ", ")
}

// nearSource says which part of a logsource to correct.
func (l *linter) nearSource(have holdfast.Logsource) string {
	var products, categories, services []string
	for _, d := range l.datasets {
		for _, s := range append([]holdfast.Logsource{d.Logsource}, d.Also...) {
			products = append(products, s.Product)
			if have.Product == "" || strings.EqualFold(have.Product, s.Product) {
				categories, services = append(categories, s.Category), append(services, s.Service)
			}
		}
	}
	for _, p := range []struct {
		word  string
		known []string
	}{{have.Product, products}, {have.Category, categories}, {have.Service, services}} {
		slices.Sort(p.known)
		if p.word == "" || slices.ContainsFunc(p.known, func(k string) bool { return strings.EqualFold(k, p.word) }) {
			continue
		}
		return nearest.Say(strings.ToLower(p.word), slices.Compact(slices.DeleteFunc(p.known, func(k string) bool { return k == "" })), 3, "correct it, or add a parser for such events")
	}
	return "correct it, or add a parser for such events"
}
