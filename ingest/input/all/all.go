// Package all lists every input that Holdfast ships.
package all

import (
	"holdfast/ingest/input"
	"holdfast/ingest/input/file"
	"holdfast/ingest/input/http"
	"holdfast/ingest/input/syslog"
	"holdfast/internal/host"
)

// All lists them by name.
func All() []input.Input { return []input.Input{file.Input(), http.Input(), syslog.Input()} }

// Defaults are the inputs of a host that nobody has configured.
func Defaults(h *host.Host) []input.Config {
	var out []input.Config
	for _, p := range []string{"/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages"} {
		if h.Exists(p) {
			out = append(out, input.Config{Kind: "file", Where: p})
		}
	}
	return out
}
