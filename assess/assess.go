// Package assess judges facts: it holds the checks, says what each says about
// an asset, and opens and closes findings. Collecting facts is left to the
// agent, keeping verdicts to the spine.
package assess

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/assess/check"
	"holdfast/internal/clock"
)

// Source is a place with checks: all *.yaml files below it.
type Source struct {
	Name string // stands before file names in faults
	FS   fs.FS
}

// Options are what an Assessor is handed.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
}

// Assessor holds the checks. Its methods may run at the same time.
type Assessor struct {
	opts Options

	mu      sync.RWMutex
	sources []Source
	checks  []*check.Check
	faults  holdfast.Faults
	stamp   string
}

// New returns an Assessor without checks.
func New(o Options) *Assessor { return &Assessor{opts: o} }

// Load reads all checks of the sources, in place of what was loaded. Of a file
// that has a fault now, the check that was loaded before goes on judging; of
// two with one id the first counts.
func (a *Assessor) Load(sources ...Source) holdfast.Faults {
	stamp := stampOf(sources) // before reading: what changes meanwhile is read again
	var checks []*check.Check
	var faults holdfast.Faults
	seen := map[string]string{}
	for _, s := range sources {
		cs, fs := check.Load(s.Name, s.FS)
		faults = append(faults, fs...)
		for _, c := range cs {
			if first, ok := seen[c.ID]; ok {
				faults = append(faults, holdfast.Fault{File: c.File, Line: 1, Column: 1, What: fmt.Sprintf("the check %s stands in %s already", c.ID, first), Do: "rename one of the files"})
				continue
			}
			seen[c.ID] = c.File
			checks = append(checks, c)
		}
	}
	a.mu.Lock()
	for _, c := range a.checks {
		broken := slices.ContainsFunc(faults, func(f holdfast.Fault) bool { return f.File == c.File })
		if _, ok := seen[c.ID]; !ok && broken {
			checks = append(checks, c)
		}
	}
	a.sources, a.checks, a.faults, a.stamp = sources, checks, faults, stamp
	a.mu.Unlock()
	return faults
}

// Watch looks at the sources every so often and loads them again when a file
// has come, gone, or changed its size or time.
func (a *Assessor) Watch(ctx context.Context, every time.Duration, changed func(holdfast.Faults)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		a.mu.RLock()
		sources, stamp := a.sources, a.stamp
		a.mu.RUnlock()
		if stampOf(sources) == stamp {
			continue
		}
		faults := a.Load(sources...)
		if changed != nil {
			changed(faults)
		}
	}
}

func stampOf(sources []Source) string {
	var b strings.Builder
	for _, s := range sources {
		_ = fs.WalkDir(s.FS, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // what cannot be read is a fault of Load
			}
			if info, err := d.Info(); err == nil {
				fmt.Fprintf(&b, "%s %d %d\n", p, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return b.String()
}

// List returns the checks.
func (a *Assessor) List() []*check.Check {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.checks
}

// Faults returns what was wrong with the files that were not loaded.
func (a *Assessor) Faults() holdfast.Faults {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.faults
}

// Judge gives the verdict of every check on an asset, and the findings that
// are new or that ended: a weakness ends when its check passes, or when what it
// is about is gone from the asset. Unknown ends nothing. Before are the last verdicts, whose Since stays as
// long as their status does.
func (a *Assessor) Judge(facts holdfast.Facts, before []holdfast.Verdict, findings []holdfast.Finding) ([]holdfast.Verdict, []holdfast.Finding) {
	now := a.opts.Clock.Now().UTC()
	old := map[string]holdfast.Verdict{}
	for _, v := range before {
		old[v.Check] = v
	}
	known := map[string]holdfast.Finding{}
	for _, f := range findings {
		known[f.Check] = f
	}
	var verdicts []holdfast.Verdict
	var changes []holdfast.Finding
	applicable := 0
	for _, c := range a.List() {
		v := c.Judge(facts, now)
		if was, ok := old[c.ID]; ok && was.Status == v.Status {
			v.Since = was.Since
		}
		if v.Status != holdfast.NotApplicable {
			applicable++
		}
		verdicts = append(verdicts, v)
		f, open := known[c.ID]
		open = open && f.Closed.IsZero()
		switch {
		case v.Status == holdfast.Fail && !open:
			changes = append(changes, holdfast.Finding{
				ID: holdfast.StableID("fnd", facts.Asset, c.ID), Asset: facts.Asset, Check: c.ID, Title: c.Title, Severity: c.Severity, Opened: now,
			})
		case (v.Status == holdfast.Pass || v.Status == holdfast.NotApplicable) && open:
			f.Closed = now
			changes = append(changes, f)
		}
	}
	changes = append(changes, a.gone(known, now)...)
	if applicable == 0 {
		a.opts.Log.Warn("no check applies to this asset: the set of checks does not fit it", "asset", facts.Asset, "checks", len(verdicts))
	}
	return verdicts, changes
}

// gone closes the findings of checks that a person has taken away. While any
// file has a fault nothing is closed: its check may only be missing for that.
func (a *Assessor) gone(known map[string]holdfast.Finding, now time.Time) []holdfast.Finding {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(a.faults) > 0 || len(a.checks) == 0 {
		return nil
	}
	var out []holdfast.Finding
	for id, f := range known {
		if f.Closed.IsZero() && !slices.ContainsFunc(a.checks, func(c *check.Check) bool { return c.ID == id }) {
			f.Closed = now
			out = append(out, f)
		}
	}
	return out
}
