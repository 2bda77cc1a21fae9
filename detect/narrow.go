package detect

import (
	"slices"
	"strings"

	"holdfast/detect/engine"
	"holdfast/detect/sigma"
)

// mostNarrow bounds the condition that Narrow makes.
const mostNarrow = 32 << 10

// Narrow is a condition in the language of searches that every event has for
// which one of the rules holds: the kinds of event that they look at, and what
// they need, as far as that can be said. It is "" if no kind of event serves.
func (r *Replay) Narrow() string {
	var each []string
	for _, x := range r.d.rules.set.Rules {
		var kinds []string
		for name, ds := range r.d.opts.Datasets {
			if sigma.Serves(x.Logsource, ds) {
				kinds = append(kinds, name)
			}
		}
		if len(kinds) == 0 {
			continue
		}
		cond := kindsText(kinds)
		if need, ok := r.d.rules.engine.Needs(x); ok {
			cond += " and " + needText(need)
		}
		each = append(each, cond)
	}
	if len(each) == 0 {
		return ""
	}
	out := "(" + strings.Join(each, ") or (") + ")"
	if len(each) == 1 {
		out = each[0]
	}
	if len(out) > mostNarrow {
		return kindsText(r.Datasets())
	}
	return out
}

func kindsText(kinds []string) string {
	slices.Sort(kinds)
	return `dataset in ("` + strings.Join(kinds, `", "`) + `")`
}

// needText writes a need; its texts are such that quotes do.
func needText(n engine.Need) string {
	join := func(of []engine.Need, word string) string {
		parts := make([]string, len(of))
		for i := range of {
			parts[i] = needText(of[i])
		}
		return "(" + strings.Join(parts, word) + ")"
	}
	switch {
	case n.All != nil:
		return join(n.All, " and ")
	case n.Any != nil:
		return join(n.Any, " or ")
	case n.Keyword:
		return `(raw contains "` + n.Text + `" or fields contains "` + n.Text + `")`
	}
	return `fields contains "` + n.Text + `"`
}
