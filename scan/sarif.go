package scan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// sarif writes a log of the Static Analysis Results Interchange Format, version
// 2.1.0 (OASIS). Results are written as they come, the rules at the end.
type sarif struct {
	w     io.Writer
	rules []sarifRule
	index map[string]int
	any   bool
	err   error
}

func newSARIF(w io.Writer) Writer { return &sarif{w: w, index: map[string]int{}} }

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID        string     `json:"id"`
	Name      string     `json:"name,omitempty"`
	Short     sarifText  `json:"shortDescription"`
	Full      *sarifText `json:"fullDescription,omitempty"`
	Help      *sarifText `json:"help,omitempty"`
	Configure struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Properties map[string]any `json:"properties"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Related      []sarifLocation   `json:"relatedLocations,omitempty"`
	Fingerprints map[string]string `json:"partialFingerprints"`
	Properties   map[string]any    `json:"properties"`
}

type sarifLocation struct {
	ID       *int          `json:"id,omitempty"`
	Physical sarifPhysical `json:"physicalLocation"`
	Logical  []sarifPlace  `json:"logicalLocations,omitempty"`
	Message  *sarifText    `json:"message,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
}

type sarifPlace struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

func (s *sarif) write(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

func (s *sarif) json(v any) {
	b, err := json.Marshal(v)
	if err != nil && s.err == nil {
		s.err = err
	}
	s.write("%s", b)
}

func (s *sarif) begin() {
	if !s.any {
		s.any = true
		s.write("{\"$schema\":\"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"results\":[\n")
		return
	}
	s.write(",\n")
}

func (s *sarif) Match(m *Match) error {
	s.begin()
	i, known := s.index[m.Rule]
	if !known {
		i = len(s.rules)
		s.index[m.Rule] = i
		s.rules = append(s.rules, ruleOf(m))
	}
	r := sarifResult{
		RuleID: m.Rule, RuleIndex: i, Level: sarifLevel(m.Level), Message: sarifText{m.Title + ": " + m.Reasons()},
		Locations:    []sarifLocation{place(m.File, m.Record)},
		Fingerprints: map[string]string{"match/v1": m.uid()},
		Properties:   map[string]any{"dataset": m.Dataset, "because": m.Because},
	}
	if !m.Time.IsZero() {
		r.Properties["time"] = m.Time.UTC().Format(time.RFC3339Nano)
	}
	if m.Host != "" {
		r.Properties["host"] = m.Host
	}
	if m.Event != nil {
		r.Properties["event"] = m.Event
	}
	for n, e := range m.Events {
		at := place(e.File, e.Record)
		at.ID, at.Message = &n, &sarifText{e.Message}
		r.Related = append(r.Related, at)
	}
	s.json(r)
	return s.err
}

func ruleOf(m *Match) sarifRule {
	r := sarifRule{ID: m.Rule, Short: sarifText{m.Title}, Properties: map[string]any{"security-severity": severity(m.Level)}}
	r.Configure.Level = sarifLevel(m.Level)
	tags := append([]string{"security"}, m.Attack...)
	if m.Meta != nil {
		r.Name = m.Meta.Name
		if m.Meta.Description != "" {
			r.Full = &sarifText{m.Meta.Description}
		}
		if len(m.Meta.FalsePositives) > 0 {
			r.Help = &sarifText{"What else may look like this: " + strings.Join(m.Meta.FalsePositives, "; ")}
		}
	}
	r.Properties["tags"] = tags
	return r
}

// place is a record of a file. A record of an event log is no line, so it is
// named as a logical place.
func place(file string, record uint64) sarifLocation {
	var l sarifLocation
	l.Physical.Artifact.URI = fileURI(file)
	l.Logical = []sarifPlace{{"record " + strconv.FormatUint(record, 10), "event"}}
	return l
}

// fileURI is a path as a reference by RFC 3986.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(strings.ToValidUTF8(path, "\uFFFD"))}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}

func sarifLevel(l holdfast.Level) string {
	switch l {
	case holdfast.Critical, holdfast.High:
		return "error"
	case holdfast.Medium:
		return "warning"
	}
	return "note"
}

// severity is a number from 0 to 10, as code scanning services sort by it.
func severity(l holdfast.Level) string {
	return map[holdfast.Level]string{holdfast.Critical: "9.5", holdfast.High: "8.0", holdfast.Medium: "5.5", holdfast.Low: "3.0"}[l] + map[bool]string{true: "0.0"}[l == holdfast.Informational]
}

// uid is the same for the same match of the same record.
func (m *Match) uid() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", m.Rule, m.File, m.Record, m.Time.UnixNano()))
	return hex.EncodeToString(h[:16])
}

func (s *sarif) Close(r Report) error {
	if !s.any {
		s.begin()
	}
	rules := s.rules
	if rules == nil {
		rules = []sarifRule{}
	}
	s.write("\n],\"tool\":{\"driver\":{\"name\":\"Holdfast\",\"version\":")
	s.json(r.Version)
	s.write(",\"rules\":")
	s.json(rules)
	type notice struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	notices := []notice{}
	tell := func(level string, about []Left) {
		for _, l := range about {
			var at sarifLocation
			at.Physical.Artifact.URI = fileURI(l.File)
			notices = append(notices, notice{level, sarifText{l.What}, []sarifLocation{at}})
		}
	}
	tell("warning", r.Summary.Left)
	tell("note", r.Summary.Noted)
	config := []notice{}
	for _, f := range r.Faults {
		config = append(config, notice{"warning", sarifText{f.Error()}, nil})
	}
	s.write("}},\"invocations\":[")
	s.json(map[string]any{
		"executionSuccessful": true, "startTimeUtc": r.Started.UTC().Format(time.RFC3339), "endTimeUtc": r.Started.Add(r.Summary.Took).UTC().Format(time.RFC3339),
		"toolExecutionNotifications": notices, "toolConfigurationNotifications": config,
	})
	s.write("],\"properties\":")
	s.json(map[string]any{"files": r.Summary.Files, "events": r.Summary.Events, "matches": r.Summary.Matches, "leftOut": len(r.Summary.Left) + r.Summary.More})
	s.write("}]}\n")
	return s.err
}
