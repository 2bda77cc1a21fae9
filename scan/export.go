package scan

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// ndjson writes each match as it is.
type ndjson struct{ enc *json.Encoder }

func newNDJSON(w io.Writer) Writer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &ndjson{enc}
}

func (n *ndjson) Match(m *Match) error { return n.enc.Encode(m) }
func (n *ndjson) Close(Report) error   { return nil }

// table is CSV by RFC 4180.
type table struct{ w *csv.Writer }

func newCSV(w io.Writer) Writer {
	t := &table{csv.NewWriter(w)}
	_ = t.w.Write([]string{"time", "level", "rule", "title", "attack", "host", "file", "record", "dataset", "because", "event"}) // Flush tells
	return t
}

func (t *table) Match(m *Match) error {
	at := ""
	if !m.Time.IsZero() {
		at = m.Time.UTC().Format(time.RFC3339Nano)
	}
	row := []string{at, string(m.Level), m.Rule, m.Title, strings.Join(m.Attack, " "), m.Host, m.File, strconv.FormatUint(m.Record, 10), m.Dataset, m.Reasons(), string(m.Event)}
	for i := range row {
		row[i] = cell(row[i])
	}
	return t.w.Write(row)
}

func (t *table) Close(Report) error {
	t.w.Flush()
	return t.w.Error()
}

// cell keeps a spreadsheet from taking text of an event for a formula.
func cell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// ocsf writes Detection Findings (class 2004) of the Open Cybersecurity Schema
// Framework, version 1.5.0, one a line; then what the scan left out and noted.
type ocsf struct {
	enc *json.Encoder
}

func newOCSF(w io.Writer) Writer {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &ocsf{enc}
}

// ocsfClass begins every record: what kind of thing it tells of.
type ocsfClass struct {
	ActivityID   int    `json:"activity_id"`
	ActivityName string `json:"activity_name"`
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	TypeUID      int    `json:"type_uid"`
	TypeName     string `json:"type_name"`
}

type ocsfFinding struct {
	ocsfClass
	Time       int64          `json:"time"` // milliseconds since 1970
	SeverityID int            `json:"severity_id"`
	Severity   string         `json:"severity"`
	StatusID   int            `json:"status_id"`
	Status     string         `json:"status"`
	IsAlert    bool           `json:"is_alert"`
	Message    string         `json:"message"`
	Metadata   ocsfMetadata   `json:"metadata"`
	Info       ocsfInfo       `json:"finding_info"`
	Evidences  []ocsfEvidence `json:"evidences"`
	Resources  []ocsfResource `json:"resources,omitempty"`
	Count      int            `json:"count,omitempty"`
}

type ocsfMetadata struct {
	Version string `json:"version"`
	Product struct {
		Name   string `json:"name"`
		Vendor string `json:"vendor_name"`
	} `json:"product"`
	LogName string `json:"log_name,omitempty"`
}

func newOCSFMetadata() (m ocsfMetadata) {
	m.Version, m.Product.Name, m.Product.Vendor = "1.5.0", "Holdfast", "Holdfast"
	return m
}

type ocsfInfo struct {
	UID       string       `json:"uid"`
	Title     string       `json:"title"`
	Desc      string       `json:"desc,omitempty"`
	First     int64        `json:"first_seen_time,omitempty"`
	Last      int64        `json:"last_seen_time,omitempty"`
	Analytic  ocsfAnalytic `json:"analytic"`
	Attacks   []ocsfAttack `json:"attacks,omitempty"`
	DataNames []string     `json:"data_sources"`
}

