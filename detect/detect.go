// Package detect is the stage that turns events into alerts: it loads Sigma
// rules, matches every event of a block against them, and correlates the hits
// over time. It leaves parsing to ingest, and what to do about an alert to
// respond.
package detect

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	"holdfast/internal/clock"
)

// Options are what a Detector is handed. Datasets say how the fields and the
// logsource of each kind of event are named; events of a dataset that is not
// there are looked at by no rule. Placeholders are the values of %name% in
// rules with the modifier expand.
type Options struct {
	Datasets     map[string]holdfast.Dataset
	Clock        clock.Clock
	Log          *slog.Logger
	Placeholders map[string][]string
	// Parse reads the records of cases that are given as their source wrote them.
	// Without it, cases have to name dataset and fields.
	Parse func(raw []byte) ([]holdfast.Event, error)
}

// Detector holds the rules and the state of their correlations. All methods
// may be called at the same time; blocks are processed one after the other.
type Detector struct {
	opts    Options
	loading sync.Mutex // one at a time

	mu         sync.Mutex
	sources    []Source
	stamped    string // what the files were when they were last read
	rules      *loaded
	correlator *correlate.Correlator
	seq        uint64
	seen       *seen
	exceptions []holdfast.Exception
	hiding     *hiding
	hidden     map[string]*holdfast.Hidden // by id of filter or exception
	packer     *zstd.Encoder               // of snapshots, once there was one
}

// loaded is one set of rules. It does not change.
type loaded struct {
	set    sigma.Set
	engine *engine.Engine
	infos  []holdfast.RuleInfo
	faults holdfast.Faults
	needs  func() []Need // worked out once
}

// New returns a Detector without rules.
func New(o Options) *Detector {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Detector{opts: o, hidden: map[string]*holdfast.Hidden{}, seen: &seen{}}
	_ = d.install(sigma.Set{}, nil)
	return d
}

// Load reads all rules of the sources, in place of what was loaded, and
// remembers the sources for Reload and Watch. What has no fault is in force
// when it returns; of a file that has
// one now, what stood there before stays. Windows and alerts of rules that did not change live on.
func (d *Detector) Load(sources ...Source) holdfast.Faults {
	d.mu.Lock()
	d.sources = slices.Clone(sources)
	d.mu.Unlock()
	return d.Reload()
}

// Reload reads the sources of the last Load again. Blocks are processed
// meanwhile, by the rules before; one reload waits for another.
func (d *Detector) Reload() holdfast.Faults {
	d.loading.Lock()
	defer d.loading.Unlock()
	d.mu.Lock()
	sources := d.sources
	d.mu.Unlock()
	stamp := d.stamp()
	d.mu.Lock()
	d.stamped = stamp
	d.mu.Unlock()
	set, faults := Read(sources, &sigma.Parser{Placeholders: d.opts.Placeholders})
	d.mu.Lock()
	before := d.rules.set
	d.mu.Unlock()
	for _, f := range d.compileFaults(set) {
		if !slices.Contains(faults, f) {
			faults = append(faults, f)
		}
	}
	return d.install(keepGood(set, before, faults), faults)
}

func (d *Detector) compileFaults(set sigma.Set) holdfast.Faults {
	_, faults := engine.New(set.Rules, set.Filters)
	_, more := correlate.New(set.Rules, set.Correlations, d.opts.Clock)
	return append(faults, more...)
}

// keepGood returns the set with what a file had before in place of what it has
// now, for every file that has a fault now and was read without one before.
func keepGood(set, before sigma.Set, faults holdfast.Faults) sigma.Set {
	broken := map[string]bool{}
	for _, f := range faults {
		broken[f.File] = true
	}
	had := map[string]bool{}
	keep := func(m *sigma.Meta) bool {
		had[m.File] = had[m.File] || broken[m.File]
		return broken[m.File]
	}
	var good sigma.Set
	for _, r := range before.Rules {
		if keep(&r.Meta) {
			good.Rules = append(good.Rules, r)
		}
	}
	for _, c := range before.Correlations {
		if keep(&c.Meta) {
			good.Correlations = append(good.Correlations, c)
		}
	}
	for _, f := range before.Filters {
		if keep(&f.Meta) {
			good.Filters = append(good.Filters, f)
		}
	}
	set.Rules = slices.DeleteFunc(set.Rules, func(r *sigma.Rule) bool { return had[r.File] })
	set.Correlations = slices.DeleteFunc(set.Correlations, func(c *sigma.Correlation) bool { return had[c.File] })
	set.Filters = slices.DeleteFunc(set.Filters, func(f *sigma.Filter) bool { return had[f.File] })
	set.Add(good)
	return set
}

// install compiles a set and puts it in force.
func (d *Detector) install(set sigma.Set, faults holdfast.Faults) holdfast.Faults {
	eng, fs := engine.New(set.Rules, nil) // filters hide hits, and are counted: see hide
	cor, more := correlate.New(set.Rules, set.Correlations, d.opts.Clock)
	for _, f := range append(fs, more...) {
		if !slices.Contains(faults, f) {
			faults = append(faults, f)
		}
	}
	next := &loaded{set: set, engine: eng, faults: faults}
	for _, r := range set.Rules {
		info := infoOf(&r.Meta, "detection")
		info.Logsource, info.Silent = r.Logsource, cor.Silent(r.Key())
		next.infos = append(next.infos, info)
	}
	for _, k := range cor.Loaded() {
		next.infos = append(next.infos, infoOf(&k.Meta, "correlation"))
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.correlator != nil {
		cor.Adopt(d.correlator)
	}
	next.needs = sync.OnceValue(func() []Need { return Needs(next.set, d.opts.Datasets) })
	d.rules, d.correlator = next, cor
	for _, f := range d.rehide() {
		d.opts.Log.Warn("an exception hides nothing", "error", f)
	}
	return slices.Clone(faults)
}

func infoOf(m *sigma.Meta, kind string) holdfast.RuleInfo {
	return holdfast.RuleInfo{
		ID: m.Key(), Name: m.Name, Title: m.Title, Level: m.Level, Kind: kind,
		File: m.File, Attack: correlate.Attack(m.Tags), Source: m.ID,
	}
}

// Process matches the events of one block and returns the alerts that are new
// or have changed. A block whose number was processed before gives nothing, and
// neither does an event that stood in a block before; number 0 stands for blocks
// that have none, which are looked at as they are.
func (d *Detector) Process(seq uint64, b *holdfast.Block) []holdfast.Alert {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq != 0 {
		if seq <= d.seq {
			return nil
		}
		d.seq = seq
	}
	var hits []correlate.Hit
	for i := range b.Events {
		e := &b.Events[i]
		ds, ok := d.opts.Datasets[e.Dataset]
		if !ok {
			continue
		}
		hits = d.matched(seq, e, &ds, hits[:0])
		d.correlator.Add(e, &ds, hits)
	}
	return d.correlator.Take()
}

// Rules describes what is loaded, detections first.
func (d *Detector) Rules() []holdfast.RuleInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.rules.infos)
}

// Faults returns what was wrong at the last load.
func (d *Detector) Faults() holdfast.Faults {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.rules.faults)
}

// Stats returns what the bounds of correlation have cost since the last load.
func (d *Detector) Stats() correlate.Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.correlator.Stats()
}
