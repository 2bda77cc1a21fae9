// Package hosts lists the ways in that an agent on a host may open: what the
// host itself writes, and what is sent to it by syslog. Those that need the
// server, or a large client of their own, are left to package all, so that the
// agent stays small.
package hosts

import (
	"holdfast/ingest/input"
	"holdfast/ingest/input/file"
	"holdfast/ingest/input/journald"
	"holdfast/ingest/input/syslog"
)

// All lists them by name.
func All() []input.Input { return []input.Input{file.Input(), journald.Input(), syslog.Input()} }
