package detect

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/detect/sigma"
)

// maxRepeat bounds how many events one line of a case may stand for.
const maxRepeat = 10_000

// caseFile is what stands beside a rule, as name.test.yml.
type caseFile struct {
	Rule  string     `yaml:"rule"`
	Cases []ruleCase `yaml:"cases"`
}

type ruleCase struct {
	Say    string      `yaml:"say"`
	Fires  *bool       `yaml:"fires"`
	Events []caseEvent `yaml:"events"`
	line   int
}

// UnmarshalYAML keeps the line for faults.
func (c *ruleCase) UnmarshalYAML(n *yaml.Node) error {
	type plain ruleCase
	c.line = n.Line
	return n.Decode((*plain)(c))
}

// caseEvent is one event, or Repeat of them, Every so far apart, of which the
// first happens At after the case began.
type caseEvent struct {
	At      holdfast.Duration `yaml:"at"`
	Repeat  int               `yaml:"repeat"`
	Every   holdfast.Duration `yaml:"every"`
	Dataset string            `yaml:"dataset"`
	Raw     string            `yaml:"raw"`
	Drill   string            `yaml:"drill"`
	Fields  yaml.Node         `yaml:"fields"`
}

// CheckCases runs the cases beside the rules of the sources through the real
// engine, with all rules loaded. Every rule must have a case in which it fires
// and one in which it does not. What does not come out as written is a fault.
func CheckCases(o Options, sources ...Source) holdfast.Faults {
	probe := New(o)
	faults := probe.Load(sources...)
	have := map[string][2]bool{}
	for _, s := range sources {
		faults = append(faults, s.walk(isCases, func(name string, _ fs.DirEntry) {
			faults = append(faults, runCases(o, s, name, sources, have)...)
		})...)
	}
	for _, r := range probe.Rules() {
		if h := have[r.ID]; !h[0] || !h[1] {
			faults = append(faults, holdfast.Fault{File: r.File, What: "the rule " + r.ID + " has no cases of both kinds", Do: "write a file beside it that ends in .test.yml, with a case that fires and one that does not"})
		}
	}
	return faults
}

func runCases(o Options, s Source, name string, sources []Source, have map[string][2]bool) holdfast.Faults {
	bad := func(line int, format string, args ...any) holdfast.Faults {
		return holdfast.Faults{{File: s.path(name), Line: line, What: fmt.Sprintf(format, args...), Do: "correct the case or the rule"}}
	}
	b, err := s.read(name)
	if err != nil || len(b) > sigma.MaxFile {
		return bad(0, "the cases cannot be read, or are larger than %d bytes: %v", sigma.MaxFile, err)
	}
	var cf caseFile
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	dec.KnownFields(true)
	if err := dec.Decode(&cf); err != nil {
		return bad(0, "the cases cannot be read: %v", err)
	}
	var faults holdfast.Faults
	for _, c := range cf.Cases {
		if c.Fires == nil {
			faults = append(faults, bad(c.line, "the case %q does not say whether the rule fires", c.Say)...)
			continue
		}
		events, err := c.events()
		if err != nil {
			faults = append(faults, bad(c.line, "%v", err)...)
			continue
		}
		d := New(o)
		_ = d.Load(sources...)
		if fired := d.fires(cf.Rule, events); fired != *c.Fires {
			faults = append(faults, bad(c.line, "in the case %q the rule %s should %s", c.Say, cf.Rule, map[bool]string{true: "fire and does not", false: "not fire and does"}[*c.Fires])...)
			continue
		}
		h := have[cf.Rule]
		if *c.Fires {
			h[0] = true
		} else {
			h[1] = true
		}
		have[cf.Rule] = h
	}
	return faults
}

// fires reports whether a rule holds for one of the events, or for silent and
// other detections alike, whether it stands among the stages of an alert.
func (d *Detector) fires(rule string, events []holdfast.Event) bool {
	for i := range events {
		for _, h := range d.rules.engine.Match(&events[i], d.opts.Datasets[events[i].Dataset]) {
			if h.Rule.Key() == rule {
				return true
			}
		}
		for _, a := range d.Process(0, &holdfast.Block{Events: events[i : i+1]}) {
			if slices.ContainsFunc(a.Stages, func(s holdfast.Stage) bool { return s.Rule == rule }) {
				return true
			}
		}
	}
	return false
}

// events makes the events of a case, in order of time.
func (c *ruleCase) events() ([]holdfast.Event, error) {
	begin := time.Date(2026, 11, 23, 10, 15, 4, 0, time.UTC)
	var out []holdfast.Event
	for i, ce := range c.Events {
		if ce.Fields.Kind != 0 && ce.Fields.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("the fields of event %d of case %q are not a mapping", i+1, c.Say)
		}
		if ce.Repeat > maxRepeat {
			return nil, fmt.Errorf("the case %q repeats an event more than %d times", c.Say, maxRepeat)
		}
		var fields []holdfast.Field
		for j := 0; j+1 < len(ce.Fields.Content); j += 2 {
			k, v := ce.Fields.Content[j], ce.Fields.Content[j+1]
			values := []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode {
				values = v.Content
			}
			for _, v := range values {
				f := holdfast.Field{Name: k.Value, Text: v.Value}
				if v.Tag == "!!null" {
					f.Text, f.Kind = "", holdfast.Null
				}
				fields = append(fields, f)
			}
		}
		for n := range max(ce.Repeat, 1) {
			at := begin.Add(ce.At.Std() + time.Duration(n)*ce.Every.Std())
			out = append(out, holdfast.Event{
				ID:   holdfast.NewEventID("case", fmt.Sprintf("%d/%d", i, n), []byte(ce.Raw), 0),
				Time: at, Received: at, Source: "case", Asset: "case", Dataset: ce.Dataset,
				Fields: fields, Raw: []byte(ce.Raw), Drill: ce.Drill,
			})
		}
	}
	slices.SortStableFunc(out, func(a, b holdfast.Event) int { return a.Time.Compare(b.Time) })
	return out, nil
}
