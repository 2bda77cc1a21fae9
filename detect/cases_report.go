package detect

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/detect/sigma"
)

// CaseResult is one case beside a rule and what came of it.
type CaseResult struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Rule  string `json:"rule"`
	Say   string `json:"say"`
	Want  bool   `json:"want"`  // the rule fires
	Fired bool   `json:"fired"` // it did
	Error string `json:"error,omitempty"`
}

// Passed reports whether the case came out as written.
func (c *CaseResult) Passed() bool { return c.Error == "" && c.Want == c.Fired }

// RunCases runs the cases beside the rules of the sources, each against its own
// rule and what that one refers to, and returns every one of them, in the order
// of files. Rules for which only holds, all if it is nil, and that lack a case
// of either kind are named in without. Faults are those of the rules. The error
// is that of the context.
func RunCases(ctx context.Context, o Options, only func(file string) bool, sources ...Source) (out []CaseResult, without []sigma.Meta, faults holdfast.Faults, err error) {
	set, faults := Read(sources, &sigma.Parser{Placeholders: o.Placeholders})
	if only == nil {
		only = func(string) bool { return true }
	}
	type file struct {
		source Source
		name   string
	}
	var files []file
	for _, s := range sources {
		faults = append(faults, s.walk(isCases, func(name string, _ fs.DirEntry) {
			if only(s.path(name)) {
				files = append(files, file{s, name})
			}
		})...)
	}
	results := make([][]CaseResult, len(files))
	jobs := make(chan int)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := range jobs {
				results[i] = caseResults(ctx, o, files[i].source, files[i].name, set)
			}
		})
	}
	for i := range files {
		jobs <- i
	}
	close(jobs)
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, err
	}
	have := map[string][2]bool{}
	for _, rs := range results {
		out = append(out, rs...)
		for _, r := range rs {
			h := have[r.Rule]
			h[0], h[1] = h[0] || r.Want, h[1] || !r.Want
			have[r.Rule] = h
		}
	}
	for _, m := range metas(set) {
		if h := have[m.Key()]; only(m.File) && (!h[0] || !h[1]) {
			without = append(without, *m)
		}
	}
	slices.SortStableFunc(out, func(a, b CaseResult) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
	return out, without, faults, nil
}

func metas(set sigma.Set) []*sigma.Meta {
	var out []*sigma.Meta
	for _, r := range set.Rules {
		out = append(out, &r.Meta)
	}
	for _, c := range set.Correlations {
		out = append(out, &c.Meta)
	}
	return out
}

func caseResults(ctx context.Context, o Options, s Source, name string, set sigma.Set) []CaseResult {
	path := s.path(name)
	broken := func(format string, args ...any) []CaseResult {
		return []CaseResult{{File: path, Line: 1, Error: fmt.Sprintf(format, args...)}}
	}
	b, err := s.read(name)
	if err != nil || len(b) > sigma.MaxFile {
		return broken("the cases cannot be read, or are larger than %d bytes: %v", sigma.MaxFile, err)
	}
	var cf caseFile
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	dec.KnownFields(true)
	if err := dec.Decode(&cf); err != nil {
		return broken("the cases cannot be read: %v", err)
	}
	needed := Needed(set, cf.Rule)
	if len(needed.Rules)+len(needed.Correlations) == 0 {
		return broken("there is no rule %q: correct rule:, or load it", cf.Rule)
	}
	var out []CaseResult
	for _, c := range cf.Cases {
		if ctx.Err() != nil {
			break
		}
		r := CaseResult{File: path, Line: c.line, Rule: cf.Rule, Say: c.Say}
		events, err := c.events(o.Parse)
		switch {
		case c.Fires == nil:
			r.Error = "the case does not say whether the rule fires"
		case err != nil:
			r.Error = err.Error()
		default:
			d := New(o)
			for _, f := range d.install(needed, nil) {
				if !strings.Contains(f.What, "filter names a rule") {
					r.Error = f.Error()
				}
			}
			r.Want, r.Fired = *c.Fires, d.fires(cf.Rule, events)
		}
		out = append(out, r)
	}
	return out
}

// Needed returns the rule of a key, id or title, what it refers to if it is a
// correlation, and all filters.
func Needed(set sigma.Set, key string) sigma.Set {
	out := sigma.Set{Filters: set.Filters}
	seen := map[string]bool{}
	var take func(string)
	take = func(key string) {
		if key == "" || seen[key] {
			return
		}
		seen[key] = true
		for _, r := range set.Rules {
			if (r.Key() == key || r.ID == key || r.Name == key) && !slices.Contains(out.Rules, r) {
				out.Rules = append(out.Rules, r)
			}
		}
		for _, c := range set.Correlations {
			if (c.Key() == key || c.ID == key || c.Name == key) && !slices.Contains(out.Correlations, c) {
				out.Correlations = append(out.Correlations, c)
				for _, name := range c.Rules {
					take(name)
				}
			}
		}
	}
	take(key)
	return out
}
