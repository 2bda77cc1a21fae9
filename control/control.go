// Package control holds what must be: it reads requirements, derives from each
// clause the artefacts, checks, rules and drills that keep it, proposes the
// changes that would make it hold, and works out how it stands on each asset.
// Changing hosts is left to the parts and to package respond; judging facts, to
// package assess.
package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/control/requirement"
	"holdfast/internal/clock"
)

// Source is a place with requirements: all *.yaml files below it, except those
// in a folder "cases".
type Source struct {
	Name string
	FS   fs.FS
}

// Options are what a Book is handed.
type Options struct {
	Clock      clock.Clock
	Log        *slog.Logger
	Management []string // addresses that always reach
}

// Book holds the requirements. Its methods may run at the same time.
type Book struct {
	opts Options

	mu      sync.RWMutex
	sources []Source
	stamp   string
	reqs    []entry
	excs    []exception
	faults  holdfast.Faults
	// governs remembers from the last standings which clauses are for which
	// asset: requirement, then asset.
	governs map[string]map[string][]bool
}

type entry struct {
	requirement.Requirement
	view    holdfast.Requirement
	clauses []clause // those of view, with what only this package knows
}

// exception is one with the file it stands in.
type exception struct {
	requirement.Exception
	file string
}

// clause is one clause and the assets it is for. A setting's is also the
// artefact's word for it and for its value.
type clause struct {
	holdfast.Clause
	id         string // of the requirement
	on         requirement.Selector
	key, value string
	broken     string
}

// New returns an empty Book.
func New(o Options) *Book { return &Book{opts: o} }

// maxFiles bounds how many files a source may have.
const maxFiles = 10_000

// Load reads all requirements of the sources, in place of what was loaded. What
// has a fault is left out; of two with one id the first counts.
func (b *Book) Load(sources ...Source) holdfast.Faults {
	stamp := stampOf(sources)
	var reqs []entry
	var excs []exception
	var faults holdfast.Faults
	ids := map[string]string{}
	for _, s := range sources {
		for _, p := range filesOf(s) {
			file := path.Join(s.Name, p)
			data, err := fs.ReadFile(s.FS, p)
			if err != nil {
				faults = append(faults, holdfast.Fault{File: file, What: err.Error(), Do: "make it readable"})
				continue
			}
			doc, fs := requirement.Parse(file, data)
			faults = append(faults, fs...)
			for _, q := range doc.Requirements {
				if first, ok := ids[q.ID]; ok {
					faults = append(faults, holdfast.Fault{File: file, Line: q.Line, Column: 1, What: fmt.Sprintf("the id %q is taken by %s", q.ID, first), Do: "choose another"})
					continue
				}
				e, wrong := derive(q, file)
				if len(wrong) > 0 {
					faults = append(faults, wrong...)
					continue
				}
				ids[q.ID] = file
				reqs = append(reqs, e)
			}
			for _, x := range doc.Exceptions {
				excs = append(excs, exception{x, file})
			}
		}
	}
	b.mu.RLock()
	before, beforeExcs := b.reqs, b.excs
	b.mu.RUnlock()
	broken := func(file string) bool {
		return slices.ContainsFunc(faults, func(f holdfast.Fault) bool { return f.File == file })
	}
	for _, e := range before {
		if _, ok := ids[e.ID]; !ok && broken(e.view.File) {
			ids[e.ID] = e.view.File
			reqs = append(reqs, e)
		}
	}
	for _, x := range beforeExcs {
		if broken(x.file) && !slices.ContainsFunc(excs, func(y exception) bool { return y.file == x.file }) {
			excs = append(excs, x)
		}
	}
	for _, x := range excs {
		if _, ok := ids[x.Requirement]; !ok {
			faults = append(faults, holdfast.Fault{File: x.file, Line: x.Line, What: fmt.Sprintf("an exception names the requirement %q, which is not there", x.Requirement), Do: "correct the name, or the requirement's own fault"})
		}
	}
	sort.SliceStable(reqs, func(i, j int) bool { return reqs[i].ID < reqs[j].ID })
	b.mu.Lock()
	b.sources, b.stamp, b.reqs, b.excs, b.faults = sources, stamp, reqs, excs, faults
	b.governs = nil
	b.mu.Unlock()
	return faults
}

func filesOf(s Source) []string {
	var out []string
	_ = fs.WalkDir(s.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a folder that is not there has no files
		}
		if d.IsDir() && d.Name() == "cases" {
			return fs.SkipDir
		}
		if !d.IsDir() && path.Ext(p) == ".yaml" && len(out) < maxFiles {
			out = append(out, p)
		}
		return nil
	})
	return out
}

