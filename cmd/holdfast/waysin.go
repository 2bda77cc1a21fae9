package main

import (
	"net/http"

	"holdfast/ingest/input/elastic"
	"holdfast/ingest/input/hec"
	ndjson "holdfast/ingest/input/http"
	"holdfast/ingest/input/otlp"
	"holdfast/internal/intake"
)

// waysIn returns the ways in over HTTP, which share the server's listener and
// one gate: it finds the one that a request is for, or nil.
func waysIn(gate *intake.Gate) func(*http.Request) http.Handler {
	ways := []struct {
		takes   func(*http.Request) bool
		handler http.Handler
	}{
		{ndjson.Takes, ndjson.Handler(gate)},
		{otlp.Takes, otlp.Handler(gate)},
		{hec.Takes, hec.Handler(gate)},
		{elastic.Takes, elastic.Handler(gate)},
	}
	return func(r *http.Request) http.Handler {
		for _, w := range ways {
			if w.takes(r) {
				return w.handler
			}
		}
		return nil
	}
}
