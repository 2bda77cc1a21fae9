package detect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/sigma"
)

// Bounds on a replay.
const (
	replayHits    = 200_000 // events that are kept, to be put in order and correlated
	replaySamples = 5
	replayHosts   = 1000
)

// Replay runs rules over events of the past, beside the detector and without
// any effect on it. It is not safe for concurrent use.
type Replay struct {
	d       *Detector
	targets []string // keys of rules
	step    time.Duration
	rules   map[string]*holdfast.ReplayRule
	hosts   map[string]map[string]int
	buckets map[string]map[int64]int
	hits    []replayHit
	dropped uint64
	// Samples is how many events of each rule are kept to be shown.
	Samples int
}

type replayHit struct {
	event holdfast.Event
	hits  []correlate.Hit
}

// NewReplay prepares rules of a text, or the loaded one of a key if the text is
// empty, with what they refer to among those loaded, and with the exceptions in
// force. Buckets of counts are step wide. Where, if not empty, is the condition
// of an exception that is tried on the detections. The error wraps
// holdfast.ErrInvalid or holdfast.ErrNotFound.
func (d *Detector) NewReplay(key, text, where string, step time.Duration) (*Replay, error) {
	d.mu.Lock()
	set, exceptions := d.rules.set, slices.Clone(d.exceptions)
	d.mu.Unlock()
	r := &Replay{
		d: New(Options{Datasets: d.opts.Datasets, Clock: d.opts.Clock, Placeholders: d.opts.Placeholders}), step: max(step, time.Second),
		rules: map[string]*holdfast.ReplayRule{}, hosts: map[string]map[string]int{}, buckets: map[string]map[int64]int{}, Samples: replaySamples,
	}
	need := sigma.Set{}
	if text != "" {
		given, faults := (&sigma.Parser{Placeholders: d.opts.Placeholders}).Parse("rule", []byte(text))
		if len(faults) > 0 {
			return nil, faults
		}
		whole := sigma.Set{}
		whole.Add(given)
		taken := map[string]bool{}
		for _, m := range metas(given) {
			taken[m.Key()], taken[m.ID] = true, true
			r.targets = append(r.targets, m.Key())
		}
		for _, x := range set.Rules { // what is given counts before what is loaded
			if !taken[x.Key()] && (x.ID == "" || !taken[x.ID]) {
				whole.Rules = append(whole.Rules, x)
			}
		}
		for _, x := range set.Correlations {
			if !taken[x.Key()] && (x.ID == "" || !taken[x.ID]) {
				whole.Correlations = append(whole.Correlations, x)
			}
		}
		whole.Filters = append(whole.Filters, set.Filters...)
		set = whole
	} else {
		one := Needed(set, key)
		if len(one.Rules)+len(one.Correlations) == 0 {
			return nil, fmt.Errorf("there is no rule %q; see `holdfast rules list`: %w", key, holdfast.ErrNotFound)
		}
		for _, m := range metas(one) {
			if names(m, key) {
				r.targets = append(r.targets, m.Key())
			}
		}
	}
	need.Filters = set.Filters
	for _, t := range r.targets {
		one := Needed(set, t)
		for _, x := range one.Rules {
			if !slices.Contains(need.Rules, x) {
				need.Rules = append(need.Rules, x)
			}
		}
		for _, x := range one.Correlations {
			if !slices.Contains(need.Correlations, x) {
				need.Correlations = append(need.Correlations, x)
			}
		}
	}
	if where != "" {
		for _, x := range need.Rules {
			exceptions = append(exceptions, holdfast.Exception{ID: "tried:" + x.Key(), Rule: x.Key(), Where: where})
		}
	}
	var faults holdfast.Faults
	for _, f := range r.d.install(need, nil) {
		if !strings.Contains(f.What, "filter names a rule") {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if where != "" {
		if _, err := ParseWhere(where); err != nil {
			return nil, err
		}
	}
	_ = r.d.SetExceptions(exceptions) // those that hide nothing are told where they are in force
	for _, m := range metas(need) {
		kind := "detection"
		if slices.ContainsFunc(need.Correlations, func(c *sigma.Correlation) bool { return c.Key() == m.Key() }) {
			kind = "correlation"
		}
		r.rules[m.Key()] = &holdfast.ReplayRule{Rule: m.Key(), Title: m.Title, Level: m.Level, Kind: kind, Buckets: []holdfast.ReplayBucket{}, Hosts: []holdfast.ReplayHost{}, Samples: []holdfast.HiddenEvent{}}
	}
	return r, nil
}

// Datasets are the kinds of event that the rules look at.
func (r *Replay) Datasets() []string {
	var out []string
	for name, ds := range r.d.opts.Datasets {
		if slices.ContainsFunc(r.d.rules.set.Rules, func(x *sigma.Rule) bool { return sigma.Serves(x.Logsource, ds) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Add looks at one event. It keeps what it needs of it.
func (r *Replay) Add(e *holdfast.Event) {
	ds, ok := r.d.opts.Datasets[e.Dataset]
	if !ok || e.Drill != "" {
		return
	}
	hits := r.d.matched(0, e, &ds, nil)
	if len(hits) == 0 {
		return
	}
	for _, h := range hits {
		r.count(h.Rule.Key(), e)
	}
	if len(r.hits) >= replayHits {
		r.dropped++
		return
	}
	kept := *e
	kept.Raw = slices.Clone(e.Raw[:min(len(e.Raw), 1000)])
	for i := range hits {
		hits[i].Because = nil
	}
	r.hits = append(r.hits, replayHit{kept, hits})
}

// count adds an event that a detection held for.
func (r *Replay) count(key string, e *holdfast.Event) {
	x := r.rules[key]
	x.Events++
	r.at(key, e.Time)
	host := e.Asset
	if host == "" {
		host = e.Text("hostname")
	}
	if host == "" {
		host = e.Text("Computer")
	}
	r.host(key, host)
	if len(x.Samples) < r.Samples {
		raw := e.Raw[:min(len(e.Raw), maxSampleText)]
		x.Samples = append(x.Samples, holdfast.HiddenEvent{Event: e.ID, Time: e.Time, Rule: key, Asset: e.Asset, Message: strings.ToValidUTF8(string(raw), "\uFFFD")})
	}
}

func (r *Replay) host(key, host string) {
	if host == "" {
		return
	}
	if r.hosts[key] == nil {
		r.hosts[key] = map[string]int{}
	}
	if n := r.hosts[key][host]; n > 0 || len(r.hosts[key]) < replayHosts {
		r.hosts[key][host]++
	}
}

func (r *Replay) at(key string, t time.Time) {
	x := r.rules[key]
	if x.First.IsZero() || t.Before(x.First) {
		x.First = t
	}
	if t.After(x.Last) {
		x.Last = t
	}
	if r.buckets[key] == nil {
		r.buckets[key] = map[int64]int{}
	}
	r.buckets[key][t.Unix()/int64(r.step/time.Second)]++
}

// Name is what the rules that were asked for are called.
func (r *Replay) Name() string {
	var out []string
	for _, t := range r.targets {
		out = append(out, cmp.Or(r.rules[t].Title, t))
	}
	if len(out) > 3 {
		out = append(out[:3], fmt.Sprintf("%d more", len(out)-3))
	}
	return strings.Join(out, ", ")
}

// Found is how many events rules held for so far.
func (r *Replay) Found() (n uint64) {
	for _, x := range r.rules {
		n += x.Events
	}
	return n
}

// Result correlates what was kept, in the order of time, and returns what came
// out: first of the rules that were asked for, then of those that they refer to.
func (r *Replay) Result() ([]holdfast.ReplayRule, uint64) {
	slices.SortStableFunc(r.hits, func(a, b replayHit) int { return a.event.Time.Compare(b.event.Time) })
	seen := map[string]bool{}
	for i := range r.hits {
		h := &r.hits[i]
		h.event.Received = h.event.Time // as if it had come when it happened
		ds := r.d.opts.Datasets[h.event.Dataset]
		r.d.correlator.Add(&h.event, &ds, h.hits)
		for _, a := range r.d.correlator.Take() {
			for _, s := range a.Stages {
				x := r.rules[s.Rule]
				if x == nil || seen[a.ID+" "+s.Rule] {
					continue
				}
				seen[a.ID+" "+s.Rule] = true
				x.Alerts++
				if x.Kind == "correlation" {
					r.at(s.Rule, s.Time)
					r.host(s.Rule, a.Asset)
					if len(x.Samples) < r.Samples {
						x.Samples = append(x.Samples, holdfast.HiddenEvent{Event: h.event.ID, Time: s.Time, Rule: s.Rule, Asset: a.Asset, Message: s.Why})
					}
				}
			}
		}
	}
	for _, e := range r.d.Hiding() {
		for key, ids := range r.d.hiding.rules {
			if slices.Contains(ids, e.ID) && strings.HasPrefix(e.ID, "tried:") {
				r.rules[key].Tried = e.Hidden
			} else if slices.Contains(ids, e.ID) {
				r.rules[key].Hidden += e.Hidden.Count
			}
		}
	}
	out := make([]holdfast.ReplayRule, 0, len(r.rules))
	for _, key := range slices.Sorted(maps.Keys(r.rules)) {
		x := *r.rules[key]
		x.Asked = slices.Contains(r.targets, key)
		for _, at := range slices.Sorted(maps.Keys(r.buckets[key])) {
			x.Buckets = append(x.Buckets, holdfast.ReplayBucket{Time: time.Unix(at*int64(r.step/time.Second), 0).UTC(), Count: r.buckets[key][at]})
		}
		for name, n := range r.hosts[key] {
			x.Hosts = append(x.Hosts, holdfast.ReplayHost{Name: name, Count: n})
		}
		slices.SortFunc(x.Hosts, func(a, b holdfast.ReplayHost) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Name, b.Name)) })
		x.Hosts = x.Hosts[:min(len(x.Hosts), 20)]
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b holdfast.ReplayRule) int {
		switch {
		case a.Asked && !b.Asked:
			return -1
		case b.Asked && !a.Asked:
			return 1
		}
		return 0
	})
	return out, r.dropped
}
