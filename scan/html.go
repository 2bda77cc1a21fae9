package scan

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// Bounds on a report, so that it stays openable whatever was found.
const (
	shownPerRule = 50
	shownInAll   = 3000
	shownRules   = 2000
	shownFields  = 100
	shownText    = 2000 // bytes of one value
	shownEvent   = 16 << 10
	shownMade    = 20  // events of a correlation
	shownRows    = 200 // of a table
	bars         = 120 // of the timeline
)

// page is a report as one file that loads nothing: styles and script stand in
// it, and a policy allows those and nothing else. Everything is there without
// the script; that only filters.
type page struct {
	w       io.Writer
	tallies Tallies
	shown   map[string][]eventView
	inAll   int
	hosts   map[string]*[6]int // by rank of the level
	tactics map[string]*[6]int
	line    timeline
}

func newHTML(w io.Writer) Writer {
	return &page{w: w, tallies: Tallies{}, shown: map[string][]eventView{}, hosts: map[string]*[6]int{}, tactics: map[string]*[6]int{}, line: timeline{step: time.Minute, bars: map[int64]*[6]int{}}}
}

func (h *page) Match(m *Match) error {
	h.tallies.Add(m)
	rank := m.Level.Rank()
	if len(h.shown[m.Rule]) < shownPerRule && h.inAll < shownInAll {
		h.shown[m.Rule] = append(h.shown[m.Rule], viewOf(m))
		h.inAll++
	}
	count := func(in map[string]*[6]int, key string) {
		if in[key] == nil {
			if len(in) >= MaxHosts {
				key = "(others)"
			}
			if in[key] == nil {
				in[key] = &[6]int{}
			}
		}
		in[key][rank]++
	}
	host := m.Host
	if host == "" {
		host = "(not named)"
	}
	count(h.hosts, host)
	for _, t := range tacticsOf(m) {
		count(h.tactics, t)
	}
	h.line.add(m.Time, rank)
	return nil
}

// tacticsOf are the tactics of ATT&CK that a rule names.
func tacticsOf(m *Match) []string {
	var out []string
	if m.Meta != nil {
		for _, t := range m.Meta.Tags {
			name, ok := strings.CutPrefix(strings.ToLower(t), "attack.")
			if ok && name != "" && !strings.ContainsAny(name, "0123456789") {
				out = append(out, strings.ReplaceAll(strings.ReplaceAll(name, "-", " "), "_", " "))
			}
		}
	}
	if len(out) == 0 {
		return []string{"(none named)"}
	}
	return out
}

// timeline counts over time; its step doubles when there are too many.
type timeline struct {
	step time.Duration
	bars map[int64]*[6]int
}

func (t *timeline) add(at time.Time, rank int) {
	if at.IsZero() {
		return
	}
	key := at.Unix() / int64(t.step/time.Second)
	if t.bars[key] == nil {
		t.bars[key] = &[6]int{}
	}
	t.bars[key][rank]++
	for len(t.bars) > 4000 {
		t.widen()
	}
}

func (t *timeline) widen() {
	next := map[int64]*[6]int{}
	for k, n := range t.bars {
		if k < 0 {
			k--
		}
		to := k / 2
		if next[to] == nil {
			next[to] = &[6]int{}
		}
		for i := range n {
			next[to][i] += n[i]
		}
	}
	t.bars, t.step = next, t.step*2
}

// bar is one column of the timeline.
type bar struct {
	At    time.Time
	Label string
	Total int
	X, W  float64
	Parts []barPart
}

type barPart struct {
	Level  string
	Y, H   float64
	Number int
}

const chartHeight = 120.0

// chart fits the counts into the bars of the report.
func (t *timeline) chart() (out []bar, step time.Duration) {
	keys := slices.Sorted(maps.Keys(t.bars))
	if len(keys) == 0 {
		return nil, t.step
	}
	for keys[len(keys)-1]-keys[0] >= bars {
		t.widen()
		keys = slices.Sorted(maps.Keys(t.bars))
	}
	most := 0
	for _, n := range t.bars {
		most = max(most, total(n))
	}
	span := keys[len(keys)-1] - keys[0] + 1
	width := 1000 / float64(max(span, 12))
	for _, k := range keys {
		n := t.bars[k]
		b := bar{At: time.Unix(k*int64(t.step/time.Second), 0).UTC(), Total: total(n), X: float64(k-keys[0]) * width, W: max(width-1, 1)}
		b.Label = b.At.Format("2006-01-02 15:04")
		y := chartHeight
		for rank := 1; rank < 6; rank++ {
			if n[rank] == 0 {
				continue
			}
			height := max(chartHeight*float64(n[rank])/float64(most), 1)
			y -= height
			b.Parts = append(b.Parts, barPart{levelOf(rank), max(y, 0), height, n[rank]})
		}
		out = append(out, b)
	}
	return out, t.step
}

func total(n *[6]int) int {
	sum := 0
	for _, x := range n {
		sum += x
	}
	return sum
}

func levelOf(rank int) string {
	for _, l := range []holdfast.Level{holdfast.Informational, holdfast.Low, holdfast.Medium, holdfast.High, holdfast.Critical} {
		if l.Rank() == rank {
			return string(l)
		}
	}
	return "none"
}

// row is one line of a table of counts.
type row struct {
	Name   string
	Total  int
	Counts [5]int // the gravest first
}

