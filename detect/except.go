package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
)

// Limits on exceptions.
const (
	MaxExceptions = 1000
	MaxWhere      = 16 << 10 // bytes of one condition
	maxSampleText = 300
)

// ParseWhere reads the condition of an exception: one selection of Sigma, as
// YAML or JSON: {User: backup, Image|endswith: '\robocopy.exe'}. The error
// wraps holdfast.ErrInvalid and says where the fault is.
func ParseWhere(text string) (sigma.Selection, error) {
	if len(text) > MaxWhere {
		return sigma.Selection{}, fmt.Errorf("the condition has %d bytes, %d are allowed: %w", len(text), MaxWhere, holdfast.ErrTooLarge)
	}
	var n yaml.Node
	if err := decode(text, &n); err != nil || len(n.Content) != 1 || n.Content[0].Kind != yaml.MappingNode || len(n.Content[0].Content) == 0 {
		return sigma.Selection{}, fmt.Errorf("the condition is no selection; write {field: value} or {field|endswith: value}: %w", holdfast.ErrInvalid)
	}
	b, err := yaml.Marshal(map[string]any{
		"title": "exception", "logsource": map[string]string{"product": "any"},
		"detection": map[string]any{"where": n.Content[0], "condition": "where"},
	})
	if err != nil {
		return sigma.Selection{}, fmt.Errorf("the condition: %w: %w", err, holdfast.ErrInvalid)
	}
	set, faults := sigma.Parse("", b)
	if len(faults) > 0 {
		return sigma.Selection{}, fmt.Errorf("the condition: %s; %s: %w", faults[0].What, faults[0].Do, holdfast.ErrInvalid)
	}
	return set.Rules[0].Selections[0], nil
}

// decode keeps a panic of the YAML reader in.
func decode(text string, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: %w", r, holdfast.ErrInvalid)
		}
	}()
	return yaml.Unmarshal([]byte(text), n)
}

// CheckException says what is wrong with one that is to be added: its rule must
// be a detection that is loaded.
func (d *Detector) CheckException(x holdfast.Exception) error {
	if _, err := ParseWhere(x.Where); err != nil {
		return err
	}
	d.mu.Lock()
	set := d.rules.set
	d.mu.Unlock()
	if slices.ContainsFunc(set.Rules, func(r *sigma.Rule) bool { return names(&r.Meta, x.Rule) }) {
		return nil
	}
	for _, c := range set.Correlations {
		if names(&c.Meta, x.Rule) {
			return fmt.Errorf("%s is a correlation; make the exception for what it counts: %s: %w", x.Rule, strings.Join(c.Rules, ", "), holdfast.ErrInvalid)
		}
	}
	return fmt.Errorf("there is no rule %q; see `holdfast rules list`: %w", x.Rule, holdfast.ErrNotFound)
}

func names(m *sigma.Meta, key string) bool {
	return key != "" && (m.Key() == key || m.ID == key || m.Name == key)
}

// SetExceptions puts exceptions in force, in place of those before. What those
// that stay have hidden is kept. One that cannot be read hides nothing and is a
// fault.
func (d *Detector) SetExceptions(list []holdfast.Exception) holdfast.Faults {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.exceptions = slices.Clone(list)
	return d.rehide()
}

// rehide works out who hides what. It is called with the lock held, when the
// rules or the exceptions have changed.
func (d *Detector) rehide() holdfast.Faults {
	h, faults := newHiding(d.rules.set, d.exceptions)
	for id := range d.hidden {
		if _, there := h.by[id]; !there {
			delete(d.hidden, id)
		}
	}
	d.hiding = h
	return faults
}

// Hiding lists what hides events from rules, filters of Sigma among it, with
// what each has hidden.
func (d *Detector) Hiding() []holdfast.Exception {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opts.Clock.Now()
	out := make([]holdfast.Exception, 0, len(d.hiding.by))
	for _, id := range slices.Sorted(maps.Keys(d.hiding.by)) {
		x := d.hiding.by[id]
		x.Expired = !x.Expires.IsZero() && !now.Before(x.Expires)
		x.Hidden.Samples = []holdfast.HiddenEvent{}
		if h := d.hidden[id]; h != nil {
			x.Hidden = *h
			x.Hidden.Samples = slices.Clone(h.Samples)
		}
		out = append(out, x)
	}
	return out
}

// hiding is the filters and exceptions of one set of rules. It does not change.
type hiding struct {
	engine *engine.Engine // a rule for each of them, by id
	by     map[string]holdfast.Exception
	rules  map[string][]string // key of a rule → ids of what may hide its events
}

