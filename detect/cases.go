package detect

import (
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
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
// first happens At after the case began. Without Dataset and Fields, Raw is what
// a source wrote, which the parsers read: one record, several, or a file with
// its header. Records that have a clock keep to it; At and Every are added.
type caseEvent struct {
	At      holdfast.Duration `yaml:"at"`
	Repeat  int               `yaml:"repeat"`
	Every   holdfast.Duration `yaml:"every"`
	Dataset string            `yaml:"dataset"`
	Raw     string            `yaml:"raw"`
	Drill   string            `yaml:"drill"`
	Fields  yaml.Node         `yaml:"fields"`
}

// fires reports whether a rule holds for one of the events, or for silent and
// other detections alike, whether it stands among the stages of an alert.
func (d *Detector) fires(rule string, events []holdfast.Event) bool {
	for i := range events {
		ds := d.opts.Datasets[events[i].Dataset]
		for _, h := range d.matched(0, &events[i], &ds, nil) {
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
func (c *ruleCase) events(parse func(raw []byte) ([]holdfast.Event, error)) ([]holdfast.Event, error) {
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
		if ce.Dataset == "" && ce.Fields.Kind == 0 && ce.Raw != "" && parse != nil {
			read, err := parse([]byte(ce.Raw))
			if err != nil {
				return nil, fmt.Errorf("event %d of the case %q: %w", i+1, c.Say, err)
			}
			for n := range max(ce.Repeat, 1) {
				for j, e := range read {
					if e.Time.IsZero() {
						e.Time = begin
					}
					e.Time = e.Time.Add(ce.At.Std() + time.Duration(n)*ce.Every.Std())
					e.ID = holdfast.NewEventID("case", fmt.Sprintf("%d/%d/%d", i, n, j), e.Raw, 0)
					e.Received, e.Source, e.Asset, e.Drill = e.Time, "case", "case", ce.Drill
					out = append(out, e)
				}
			}
			continue
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