func stampOf(sources []Source) string {
	var b strings.Builder
	for _, s := range sources {
		for _, p := range filesOf(s) {
			if info, err := fs.Stat(s.FS, p); err == nil {
				fmt.Fprintf(&b, "%s %s %d %d\n", s.Name, p, info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return b.String()
}

// Watch looks at the sources every so often and loads them again when a file
// has come, gone, or changed its size or time.
func (b *Book) Watch(ctx context.Context, every time.Duration, changed func(holdfast.Faults)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		b.mu.RLock()
		sources, stamp := b.sources, b.stamp
		b.mu.RUnlock()
		if stampOf(sources) == stamp {
			continue
		}
		faults := b.Load(sources...)
		if changed != nil {
			changed(faults)
		}
	}
}

// Faults returns what was wrong with what was not loaded.
func (b *Book) Faults() holdfast.Faults {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.faults
}

// Requirements lists what must hold, each clause with the parts that keep it.
func (b *Book) Requirements() []holdfast.Requirement {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]holdfast.Requirement, len(b.reqs))
	for i := range b.reqs {
		out[i] = b.reqs[i].view
	}
	return out
}

// Proposal is a change that would make a requirement hold on an asset.
type Proposal struct {
	Part   string // "artefact/sshd-drop-in"
	Params json.RawMessage
	Why    string
}

// Propose works out the changes for a requirement on an asset; assets are all
// that are known, for the addresses behind selectors.
func (b *Book) Propose(id string, asset holdfast.Asset, assets []holdfast.Asset) ([]Proposal, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	i := slices.IndexFunc(b.reqs, func(e entry) bool { return e.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("requirement %q: %w", id, holdfast.ErrNotFound)
	}
	e := &b.reqs[i]
	if !slices.Contains(e.picks(asset), true) {
		return nil, fmt.Errorf("%s does not concern %s: no clause picks it: %w", id, asset.Name, holdfast.ErrInvalid)
	}
	if x := b.excepted(id, asset, b.opts.Clock.Now()); x != nil {
		return nil, fmt.Errorf("%s is excepted from %s until %s, because %s; end the exception first: %w", asset.Name, id, x.Expires.Format(time.DateOnly), x.Because, holdfast.ErrRefused)
	}
	var out []Proposal
	if e.State != nil && e.State.On.Match(asset) {
		groups, err := stateParams(e.State.Settings)
		if err != nil {
			return nil, err
		}
		names := make([]string, 0, len(groups))
		for n := range groups {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			out = append(out, Proposal{Part: "artefact/" + n, Params: groups[n], Why: e.ID + ": " + e.Say})
		}
	}
	if e.Reach != nil && e.Reach.To.Match(asset) {
		params, err := json.Marshal(b.reach(e, assets))
		if err != nil {
			return nil, err
		}
		out = append(out, Proposal{Part: "artefact/nftables-table", Params: params, Why: e.ID + ": " + e.Say})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no clause that changes a host: %s: %w", id, e.view.Clauses[0].Why, holdfast.ErrRefused)
	}
	return out, nil
}

// ReachParams are the parameters of the artefact nftables-table.
type ReachParams struct {
	Requirement string   `json:"requirement"`
	Ports       []string `json:"ports"`
	From        []string `json:"from"` // addresses that may
	Management  []string `json:"management"`
	Only        bool     `json:"only"`
}

func (b *Book) reach(e *entry, assets []holdfast.Asset) ReachParams {
	p := ReachParams{Requirement: e.ID, Ports: e.Reach.Ports, Only: e.Reach.Only, From: []string{}, Management: b.opts.Management}
	for _, a := range assets {
		if !e.Reach.From.Match(a) {
			continue
		}
		for _, text := range a.Addresses {
			if ip, err := netip.ParseAddr(text); err == nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !slices.Contains(p.From, text) {
				p.From = append(p.From, text)
			}
		}
	}
	sort.Strings(p.From)
	return p
}

// Broken names the requirements that fired rules show to be broken on an asset:
// those with a clause that watches for one of the rules and whose check fails.
func (b *Book) Broken(rules []string, asset string, verdicts []holdfast.Verdict) []holdfast.BrokenRequirement {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []holdfast.BrokenRequirement
	for _, e := range b.reqs {
		for i, c := range e.clauses {
			if picked := b.governs[e.ID][asset]; len(picked) > i && !picked[i] {
				continue
			}
			if !slices.ContainsFunc(c.Rules, func(r string) bool { return slices.Contains(rules, r) }) {
				continue
			}
			for _, v := range verdicts {
				if v.Asset == asset && v.Status == holdfast.Fail && slices.Contains(c.Checks, v.Check) {
					out = append(out, holdfast.BrokenRequirement{Requirement: e.ID, Asset: asset, Check: v.Check, Why: brokenWords(c, v)})
				}
			}
		}
	}
	return out
}

// Watching names the requirements with a clause for the asset, or for any if it
// is "", that one of the rules watches.
func (b *Book) Watching(rules map[string]bool, asset string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := []string{}
	for _, e := range b.reqs {
		for i, c := range e.clauses {
			picked := b.governs[e.ID][asset]
			if asset != "" && b.governs != nil && (len(picked) <= i || !picked[i]) {
				continue
			}
			if slices.ContainsFunc(c.Rules, func(r string) bool { return rules[r] }) {
				out = append(out, e.ID)
				break
			}
		}
	}
	return out
}

func brokenWords(c clause, v holdfast.Verdict) string {
	if c.broken != "" {
		return c.broken
	}
	return v.Why
}
