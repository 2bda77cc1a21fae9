// Package all lists every input that Holdfast ships.
package all

import "holdfast/ingest/input"

// All lists them by name.
func All() []input.Input { return []input.Input{} }