// rowsOf sorts the gravest first, then the most.
func rowsOf(in map[string]*[6]int) (out []row, more int) {
	for name, n := range in {
		r := row{Name: name, Total: total(n)}
		for i := range r.Counts {
			r.Counts[i] = n[5-i]
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b row) int {
		for i := range a.Counts[:3] {
			if d := b.Counts[i] - a.Counts[i]; d != 0 {
				return d
			}
		}
		return cmp.Or(b.Total-a.Total, strings.Compare(a.Name, b.Name))
	})
	if len(out) > shownRows {
		out, more = out[:shownRows], len(out)-shownRows
	}
	return out, more
}

// ruleView is one rule of the report.
type ruleView struct {
	*Tally
	Level, About, Status  string
	False, Tactics, Names []string
	Shown                 []eventView
	Left                  int
	Search                string
}

type eventView struct {
	Time, Host, File string
	Record           uint64
	Why              string
	Fields           [][2]string
	More             int
	Events           []Made
}

func (h *page) Close(r Report) error {
	var v struct {
		Report
		Policy        template.HTMLAttr
		Style         template.CSS
		Script        template.JS
		Started, Took string
		Levels        []row
		Rules         []ruleView
		MoreRules     int
		Hosts, Tactic []row
		MoreHosts     int
		Bars          []bar
		Step          string
		Shown         int
		Cut           bool
		From, To      string
		Left          []Left
		MoreLeft      int
	}
	v.Report = r
	v.Style, v.Script = template.CSS(reportStyle), template.JS(reportScript)                                                                                                                   //nolint:gosec // both are files of this program
	v.Policy = template.HTMLAttr(fmt.Sprintf(`content="default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'"`, digest(reportStyle), digest(reportScript))) //nolint:gosec // of the same
	v.Started, v.Took = r.Started.UTC().Format("2006-01-02 15:04 UTC"), r.Summary.Took.Round(time.Millisecond).String()
	levels := [6]int{}
	var first, last time.Time
	for i, t := range h.tallies.Sorted() {
		levels[t.Level.Rank()] += t.Count
		if !t.First.IsZero() && (first.IsZero() || t.First.Before(first)) {
			first = t.First
		}
		if t.Last.After(last) {
			last = t.Last
		}
		if i >= shownRules {
			v.MoreRules++
			continue
		}
		v.Rules = append(v.Rules, h.rule(t))
	}
	if !first.IsZero() {
		v.From, v.To = stamp(first), stamp(last)
	}
	for rank := 5; rank >= 1; rank-- {
		v.Levels = append(v.Levels, row{Name: levelOf(rank), Total: levels[rank]})
	}
	v.Hosts, v.MoreHosts = rowsOf(h.hosts)
	v.Tactic, _ = rowsOf(h.tactics)
	var step time.Duration
	v.Bars, step = h.line.chart()
	v.Step = stepText(step)
	v.Shown, v.Cut = h.inAll, uint64(h.inAll) < r.Summary.Matches
	v.Left, v.MoreLeft = r.Summary.Left, r.Summary.More
	if len(v.Left) > shownRows {
		v.MoreLeft += len(v.Left) - shownRows
		v.Left = v.Left[:shownRows]
	}
	t, err := template.New("report").Parse(reportPage)
	if err != nil {
		return err
	}
	return t.Execute(h.w, v)
}

// stepText says how long a bar is.
func stepText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("about %.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("about %.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func (h *page) rule(t *Tally) ruleView {
	v := ruleView{Tally: t, Level: string(t.Level), Tactics: tacticsOf(&t.Match)}
	if m := t.Meta; m != nil {
		v.About, v.Status, v.False = m.Description, m.Status, m.FalsePositives
	}
	v.Names = t.HostList()
	if len(v.Names) > 20 {
		v.Names = append(v.Names[:20:20], fmt.Sprintf("and %d more", len(t.Hosts)-20))
	}
	v.Shown = h.shown[t.Rule]
	v.Left = t.Count - len(v.Shown)
	v.Search = strings.ToLower(strings.Join(append([]string{t.Title, t.Rule, v.Level, strings.Join(t.Attack, " "), strings.Join(v.Tactics, " ")}, v.Names...), " "))
	return v
}

func viewOf(m *Match) eventView {
	v := eventView{Time: stamp(m.Time), Host: m.Host, File: m.File, Record: m.Record, Why: m.Reasons(), Events: m.Events[:min(len(m.Events), shownMade)]}
	var fields map[string]any
	if err := json.Unmarshal(m.Event, &fields); err != nil {
		return v
	}
	names := slices.Sorted(maps.Keys(fields))
	size := 0
	if len(names) > shownFields {
		v.More, names = len(names)-shownFields, names[:shownFields]
	}
	for i, n := range names {
		if size > shownEvent {
			v.More += len(names) - i
			break
		}
		text, ok := fields[n].(string)
		if !ok {
			b, err := json.Marshal(fields[n])
			if err != nil {
				continue
			}
			text = string(b)
		}
		if len(text) > shownText {
			text = strings.ToValidUTF8(text[:shownText], "") + "…"
		}
		size += len(n) + len(text)
		v.Fields = append(v.Fields, [2]string{n, text})
	}
	return v
}

var (
	//go:embed report.html
	reportPage string
	//go:embed report.css
	reportStyle string
	//go:embed report.js
	reportScript string
)
