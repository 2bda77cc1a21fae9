// Package all lists every parser that Holdfast ships, in the order in which
// they are asked.
package all

import "holdfast/ingest/parser"

// All lists them, the most particular first, the generic last.
func All() []parser.Parser { return []parser.Parser{} }
