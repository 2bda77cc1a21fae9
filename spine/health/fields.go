package health

import (
	"fmt"
	"time"

	"holdfast"
)

const (
	// fieldSamples is about how many events of a dataset are looked at in one
	// block.
	fieldSamples = 8
	fieldSeen    = 50
	fieldLearn   = 6 * time.Hour
	fieldLeast   = 15 * time.Minute
	fieldTimes   = 4 // as many events without it as usual
)

// dataset counts the fields that rules cannot do without.
type dataset struct {
	Looked uint64            `json:"looked"` // at events
	Last   time.Time         `json:"last"`
	Fields map[string]*field `json:"fields"` // by the name that rules use

	names  map[string][]*field // by the names that events have
	block  uint64
	inside int
	stride int
}

// field is when a field was seen.
type field struct {
	Seen  uint64        `json:"seen"`
	At    uint64        `json:"at"`  // Looked, when it was seen last
	Gap   uint64        `json:"gap"` // the most events without it, in between
	First time.Time     `json:"first"`
	Last  time.Time     `json:"last"`
	Pause time.Duration `json:"pause"` // the longest time without it, while events came
}

// Watched are the fields of one dataset that rules cannot do without: for each
// name in a rule, the names that it may have in events.
type Watched map[string][]string

// Watch says which fields count, by dataset, from now on.
func (m *Model) Watch(all map[string]Watched) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for name, w := range all {
		d := m.dataset(name)
		before := d.Fields
		d.Fields, d.names = map[string]*field{}, map[string][]*field{}
		for f, names := range w {
			if n++; n > maxWatched {
				break
			}
			x := before[f]
			if x == nil {
				x = &field{At: d.Looked}
			}
			d.Fields[f] = x
			for _, native := range names {
				d.names[native] = append(d.names[native], x)
			}
		}
	}
	for name, d := range m.datasets {
		if all[name] == nil {
			d.Fields, d.names = map[string]*field{}, nil
		}
	}
}

func (m *Model) dataset(name string) *dataset {
	d := m.datasets[name]
	if d == nil {
		d = &dataset{Fields: map[string]*field{}}
		if len(m.datasets) < 10_000 {
			m.datasets[string([]byte(name))] = d
		}
	}
	return d
}

func (d *dataset) watched() bool { return len(d.names) > 0 }

// look counts the fields of an event, of a few in each block.
func (d *dataset) look(e *holdfast.Event, now time.Time, block uint64) {
	if d.block != block {
		d.stride = max(1, d.inside/fieldSamples)
		d.block, d.inside = block, 0
	}
	d.inside++
	if d.inside%d.stride != 0 {
		return
	}
	d.Looked++
	pause := now.Sub(d.Last)
	d.Last = now
	for i := range e.Fields {
		x := &e.Fields[i]
		if x.Kind == holdfast.Null {
			continue
		}
		for _, f := range d.names[x.Name] {
			if f.At == d.Looked {
				continue
			}
			if f.Seen == 0 {
				f.First = now
			} else {
				f.Gap = max(f.Gap, d.Looked-f.At-1)
				f.Pause = max(f.Pause, now.Sub(f.Last)-pause)
			}
			f.Seen++
			f.At, f.Last = d.Looked, now
		}
	}
}

// judge returns the fields that have stopped coming.
func (d *dataset) judge(name string, now time.Time, most int) []Trouble {
	if most == 0 {
		return nil
	}
	var out []Trouble
	for rule, f := range d.Fields {
		without, silent := d.Looked-f.At, d.Last.Sub(f.Last)
		if f.Seen < fieldSeen || f.Last.Sub(f.First) < fieldLearn || now.Sub(f.Last) > forgotten {
			continue
		}
		if without < max(uint64(most), fieldTimes*f.Gap) || silent < max(fieldLeast, factor*f.Pause) {
			continue
		}
		out = append(out, Trouble{
			Kind: Field, Subject: name + "/" + rule, Dataset: name, Field: rule, Since: f.Last,
			What: fmt.Sprintf("the field %s of %s has stopped coming: it was last seen %s, and not in %d events that were looked at since; before, it came at least once in %d",
				rule, name, f.Last.UTC().Format(time.RFC3339), without, f.Gap+1),
			Do: "see what has changed at the senders of " + name + ": their version, their settings, or how they log; events of before show the field",
		})
	}
	return out
}
