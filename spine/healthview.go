package spine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast"
	"holdfast/spine/health"
)

// Health is the health of the pipeline: its sources with their rhythms, and what
// is wrong.
type Health struct {
	At       time.Time       `json:"at"`
	Troubles []HealthTrouble `json:"troubles"`
	Sources  []HealthSource  `json:"sources"`
	Readers  []health.Reader `json:"readers"`
	Disk     health.Forecast `json:"disk"`
	Mutes    []holdfast.Mute `json:"mutes"`
	Nodes    []Node          `json:"nodes"` // none where one is alone
}

// HealthTrouble is a trouble with what is blind for it.
type HealthTrouble struct {
	health.Trouble
	Blind holdfast.Blind `json:"blind"`
	Level holdfast.Level `json:"level"`
	Alert string         `json:"alert"`
	Mute  *holdfast.Mute `json:"mute,omitempty"` // it raises no alert for this
}

// HealthSource is a source with its troubles and the rules that look at it.
type HealthSource struct {
	health.Source
	Host     string   `json:"host,omitempty"` // the name of its asset
	Troubles []string `json:"troubles"`       // the kinds
	Rules    int      `json:"rules"`          // that look at what it gives
}

// know returns what is known of the sources, here or by the node that judges.
func (s *Spine) know(ctx context.Context) (*health.Model, []health.Trouble, error) {
	s.mu.Lock()
	judging, troubles := s.well.judging, s.well.troubles
	s.mu.Unlock()
	if judging {
		return s.well.model, troubles, nil
	}
	seq, kept, err := s.State.Position(ctx, healthPosition)
	if err != nil {
		return nil, nil, err
	}
	m := health.New(s.Health)
	troubles, err = m.Restore(kept, seq, time.Time{})
	return m, troubles, err
}

// HealthNow tells how well the pipeline is.
func (s *Spine) HealthNow(ctx context.Context) (Health, error) {
	now := s.Clock.Now().UTC()
	out := Health{At: now, Troubles: []HealthTrouble{}, Sources: []HealthSource{}, Readers: []health.Reader{}, Mutes: []holdfast.Mute{}, Nodes: []Node{}}
	m, troubles, err := s.know(ctx)
	if err != nil {
		return out, err
	}
	nodes, err := s.Nodes(ctx)
	if err != nil {
		return out, err
	}
	out.Readers, out.Nodes = append(out.Readers, s.behind()...), append(out.Nodes, nodes...)
	mutes, err := s.Mutes(ctx)
	if err != nil {
		return out, err
	}
	assets, err := s.State.Assets().All(ctx, nil)
	if err != nil {
		return out, err
	}
	troubles = append(append(slices.Clone(troubles), s.well.lags.Judge(now, out.Readers, s.Health.Lag)...), nodesGone(nodes)...)
	out.Disk, out.Mutes = m.Disk(), append(out.Mutes, mutes...)
	sources := m.Sources(now)
	x := s.sight(sources, troubles)
	of := map[string][]string{}
	for _, t := range troubles {
		a := s.alertOf(ctx, x, t, now)
		out.Troubles = append(out.Troubles, HealthTrouble{t, *a.Blind, a.Level, a.ID, mutedBy(mutes, t, now)})
		of[t.Source] = append(of[t.Source], t.Kind)
		if t.Kind == health.Agent {
			of[t.Asset+"/"] = append(of[t.Asset+"/"], t.Kind)
		}
	}
	looking := map[string]int{}
	for _, src := range sources {
		h := HealthSource{Source: src, Troubles: append([]string{}, of[src.Source]...), Rules: x.looking(src, looking)}
		if owner := ownerOf(src.Source); owner != "" {
			h.Troubles = append(h.Troubles, of[owner+"/"]...)
		}
		for _, a := range assets {
			if a.ID == src.Asset {
				h.Host = a.Name
			}
		}
		out.Sources = append(out.Sources, h)
	}
	return out, nil
}

// looking counts the rules that look at what a source gives; seen remembers the
// answer for the same datasets.
func (x *sight) looking(src health.Source, seen map[string]int) int {
	key := fmt.Sprint(src.Datasets)
	n, ok := seen[key]
	if !ok {
		rules, _ := x.blind(health.Trouble{Kind: health.Quiet, Source: src.Source, Asset: "-"})
		n = len(rules)
		seen[key] = n
	}
	return n
}

// BlindFor lists all rules that a trouble blinds, the gravest first, and the
// requirements that are not watched for it.
func (s *Spine) BlindFor(ctx context.Context, kind, subject string) (b Blindness, err error) {
	m, troubles, err := s.know(ctx)
	if err != nil {
		return b, err
	}
	now := s.Clock.Now().UTC()
	nodes, err := s.Nodes(ctx)
	if err != nil {
		return b, err
	}
	troubles = append(append(slices.Clone(troubles), s.well.lags.Judge(now, s.behind(), s.Health.Lag)...), nodesGone(nodes)...)
	for _, t := range troubles {
		if t.Kind == kind && t.Subject == subject {
			b.Trouble = t
			rules, requirements := s.sight(m.Sources(now), troubles).blind(t)
			b.Rules, b.Requirements = append([]BlindRule{}, rules...), requirements
			return b, nil
		}
	}
	return b, fmt.Errorf("nothing is wrong with %s %s now; holdfast health lists what is: %w", kind, subject, holdfast.ErrNotFound)
}

// Blindness is all that is not seen for one trouble.
type Blindness struct {
	Trouble      health.Trouble `json:"trouble"`
	Rules        []BlindRule    `json:"rules"`
	Requirements []string       `json:"requirements"`
}
