package spine

import (
	"slices"
	"strings"

	"holdfast"
	"holdfast/detect"
	"holdfast/spine/health"
)

// BlindRule is a rule that sees nothing, or not all, while a trouble lasts.
type BlindRule struct {
	Rule       string         `json:"rule"`
	Title      string         `json:"title"`
	Level      holdfast.Level `json:"level"`
	Everywhere bool           `json:"everywhere"` // it gets what it needs from nowhere else
}

// sight is what rules can see, as of one moment.
type sight struct {
	needs    []detect.Need
	sources  map[string]health.Source
	dark     map[string]bool // sources that give nothing now
	light    map[string]bool // datasets that a source gives that is not dark
	lacking  map[string]bool // dataset/field that has stopped coming
	watching func(rules map[string]bool, asset string) []string
}

func (s *Spine) sight(sources []health.Source, troubles []health.Trouble) *sight {
	x := &sight{
		needs: s.Detect.Needs(), sources: map[string]health.Source{}, dark: map[string]bool{}, light: map[string]bool{}, lacking: map[string]bool{},
		watching: s.Control.Watching,
	}
	gone := map[string]bool{}
	for _, t := range troubles {
		switch t.Kind {
		case health.Quiet:
			x.dark[t.Source] = true
		case health.Agent:
			gone[t.Asset] = true
		case health.Field:
			x.lacking[t.Subject] = true
		}
	}
	for _, src := range sources {
		x.sources[src.Source] = src
		if gone[ownerOf(src.Source)] {
			x.dark[src.Source] = true
		}
		if !x.dark[src.Source] {
			for _, d := range src.Datasets {
				x.light[d] = true
			}
		}
	}
	return x
}

// ownerOf is the asset whose agent sends a source.
func ownerOf(source string) string {
	asset, _, ok := strings.Cut(source, "/")
	if !ok || !strings.HasPrefix(asset, "ast-") {
		return ""
	}
	return asset
}

// blind lists the rules that a trouble blinds, the gravest first, and the
// requirements that they watch.
func (x *sight) blind(t health.Trouble) ([]BlindRule, []string) {
	var out []BlindRule
	hit := map[string]bool{}
	looks := x.looks(t)
	blindOf := func(n detect.Need) (bool, bool) {
		given := false
		for _, d := range n.Datasets {
			given = given || looks(n, d)
		}
		if !given {
			return false, false
		}
		return true, !slices.ContainsFunc(n.Datasets, func(d string) bool { return x.sees(n, d) })
	}
	everywhere := map[string]bool{}
	for _, n := range x.needs { // detections come first
		var is, all bool
		if len(n.Rules) == 0 {
			is, all = blindOf(n)
		}
		for _, r := range n.Rules { // it needs each of them
			is, all = is || hit[r], all || everywhere[r]
		}
		if !is {
			continue
		}
		hit[n.Rule], everywhere[n.Rule] = true, all
		if t.Kind == health.Clock && len(n.Rules) == 0 {
			continue // it looks at each event alone
		}
		out = append(out, BlindRule{n.Rule, n.Title, n.Level, all && t.Kind != health.Clock && t.Kind != health.Parse})
	}
	slices.SortStableFunc(out, func(a, b BlindRule) int { return b.Level.Rank() - a.Level.Rank() })
	named := map[string]bool{}
	for _, r := range out {
		named[r.Rule] = true
	}
	return out, x.watching(named, t.Asset)
}

// looks tells whether a rule looks at what a trouble is about in a dataset.
func (x *sight) looks(t health.Trouble) func(detect.Need, string) bool {
	switch t.Kind {
	case health.Quiet, health.Clock, health.Parse:
		given := x.sources[t.Source].Datasets
		return func(_ detect.Need, d string) bool { return slices.Contains(given, d) }
	case health.Agent:
		given := map[string]bool{}
		for _, src := range x.sources {
			if ownerOf(src.Source) == t.Asset {
				for _, d := range src.Datasets {
					given[d] = true
				}
			}
		}
		return func(_ detect.Need, d string) bool { return given[d] }
	case health.Field:
		return func(n detect.Need, d string) bool { return d == t.Dataset && slices.Contains(n.Fields, t.Field) }
	case health.Lag:
		return func(detect.Need, string) bool { return t.Subject == "rules" }
	}
	return func(detect.Need, string) bool { return false }
}

// sees reports whether a rule gets events of a dataset with all that it needs.
func (x *sight) sees(n detect.Need, d string) bool {
	return x.light[d] && !slices.ContainsFunc(n.Fields, func(f string) bool { return x.lacking[d+"/"+f] })
}

// summary is what an alert says of it.
func summary(rules []BlindRule, requirements []string) *holdfast.Blind {
	b := &holdfast.Blind{Rules: len(rules), First: []string{}, Requirements: requirements[:min(len(requirements), holdfast.MaxBlind)]}
	for i, r := range rules {
		if r.Everywhere {
			b.Everywhere++
		}
		if i < holdfast.MaxBlind {
			b.First = append(b.First, r.Rule)
		}
	}
	return b
}

// grade is the level of an alert about a trouble.
func grade(t health.Trouble, rules []BlindRule, requirements []string) holdfast.Level {
	grave := len(requirements) > 0 || slices.ContainsFunc(rules, func(r BlindRule) bool { return r.Everywhere && r.Level.Rank() >= holdfast.High.Rank() })
	switch {
	case t.Kind == health.Disk && t.Now:
		return holdfast.Critical
	case t.Kind == health.Disk, t.Kind == health.Store, t.Kind == health.Node:
		return holdfast.High
	case t.Kind == health.Lag, t.Kind == health.Clock, t.Kind == health.Parse:
		return holdfast.Medium
	case grave:
		return holdfast.High
	case len(rules) > 0:
		return holdfast.Medium
	}
	return holdfast.Low
}

// blindness says for the standings which rules see nothing of which asset: all
// of its sources that a rule looks at are dark. Asset "" is for what no source
// gives any more.
func (s *Spine) blindness(sources []health.Source, troubles []health.Trouble) map[string]map[string]string {
	out := map[string]map[string]string{}
	put := func(asset, rule, why string) {
		if out[asset] == nil {
			out[asset] = map[string]string{}
		}
		if out[asset][rule] == "" {
			out[asset][rule] = why
		}
	}
	x := s.sight(sources, troubles)
	for _, t := range troubles {
		switch t.Kind {
		case health.Agent:
			put(t.Asset, "", t.What)
		case health.Field:
			rules, _ := x.blind(t)
			for _, r := range rules {
				if r.Everywhere {
					put("", r.Rule, t.What)
				}
			}
		case health.Quiet:
			if t.Asset == "" {
				continue
			}
			own := map[string]bool{} // datasets that the asset still gives
			for _, src := range sources {
				if src.Asset == t.Asset && !x.dark[src.Source] {
					for _, d := range src.Datasets {
						own[d] = true
					}
				}
			}
			looks := x.looks(t)
			for _, n := range x.needs {
				if slices.ContainsFunc(n.Datasets, func(d string) bool { return looks(n, d) }) && !slices.ContainsFunc(n.Datasets, func(d string) bool { return own[d] }) {
					put(t.Asset, n.Rule, t.What)
				}
			}
		}
	}
	return out
}
