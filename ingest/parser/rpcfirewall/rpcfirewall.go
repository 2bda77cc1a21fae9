// Package rpcfirewall reads the events of RPC Firewall as a forwarder that names
// their values writes them: one JSON object with EventLog "RPCFW". In Windows'
// own log the values have no names; those are read by winevent as they are.
package rpcfirewall

import (
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	marks := parser.NewMarks(`"RPCFW"`, `"InterfaceUuid"`)
	pool := sync.Pool{New: func() any { return new(parser.Flat) }}
	return parser.Parser{
		Name:        "rpcfirewall",
		Title:       "RPC Firewall",
		Description: "Remote procedure calls allowed and refused by RPC Firewall, in JSON with named values.",
		References:  []string{"https://github.com/zeronetworks/rpcfirewall"},
		Datasets: []holdfast.Dataset{{
			Name: "windows.rpcfirewall", Title: "RPC Firewall", Logsource: holdfast.Logsource{Category: "application", Product: "rpc_firewall"},
			ECS: map[string]string{
				"Computer": holdfast.EntityHost, "ClientNetworkAddress": holdfast.EntitySource, "ImagePath": holdfast.EntityExecutable,
				"Subject": holdfast.EntityUser, "EventID": "event.code", "InterfaceUuid": "rpc.interface",
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
	out := parser.Parsed{Dataset: "windows.rpcfirewall", Fields: fields}
	ours := false
	for i := range fields {
		switch f := &fields[i]; f.Name {
		case "EventLog":
			ours = f.Text == "RPCFW"
		case "Computer":
			out.Host = f.Text
		case "TimeCreated", "@timestamp":
			if t, err := time.Parse(time.RFC3339Nano, f.Text); err == nil {
				out.Time = t.UTC()
			}
		}
	}
	if !ours {
		return parser.Parsed{}, parser.ErrOther
	}
	return out, nil
}
