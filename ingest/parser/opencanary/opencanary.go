// Package opencanary reads the events of OpenCanary, a decoy that nobody has
// reason to touch: one JSON object a line, its kind a number in "logtype".
package opencanary

import (
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	marks := parser.NewMarks(`"logtype"`, `"node_id"`)
	pool := sync.Pool{New: func() any { return new(parser.Flat) }}
	return parser.Parser{
		Name:        "opencanary",
		Title:       "OpenCanary",
		Description: "Touches of a decoy. Fields keep their names; those of logdata are joined by dots.",
		References:  []string{"https://github.com/thinkst/opencanary/blob/master/opencanary/logger.py"},
		Datasets: []holdfast.Dataset{{
			Name: "opencanary", Title: "OpenCanary", Logsource: holdfast.Logsource{Category: "application", Product: "opencanary"},
			ECS: map[string]string{
				"node_id": holdfast.EntityHost, "src_host": holdfast.EntitySource, "dst_host": holdfast.EntityDestination,
				"src_port": "source.port", "dst_port": "destination.port", "logtype": "event.code", "logdata.USERNAME": holdfast.EntityUser,
			},
		}},
		Form: parser.Object,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			if len(raw) == 0 || raw[0] != '{' || !marks.In(raw) {
				return parser.Parsed{}, parser.ErrOther
			}
			f := pool.Get().(*parser.Flat)
			defer pool.Put(f)
			fields, err := f.Object(raw, hint.Into)
			if err != nil {
				return parser.Parsed{}, err
			}
			return read(fields)
		},
	}
}

func read(fields []holdfast.Field) (parser.Parsed, error) {
	out := parser.Parsed{Dataset: "opencanary", Fields: fields}
	kind := false
	for i := range fields {
		switch f := &fields[i]; f.Name {
		case "logtype":
			kind = f.Kind == holdfast.Number || f.Text != ""
		case "node_id":
			out.Host = f.Text
		case "utc_time":
			if t, err := time.Parse("2006-01-02 15:04:05.999999", f.Text); err == nil {
				out.Time = t
			}
		}
	}
	if !kind {
		return parser.Parsed{}, parser.ErrOther
	}
	return out, nil
}