func newHiding(set sigma.Set, list []holdfast.Exception) (*hiding, holdfast.Faults) {
	h := &hiding{by: map[string]holdfast.Exception{}, rules: map[string][]string{}}
	var faults holdfast.Faults
	var all []*sigma.Rule
	add := func(x holdfast.Exception, selections []sigma.Selection, condition sigma.Expr, applies func(*sigma.Rule) bool) {
		h.by[x.ID] = x
		all = append(all, &sigma.Rule{Meta: sigma.Meta{Name: x.ID}, Selections: selections, Condition: condition})
		for _, r := range set.Rules {
			if applies(r) {
				h.rules[r.Key()] = append(h.rules[r.Key()], x.ID)
			}
		}
	}
	for _, f := range set.Filters {
		if f.Condition == nil {
			continue
		}
		rule := strings.Join(f.Rules, ", ")
		if f.Any {
			rule = "any"
		}
		x := holdfast.Exception{ID: "filter:" + f.Key(), Rule: rule, Where: f.Title, Reason: f.Description, Filter: f.File}
		add(x, f.Selections, f.Condition, func(r *sigma.Rule) bool {
			return sigma.Serves(f.Logsource, holdfast.Dataset{Logsource: r.Logsource}) &&
				(f.Any || slices.ContainsFunc(f.Rules, func(n string) bool { return n != "" && (n == r.ID || n == r.Name) }))
		})
	}
	for _, x := range list[:min(len(list), MaxExceptions)] {
		where, err := ParseWhere(x.Where)
		if err != nil {
			faults = append(faults, holdfast.Fault{File: "exception " + x.ID, What: err.Error(), Do: "remove it and add it anew"})
			continue
		}
		add(x, []sigma.Selection{where}, sigma.Ref{}, func(r *sigma.Rule) bool { return names(&r.Meta, x.Rule) })
	}
	eng, more := engine.New(all, nil)
	h.engine = eng
	return h, append(faults, more...)
}

// matched appends the rules that hold for an event and that nothing hides it
// from; none for an event of an earlier block that came again.
func (d *Detector) matched(seq uint64, e *holdfast.Event, ds *holdfast.Dataset, hits []correlate.Hit) []correlate.Hit {
	for _, h := range d.rules.engine.Match(e, *ds) {
		hits = append(hits, correlate.Hit{Rule: h.Rule, Because: h.Because})
	}
	if len(hits) == 0 || seq != 0 && d.seen.again(e.ID) {
		return hits[:0]
	}
	return d.hide(e, ds, hits)
}

// hide takes out the hits of an event that a filter or an exception keeps from
// its rule, and counts them. It goes by when the event was received, so that
// blocks looked at again after a crash come out as before.
func (d *Detector) hide(e *holdfast.Event, ds *holdfast.Dataset, hits []correlate.Hit) []correlate.Hit {
	h := d.hiding
	if len(h.by) == 0 || !slices.ContainsFunc(hits, func(x correlate.Hit) bool { return len(h.rules[x.Rule.Key()]) > 0 }) {
		return hits
	}
	holds := map[string]bool{}
	for _, x := range h.engine.Match(e, *ds) {
		holds[x.Rule.Name] = true
	}
	at := e.Received
	if at.IsZero() {
		at = d.opts.Clock.Now()
	}
	return slices.DeleteFunc(hits, func(x correlate.Hit) bool {
		key := x.Rule.Key()
		for _, id := range h.rules[key] {
			if holds[id] && h.by[id].InForce(at) {
				d.count(id, key, e)
				return true
			}
		}
		return false
	})
}

// count adds a hidden event.
func (d *Detector) count(id, rule string, e *holdfast.Event) {
	n := d.hidden[id]
	if n == nil {
		n = &holdfast.Hidden{}
		d.hidden[id] = n
	}
	n.Count++
	if e.Time.After(n.Last) {
		n.Last = e.Time
	}
	if len(n.Samples) == holdfast.MaxHiddenSamples {
		n.Samples = slices.Delete(n.Samples, 0, 1)
	}
	raw := e.Raw[:min(len(e.Raw), maxSampleText)]
	n.Samples = append(n.Samples, holdfast.HiddenEvent{Event: e.ID, Time: e.Time.Round(time.Microsecond), Rule: rule, Asset: e.Asset, Message: strings.ToValidUTF8(string(raw), "\uFFFD")})
}