type ocsfAnalytic struct {
	Name   string `json:"name"`
	UID    string `json:"uid"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

type ocsfAttack struct {
	Technique    ocsfTechnique  `json:"technique"`
	SubTechnique *ocsfTechnique `json:"sub_technique,omitempty"`
}

// ocsfTechnique names a technique by its id: older versions of the schema ask
// for a name, and rules tell none.
type ocsfTechnique struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
}

func newOCSFAttack(id string) (a ocsfAttack) {
	technique, _, sub := strings.Cut(id, ".")
	a.Technique = ocsfTechnique{technique, technique}
	if sub {
		a.SubTechnique = &ocsfTechnique{id, id}
	}
	return a
}

type ocsfEvidence struct {
	Data any `json:"data"`
}

type ocsfResource struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ocsfSeverity are the ids and captions of severity_id.
var ocsfSeverity = map[holdfast.Level]struct {
	id   int
	name string
}{
	holdfast.Informational: {1, "Informational"}, holdfast.Low: {2, "Low"}, holdfast.Medium: {3, "Medium"},
	holdfast.High: {4, "High"}, holdfast.Critical: {5, "Critical"},
}

func (o *ocsf) Match(m *Match) error {
	sev := ocsfSeverity[m.Level]
	f := ocsfFinding{
		ocsfClass: ocsfClass{1, "Create", 2, "Findings", 2004, "Detection Finding", 200401, "Detection Finding: Create"}, Time: millis(m.Time), SeverityID: sev.id, Severity: sev.name,
		StatusID: 1, Status: "New", IsAlert: true, Message: m.Title + ": " + m.Reasons(), Count: m.Count,
	}
	f.Metadata = newOCSFMetadata()
	f.Metadata.LogName = m.File
	f.Info = ocsfInfo{
		UID: m.uid(), Title: m.Title, First: millis(m.Time), Last: millis(m.Time),
		Analytic:  ocsfAnalytic{m.Title, m.Rule, "Rule", 1},
		DataNames: []string{m.Dataset},
	}
	if m.Kind == Correlation {
		f.Info.First, f.Info.Last = millis(m.First), millis(m.Last)
	}
	if m.Meta != nil {
		f.Info.Desc = m.Meta.Description
	}
	for _, id := range m.Attack {
		if strings.HasPrefix(id, "T") { // and not software or a group
			f.Info.Attacks = append(f.Info.Attacks, newOCSFAttack(id))
		}
	}
	if m.Host != "" {
		f.Resources = []ocsfResource{{m.Host, "Host"}}
	}
	data := map[string]any{"file": m.File, "record": m.Record, "dataset": m.Dataset, "because": m.Because}
	if m.Event != nil {
		data["event"] = m.Event
	}
	if m.Events != nil {
		data["events"] = m.Events
	}
	f.Evidences = []ocsfEvidence{{data}}
	return o.enc.Encode(f)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// navigator writes a layer of the ATT&CK Navigator, layer format 4.5: the score
// of a technique is how often rules for it matched.
type navigator struct {
	w       io.Writer
	tallies Tallies
}

func newNavigator(w io.Writer) Writer { return &navigator{w, Tallies{}} }

func (n *navigator) Match(m *Match) error {
	n.tallies.Add(m)
	return nil
}

// Layer is a layer of the ATT&CK Navigator (layer format 4.5).
type Layer struct {
	Name     string `json:"name"`
	Versions struct {
		Navigator string `json:"navigator"`
		Layer     string `json:"layer"`
	} `json:"versions"`
	Domain      string           `json:"domain"`
	Description string           `json:"description"`
	Sorting     int              `json:"sorting"` // 3: by score, the highest first
	HideDisable bool             `json:"hideDisabled"`
	Techniques  []LayerTechnique `json:"techniques"`
	Gradient    LayerGradient    `json:"gradient"`
	Legend      []LayerLegend    `json:"legendItems"`
}

// LayerTechnique is one technique of a layer.
type LayerTechnique struct {
	ID      string `json:"techniqueID"`
	Score   int    `json:"score"`
	Color   string `json:"color,omitempty"`
	Comment string `json:"comment"`
	Enabled bool   `json:"enabled"`
	ShowSub bool   `json:"showSubtechniques"`
}

// LayerGradient is how scores become colours.
type LayerGradient struct {
	Colors []string `json:"colors"`
	Min    int      `json:"minValue"`
	Max    int      `json:"maxValue"`
}

// LayerLegend is one entry of a layer's legend.
type LayerLegend struct {
	Label string `json:"label"`
	Color string `json:"color"`
}

// NewLayer begins a layer for enterprises.
func NewLayer(name, description string) Layer {
	l := Layer{
		Name: name, Domain: "enterprise-attack", Description: description, Sorting: 3,
		Techniques: []LayerTechnique{}, Legend: []LayerLegend{},
		Gradient: LayerGradient{Colors: []string{"#fff2cc", "#f4a259", "#bc4b51"}, Min: 0, Max: 1},
	}
	l.Versions.Navigator, l.Versions.Layer = "5.1.0", "4.5"
	return l
}

// Write writes the layer, its techniques in order and all of its scores within
// the gradient. What holds a subtechnique is shown open.
func (l Layer) Write(w io.Writer) error {
	slices.SortFunc(l.Techniques, func(a, b LayerTechnique) int { return strings.Compare(a.ID, b.ID) })
	for i := range l.Techniques {
		l.Gradient.Max = max(l.Gradient.Max, l.Techniques[i].Score)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(l)
}

func (n *navigator) Close(r Report) error {
	by := map[string]*LayerTechnique{}
	said := map[string]int{}
	for _, t := range n.tallies.Sorted() {
		for _, id := range t.Attack {
			if !strings.HasPrefix(id, "T") {
				continue // a group or a program is no cell of the matrix
			}
			one := by[id]
			if one == nil {
				one = &LayerTechnique{ID: id, Enabled: true, ShowSub: true}
				by[id] = one
			}
			one.Score += t.Count
			switch said[id]++; {
			case said[id] <= 20:
				one.Comment += fmt.Sprintf("%s: %d × %s\n", t.Level, t.Count, t.Title)
			case said[id] == 21:
				one.Comment += "and other rules\n"
			}
		}
	}
	l := NewLayer("Holdfast scan", fmt.Sprintf("%d matches in %d events of %d files; a technique's score is how often rules for it matched", r.Summary.Matches, r.Summary.Events, r.Summary.Files))
	for _, one := range by {
		one.Comment = strings.TrimSpace(one.Comment)
		l.Techniques = append(l.Techniques, *one)
	}
	return l.Write(n.w)
}
